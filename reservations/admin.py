"""Shows and bookings in the admin."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from catalog.models import Show, ShowQuerySet
from core.admin import NoDeadEnds
from core.database import lock_was_missed
from core.errors import DomainError
from reservations.availability import with_available_seats
from reservations.booking import cancel_booking
from reservations.models import Booking
from reservations.scheduling import lock_show


class ShowForm(forms.ModelForm):
    """A show; its lock is taken when the form is checked, and held until the admin's transaction ends."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.instance.pk and "total_seats" in cleaned:
            try:
                lock_show(show_id=self.instance.pk, total_seats=cleaned["total_seats"])
            except DomainError as refusal:
                self.add_error("total_seats", str(refusal))
        return cleaned


@admin.register(Show)
class ShowAdmin(NoDeadEnds):
    """The programme, with what is sold; a show with bookings can't be deleted, nor lose a booked seat."""

    form = ShowForm
    list_display = ["movie", "screen_name", "date_time", "total_seats", "sold", "available"]
    list_filter = ["screen_name"]
    search_fields = ["movie__title", "screen_name"]
    date_hierarchy = "date_time"
    ordering = ["date_time", "id"]
    autocomplete_fields = ["movie"]
    list_select_related = ["movie"]
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["movie"] if obj else []  # as in REST: who booked this show, booked this film

    def get_queryset(self, request: HttpRequest) -> QuerySet[Show]:
        return with_available_seats(cast(ShowQuerySet, super().get_queryset(request)))

    @admin.display(description="sold")
    def sold(self, show: Any) -> int:
        return int(show.total_seats - show.available_seats)

    @admin.display(description="available", ordering="available_seats")
    def available(self, show: Any) -> int:
        return int(show.available_seats)

    def delete_model(self, request: HttpRequest, obj: Show) -> None:
        lock_show(show_id=obj.pk).delete()


@admin.register(Booking)
class BookingAdmin(NoDeadEnds):
    """Bookings, to look at; what can be done with one is to cancel it, as its owner could."""

    list_display = ["id", "user", "show", "seat_number", "status", "created_at", "cancelled_at"]
    list_filter = ["status", "show__screen_name"]
    search_fields = ["user__username", "show__movie__title"]
    date_hierarchy = "created_at"
    list_select_related = ["user", "show__movie"]
    list_per_page = 50
    actions = ["cancel"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The list's actions need it; the form itself has no field that can be changed.
        return obj is None and super().has_change_permission(request)

    @admin.action(description="Cancel the selected bookings", permissions=["change"])
    def cancel(self, request: HttpRequest, bookings: QuerySet[Booking]) -> None:
        for booking in bookings:
            try:
                cancel_booking(user=booking.user, booking_id=booking.pk)
            except DomainError as refusal:
                self.message_user(request, f"{booking}: {refusal}", messages.ERROR)
            else:
                self.message_user(request, f"{booking}: cancelled.", messages.SUCCESS)
        lock_was_missed.set(False)  # some are done, so that the whole can't be tried again
