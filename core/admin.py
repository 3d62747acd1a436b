"""Accounts in the admin, and the manners that every page of the admin has."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import IntegrityError
from django.db.models.deletion import ProtectedError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from core.models import User


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

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_a_message(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_a_message(request, super().delete_view, *args, **kwargs)

    def _or_a_message(self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (ProtectedError, IntegrityError):
            # Somebody was faster than the form's own checks: a booking came, or the same name was taken.
            self.message_user(request, "Not saved: something changed at the same moment. Look again.", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


@admin.register(User)
class UserAdmin(NoDeadEnds, DjangoUserAdmin):  # type: ignore[misc]
    """Accounts and who of them is staff."""


# They show refresh tokens, and there is nothing for people to do with them.
admin.site.unregister([BlacklistedToken, OutstandingToken])
admin.site.enable_nav_sidebar = False  # it takes the room of the lists' last columns
admin.site.site_header = "Movie ticket booking"
admin.site.site_title = "Movie ticket booking"
admin.site.index_title = "Films, shows and bookings"
