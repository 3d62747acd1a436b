"""Shows, bookings, holds and blocked seats in the admin."""

import re
from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html

from catalog.models import Show, ShowQuerySet
from core.admin import SafeModelAdmin
from core.errors import DomainError
from reservations import staff
from reservations.availability import SoldSeats, with_available_seats
from reservations.booking import cancel_booking
from reservations.holds import release_hold
from reservations.models import MAX_REASON_LENGTH, BlockedSeat, Booking, BookingStatus, Claim, Hold


class ShowForm(forms.ModelForm):
    """A show, which is locked from validation until the admin's transaction ends."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("seats_per_row", 0) is None:
            cleaned["seats_per_row"] = self.instance.seats_per_row
        if self.instance.pk and "total_seats" in cleaned:
            try:
                staff.lock_show(show_id=self.instance.pk, total_seats=cleaned["total_seats"])
            except DomainError as refusal:
                self.add_error("total_seats", str(refusal))
        return cleaned


@admin.register(Show)
class ShowAdmin(SafeModelAdmin):
    """Shows, with their sales; bookings protect a show and its seats."""

    form = ShowForm
    list_display = ["movie", "screen_name", "date_time", "total_seats", "seats_per_row", "sold", "available", "picker"]
    list_filter = ["screen_name"]
    search_fields = ["movie__title", "screen_name"]
    date_hierarchy = "date_time"
    ordering = ["date_time", "id"]
    autocomplete_fields = ["movie"]
    list_select_related = ["movie"]
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["movie"] if obj else []  # as in REST: a booking is for this movie

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        may_be_empty = {"required": False} if db_field.name == "seats_per_row" else {}
        return super().formfield_for_dbfield(db_field, request, **options, **may_be_empty)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Show]:
        shows = with_available_seats(cast(ShowQuerySet, super().get_queryset(request)))
        return shows.annotate(sold=SoldSeats("pk"))

    def save_model(self, request: HttpRequest, obj: Show, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        staff.release_claims_outside_show(obj)

    @admin.display(description="seats")
    def picker(self, show: Show) -> str:
        return format_html('<a href="/shows/{}/picker/">seat map</a>', show.pk)

    @admin.display(description="sold")
    def sold(self, show: Any) -> int:
        return int(show.sold)

    @admin.display(description="available", ordering="available_seats")
    def available(self, show: Any) -> int:
        return int(show.available_seats)

    def delete_model(self, request: HttpRequest, obj: Show) -> None:
        staff.lock_show(show_id=obj.pk).delete()


class UneditedAdmin(SafeModelAdmin):
    """Rows that are not edited."""

    list_per_page = 50

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)  # the list's actions need it


class BlockedSeatsForm(forms.ModelForm):
    """Seats to block; validation locks the show until the transaction ends."""

    seats = forms.CharField(max_length=500, help_text="Seat numbers, for example 1-4, 9: see the show's seat map.")
    reason = forms.CharField(max_length=MAX_REASON_LENGTH, help_text="For example House seats, or Broken chair.")

    class Meta:
        model = BlockedSeat
        fields = ["show", "seats", "reason"]

    def clean_seats(self) -> list[int]:
        numbers: list[int] = []
        for part in str(self.cleaned_data["seats"]).split(","):
            match = re.fullmatch(r"\s*([0-9]{1,5})\s*(?:[-–]\s*([0-9]{1,5}))?\s*", part)
            if not match:
                raise forms.ValidationError("Enter numbers and ranges, for example 1-4, 9.")
            numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
        if not 1 <= len({*numbers}) <= staff.MAX_BLOCKED_AT_ONCE:
            raise forms.ValidationError(f"1 to {staff.MAX_BLOCKED_AT_ONCE} seats.")
        return sorted({*numbers})

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if {"show", "seats"} <= cleaned.keys():
            try:
                staff.check_seats_to_block(show_id=cleaned["show"].pk, seat_numbers=cleaned["seats"])
            except DomainError as refusal:
                self.add_error("seats", str(refusal))
        return cleaned


@admin.register(BlockedSeat)
class BlockedSeatAdmin(UneditedAdmin):
    """Seats that are not sold; deleting one puts it on sale again."""

    form = BlockedSeatsForm
    list_display = ["show", "seat_number", "label", "reason", "created_at"]
    list_filter = ["show__screen_name"]
    search_fields = ["show__movie__title", "reason"]
    list_select_related = ["show__movie"]
    autocomplete_fields = ["show"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["show", "seat_number", "label", "reason"] if obj else ["show", "seats", "reason"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["label"] if obj else []

    def save_model(self, request: HttpRequest, obj: BlockedSeat, form: Any, change: bool) -> None:
        given = form.cleaned_data
        blocked = staff.write_blocks(show_id=given["show"].pk, seat_numbers=given["seats"], reason=given["reason"])
        obj.pk, obj.seat_number = blocked[0].pk, blocked[0].seat_number  # for the admin's log

    def delete_model(self, request: HttpRequest, obj: BlockedSeat) -> None:
        staff.unblock(show_id=obj.show_id, seat_number=obj.seat_number)


class ReadOnlyAdmin(UneditedAdmin):
    """Rows that change through actions alone, which run verbs of the domain."""

    search_fields = ["user__username", "show__movie__title"]
    date_hierarchy = "created_at"
    list_select_related = ["user", "show__movie"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Allowed together with another row, from whose page it is asked.
        return obj is not None and f"/{self.opts.app_label}/{self.opts.model_name}/" not in request.path

    def run(self, request: HttpRequest, rows: QuerySet[Any], verb: Callable[[Any], object], done: str) -> None:
        for row in rows:
            try:
                verb(row)
            except DomainError as refusal:
                self.message_user(request, f"{row}: {refusal}", messages.ERROR)
            else:
                self.message_user(request, f"{row}: {done}.", messages.SUCCESS)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Holds, read-only; a live one can be released, as by its owner."""

    list_display = ["id", "user", "show", "size", "created_at", "expires", "released_at"]
    actions = ["release"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        held = Claim.objects.filter(hold=OuterRef("pk"), status=Claim.Status.HELD).values("expires_at")[:1]
        return super().get_queryset(request).annotate(until=Subquery(held))

    @admin.display(description="runs out", ordering="until")
    def expires(self, hold: Any) -> Any:
        return hold.until

    @admin.action(description="Release the selected holds", permissions=["change"])
    def release(self, request: HttpRequest, holds: QuerySet[Hold]) -> None:
        self.run(request, holds, lambda hold: release_hold(user=hold.user, hold_id=hold.pk), "released")


class BookingStatusFilter(admin.SimpleListFilter):
    """The statuses of bookings; the field has others as well."""

    title = "status"
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return BookingStatus.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(Booking)
class BookingAdmin(ReadOnlyAdmin):
    """Bookings, read-only; one can be cancelled, as by its owner."""

    list_display = ["id", "user", "show", "seat_number", "status", "created_at", "cancelled_at"]
    list_filter = [BookingStatusFilter, "show__screen_name"]
    actions = ["cancel"]

    @admin.action(description="Cancel the selected bookings", permissions=["change"])
    def cancel(self, request: HttpRequest, bookings: QuerySet[Booking]) -> None:
        self.run(request, bookings, lambda row: cancel_booking(user=row.user, booking_id=row.pk), "cancelled")
