"""Accounts in the admin, and the base class of all admin pages."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models.deletion import ProtectedError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from core.database import refusal_of
from core.errors import DomainError, LockNotAvailable, Throttled
from core.hashers import hashing_slot
from core.models import User
from core.throttling import client_address, consume, consume_for_account


class SafeModelAdmin(admin.ModelAdmin):
    """Shows refusals as messages, and deletes one row at a time."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        to_delete, counts, lacking, protected = super().get_deleted_objects(objs, request)
        # A missing permission would be the wrong reason for what nobody may delete.
        return to_delete, counts, set() if protected else lacking, protected

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return super().get_search_results(request, queryset, search_term.replace("\0", ""))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.save(force_insert=not change, force_update=change)  # a row that was deleted meanwhile is not inserted again

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._with_messages(request, super().changelist_view, *args, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._with_messages(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._with_messages(request, super().delete_view, *args, **kwargs)

    def _with_messages(self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = view(request, *args, **kwargs)
            if isinstance(response, TemplateResponse):
                response.render()  # a list is read from the database only now
            return response
        except LockNotAvailable:
            raise  # nothing was done: core.server tries again
        except DomainError as refusal:
            message = str(refusal)
        except (ProtectedError, DatabaseError) as error:
            if refusal_of(error):
                raise  # for core.middleware
            # A rival was faster than the form's own checks.
            message = "Nothing was changed: something else changed at the same moment. Check and try again."
        except (ValueError, OverflowError):  # an address or a form that no page contains
            message = "The request can't be read. Nothing was changed."
        self.message_user(request, message, messages.ERROR)
        return HttpResponseRedirect(request.path if request.method == "POST" or request.GET else "/admin/")


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
admin.site.enable_nav_sidebar = False  # it takes the room of the lists' last columns
admin.site.login_form = ThrottledLogin
admin.site.site_header = "Movie ticket booking"
admin.site.site_title = "Movie ticket booking"
admin.site.index_title = "Movies, shows and bookings"
