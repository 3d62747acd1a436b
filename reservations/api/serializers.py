"""The shapes of shows and bookings in REST."""

from datetime import time
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.api.serializers import MovieSerializer, write_movies
from catalog.models import LONGEST_ROW, MOST_SEATS, Movie, Show, ShowQuerySet
from core.api.fields import DateField, InstantField, InstantOrDayField, StrictIntegerField, TextField, TrueFalseField
from core.api.pagination import PageQuery
from reservations.availability import with_available_seats
from reservations.models import Booking


class ShowSerializer(serializers.ModelSerializer[Show]):
    """One showing of a movie on a screen."""

    example: ClassVar[dict[str, Any]] = {
        "id": 31,
        "movie": MovieSerializer.example,
        "screen_name": "Aurora",
        "date_time": "2026-12-24T18:30:00Z",
        "total_seats": 240,
        "seats_per_row": 20,
        "available_seats": 112,
    }

    movie = MovieSerializer(read_only=True)
    screen_name = TextField(trim_whitespace=True, max_length=100, help_text="1 to 100 characters.")
    date_time = InstantField(help_text="ISO 8601 with an offset. Booking and cancelling close then.")
    total_seats = StrictIntegerField(
        min_value=1, max_value=MOST_SEATS, help_text=f"The seats are numbered from 1; 1 to {MOST_SEATS} of them."
    )
    seats_per_row = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_ROW,
        help_text=f"Seat 1 is A1; the last row may be shorter. 1 to {LONGEST_ROW}, 10 if left out.",
    )
    available_seats = serializers.IntegerField(
        read_only=True,
        min_value=0,
        help_text="Seats that nobody had booked or held when the answer was made, and that are sold.",
    )

    class Meta:
        model = Show
        fields: ClassVar[list[str]] = [
            "id",
            "movie",
            "screen_name",
            "date_time",
            "total_seats",
            "seats_per_row",
            "available_seats",
        ]


class BookingSerializer(serializers.ModelSerializer[Booking]):
    """A seat that somebody has, or had."""

    example: ClassVar[dict[str, Any]] = {
        "id": 1203,
        "show": ShowSerializer.example,
        "seat_number": 12,
        "status": "booked",
        "created_at": "2026-12-20T09:15:42.318204Z",
        "cancelled_at": None,
    }

    show = ShowSerializer(read_only=True)
    seat_number = serializers.IntegerField(read_only=True, min_value=1, help_text="1 to the show's `total_seats`.")
    status = serializers.ChoiceField(
        choices=Booking.Status.choices, read_only=True, help_text="`booked` holds the seat, `cancelled` has freed it."
    )
    created_at = InstantField(read_only=True, help_text="When the seat was booked.")
    cancelled_at = InstantField(
        read_only=True, allow_null=True, help_text="When the booking was cancelled; null if it was not."
    )

    class Meta:
        model = Booking
        fields: ClassVar[list[str]] = ["id", "show", "seat_number", "status", "created_at", "cancelled_at"]


def write_shows(shows: ShowQuerySet, movies: dict[int, dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Give shows in the shape of ``ShowSerializer``: two statements, however many there are, or one if their movies
    are at hand."""
    rows = list(with_available_seats(shows).values("movie_id", *_columns(ShowSerializer)))
    if movies is None:
        movies = by_id(write_movies(Movie.objects.filter(pk__in={row["movie_id"] for row in rows})))
    # A movie that was deleted between the two statements has taken its shows with it.
    rows = [row for row in rows if row["movie_id"] in movies]
    return [_in_order(ShowSerializer, row, movie=movies[row["movie_id"]]) for row in rows]


def write_bookings(bookings: QuerySet[Booking]) -> list[dict[str, Any]]:
    """Give bookings in the shape of ``BookingSerializer``: three statements, however many there are."""
    rows = list(bookings.values("show_id", *_columns(BookingSerializer)))
    shows = by_id(write_shows(Show.objects.filter(pk__in={row["show_id"] for row in rows}).order_by()))
    return [_in_order(BookingSerializer, row, show=shows[row["show_id"]]) for row in rows]


def _columns(serializer: type[serializers.ModelSerializer[Any]]) -> list[str]:
    return [field for field in serializer.Meta.fields if field not in ("movie", "show")]


def _in_order(
    serializer: type[serializers.ModelSerializer[Any]], row: dict[str, Any], **inner: dict[str, Any]
) -> dict[str, Any]:
    row |= inner
    return {field: row[field] for field in serializer.Meta.fields}


def by_id(rows: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Find rows by their number."""
    return {row["id"]: row for row in rows}


# Published and not kept: which of these the show has is the domain's to tell, as `seat_out_of_range`.
@extend_schema_field({"type": "integer", "minimum": 1, "maximum": MOST_SEATS})
class SeatNumberField(StrictIntegerField):
    """The number of a seat."""


class ShowQuery(PageQuery):
    """What the shows of a movie can be asked for."""

    def get_fields(self) -> dict[str, Any]:
        # `from` is a word of Python's, so this one can't be an attribute.
        since = InstantOrDayField(
            required=False, day_means=time.min, help_text="Shows that begin then or later. A date is its first moment."
        )
        return {**super().get_fields(), "from": since}

    date = DateField(required=False, help_text="Shows that begin on this day of UTC, as 2026-12-24.")
    to = InstantOrDayField(
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
