"""Accounts in the admin, and the manners that every page of the admin has."""

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


class NoDeadEnds(admin.ModelAdmin):
    """What the table refuses is a message on the page; things are deleted one at a time, where they can refuse."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        to_delete, counts, lacking, protected = super().get_deleted_objects(objs, request)
        # What is protected nobody may delete: to say that a permission is lacking would be the wrong reason.
        return to_delete, counts, set() if protected else lacking, protected

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return super().get_search_results(request, queryset, search_term.replace("\0", ""))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.save(force_insert=not change, force_update=change)  # what was deleted meanwhile does not come back

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_a_message(request, super().changelist_view, *args, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_a_message(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_a_message(request, super().delete_view, *args, **kwargs)

    def _or_a_message(self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = view(request, *args, **kwargs)
            if isinstance(response, TemplateResponse):
                response.render()  # a list asks the database only now
            return response
        except LockNotAvailable:
            raise  # nothing was done: core.server tries again
        except DomainError as refusal:
            told = str(refusal)
        except (ProtectedError, DatabaseError) as fault:
            if refusal_of(fault):
                raise  # the database's trouble, told by core.middleware
            # Somebody was faster than the form's own checks: a booking came, the row went, the name was taken.
            told = "Not done: something changed at the same moment. Look again."
        except (ValueError, OverflowError):  # an address or a form that no page of ours has made
            told = "That can't be read."
        self.message_user(request, told, messages.ERROR)
        return HttpResponseRedirect(request.path if request.method == "POST" or request.GET else "/admin/")


class ThrottledLogin(AdminAuthenticationForm):
    """The admin's login spends the budgets of the other doors."""

    @hashing_slot()
    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        try:
            consume("login", address=client_address(self.request))
            consume_for_account(str(self.cleaned_data.get("username", "")))
        except Throttled as refusal:
            raise ValidationError(str(refusal)) from refusal
        return super().clean()


@admin.register(User)
class UserAdmin(NoDeadEnds, DjangoUserAdmin):  # type: ignore[misc]
    """Accounts and who of them is staff."""


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(NoDeadEnds, DjangoGroupAdmin):  # type: ignore[misc]
    """What staff who are not superusers may do."""


# They show refresh tokens, and there is nothing for people to do with them.
admin.site.unregister([BlacklistedToken, OutstandingToken])
admin.site.enable_nav_sidebar = False  # it takes the room of the lists' last columns
admin.site.login_form = ThrottledLogin
admin.site.site_header = "Movie ticket booking"
admin.site.site_title = "Movie ticket booking"
admin.site.index_title = "Films, shows and bookings"
