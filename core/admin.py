"""Accounts in the admin, and the base class of all admin pages."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from core.errors import Throttled
from core.hashers import hashing_slot
from core.models import User
from core.throttling import client_address, consume, consume_for_account


class SafeModelAdmin(admin.ModelAdmin):
    """Base class of the pages of every model."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        to_delete, counts, lacking, protected = super().get_deleted_objects(objs, request)
        # A missing permission would be the wrong reason for what nobody may delete.
        return to_delete, counts, set() if protected else lacking, protected

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return super().get_search_results(request, queryset, search_term.replace("\0", ""))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.save(force_insert=not change, force_update=change)  # a row that was deleted meanwhile is not inserted again


class ThrottledLogin(AdminAuthenticationForm):
    """The login of the admin, with the rate limits of the APIs."""

    @hashing_slot()
    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        try:
            consume("login", client_address(self.request))
            consume_for_account(str(self.cleaned_data.get("username", "")))
        except Throttled as refusal:
            raise ValidationError(str(refusal)) from refusal
        return super().clean()


@admin.register(User)
class UserAdmin(SafeModelAdmin, DjangoUserAdmin):  # type: ignore[misc]
    """Accounts, and which of them are staff."""


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SafeModelAdmin, DjangoGroupAdmin):  # type: ignore[misc]
    """Permissions of staff who are not superusers."""


# They would show refresh tokens.
admin.site.unregister([BlacklistedToken, OutstandingToken])
admin.site.disable_action("delete_selected")  # rows are deleted one at a time
admin.site.enable_nav_sidebar = False  # it takes the room of the lists' last columns
admin.site.login_form = ThrottledLogin
admin.site.site_header = "Movie ticket booking"
admin.site.site_title = "Movie ticket booking"
admin.site.index_title = "Movies, shows and bookings"
