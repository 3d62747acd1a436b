"""The shapes of shows and bookings in REST."""

from datetime import time
from typing import Any, ClassVar

from rest_framework import serializers

from catalog.models import MOST_SEATS, Show
from catalog.serializers import MovieSerializer
from core.rest import DateField, InstantField, PageQuery, StrictIntegerField, TextField, TrueFalseField
from reservations.models import Booking


class ShowSerializer(serializers.ModelSerializer[Show]):
    """One showing of a film on a screen."""

    movie = MovieSerializer(read_only=True)
    screen_name = TextField(trim_whitespace=True, max_length=100, help_text="1 to 100 characters.")
    date_time = InstantField(help_text="ISO 8601 with an offset. Booking and cancelling close then.")
    total_seats = StrictIntegerField(
        min_value=1, max_value=MOST_SEATS, help_text=f"The seats are numbered from 1; 1 to {MOST_SEATS} of them."
    )
    available_seats = serializers.IntegerField(
        read_only=True, min_value=0, help_text="Seats without a live booking when the answer was made."
    )

    class Meta:
        model = Show
        fields: ClassVar[list[str]] = ["id", "movie", "screen_name", "date_time", "total_seats", "available_seats"]


class BookingSerializer(serializers.ModelSerializer[Booking]):
    """A seat that somebody has, or had."""

    show = ShowSerializer(read_only=True)
    seat_number = serializers.IntegerField(read_only=True, help_text="1 to the show's `total_seats`.")
    created_at = InstantField(read_only=True, help_text="When the seat was booked.")
    cancelled_at = InstantField(
        read_only=True, allow_null=True, help_text="When the booking was cancelled; null if it was not."
    )

    class Meta:
        model = Booking
        fields: ClassVar[list[str]] = ["id", "show", "seat_number", "status", "created_at", "cancelled_at"]
        read_only_fields: ClassVar[list[str]] = ["status"]


class BookSeatSerializer(serializers.Serializer[Any]):
    """Which seat to book."""

    seat_number = StrictIntegerField(help_text="A JSON integer, 1 to the show's `total_seats`.")


class ShowQuery(PageQuery):
    """What the shows of a film can be asked for."""

    def get_fields(self) -> dict[str, Any]:
        # `from` is a word of Python's, so this one can't be an attribute.
        since = InstantField(
            required=False, day_means=time.min, help_text="Shows that begin then or later. A date is its first moment."
        )
        return {**super().get_fields(), "from": since}

    date = DateField(required=False, help_text="Shows that begin on this day of UTC, as 2026-12-24.")
    to = InstantField(
        required=False, day_means=time.max, help_text="Shows that begin then or earlier. A date is its last moment."
    )
    available = TrueFalseField(
        required=False, help_text="`true`: shows with an available seat. `false`: shows without one."
    )
    ordering = serializers.ChoiceField(
        choices=["date_time", "-date_time", "screen_name", "-screen_name", "total_seats", "-total_seats"],
        default="date_time",
        help_text="`-` is descending. Shows that are equal in it follow by `id`.",
    )


class BookingQuery(PageQuery):
    """What one's own bookings can be asked for."""

    status = serializers.ChoiceField(
        choices=Booking.Status.choices, required=False, help_text="Bookings of this status."
    )
    upcoming = TrueFalseField(
        required=False, help_text="`true`: of shows that have not begun. `false`: of shows that have."
    )
    ordering = serializers.ChoiceField(
        choices=["-created_at", "created_at", "date_time", "-date_time", "seat_number", "-seat_number"],
        default="-created_at",
        help_text="`-` is descending; `date_time` is the show's. Bookings that are equal in it follow by `-id`.",
    )
