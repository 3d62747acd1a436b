"""The shapes of seats, seat maps and holds in REST."""

from collections.abc import Sequence
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.models import MOST_SEATS, Show, row_label
from core.api.fields import DigitsField, InstantField, StrictIntegerField, TextField, TrueFalseField
from core.api.rest import write
from reservations.api.serializers import SeatNumberField, ShowSerializer, by_id, write_shows
from reservations.best_seats import MAX_SEATS_AT_ONCE
from reservations.holds import load_seats
from reservations.models import LONGEST_REASON, Hold
from reservations.seat_map import STATES, SeatMap, labels_of
from reservations.staff import MOST_BLOCKED

_A_SEAT = {"type": "integer", "minimum": 1, "maximum": MOST_SEATS}


def _numbers(most: int) -> dict[str, Any]:
    return {"type": "array", "items": _A_SEAT, "minItems": 1, "maxItems": most, "uniqueItems": True}


class _SeatNumbersField(serializers.Field[Any, Any, Any, Any]):
    """Numbers of seats, each a JSON integer. How many, and that none is there twice, is the domain's to tell."""

    default_error_messages = {"invalid": "Give a list of JSON integers."}

    def to_internal_value(self, data: Any) -> list[int]:
        if not isinstance(data, list) or any(type(number) is not int for number in data):
            self.fail("invalid")
        return list(data)

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(_numbers(MAX_SEATS_AT_ONCE))
class SeatNumbersField(_SeatNumbersField):
    """Seats that are taken together."""


@extend_schema_field(_numbers(MOST_BLOCKED))
class BlockedNumbersField(_SeatNumbersField):
    """Seats that are taken off sale together."""

    default_error_messages = {"length": f"1 to {MOST_BLOCKED} different seats."}

    def to_internal_value(self, data: Any) -> list[int]:
        numbers = super().to_internal_value(data)
        if not 1 <= len(numbers) <= MOST_BLOCKED or len({*numbers}) < len(numbers):
            self.fail("length")
        return numbers


class JSONBooleanField(serializers.BooleanField):
    """``true`` or ``false`` in JSON; numbers and text are refused, not converted."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class SeveralSeatsSerializer(serializers.Serializer[Any]):
    """Which seats: their numbers, or how many are to be the best that are to be had. Exactly one of the two."""

    example: ClassVar[dict[str, Any]] = {"seat_numbers": [3, 4, 5]}

    seat_numbers = SeatNumbersField(required=False, help_text="1 to 10 different seats; all are taken or none.")
    best = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=MAX_SEATS_AT_ONCE,
        help_text="How many seats, 1 to 10, chosen and taken at once: see `best-seats`.",
    )
    allow_split = JSONBooleanField(
        required=False, help_text="`true`: the best seats may be in several parts, in rows near each other."
    )


class BookSeatSerializer(SeveralSeatsSerializer):
    """Which seat or seats to book: exactly one of `seat_number`, `seat_numbers` and `best`."""

    example: ClassVar[dict[str, Any]] = {"seat_number": 12}

    seat_number = SeatNumberField(required=False, help_text="A JSON integer, 1 to the show's `total_seats`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        ways = attrs.keys() & {"seat_number", "seat_numbers", "best"}
        if not ways:
            raise serializers.ValidationError({"seat_number": ["This field is required."]})
        if len(ways) > 1:
            told = "Send exactly one of seat_number, seat_numbers and best."
            raise serializers.ValidationError({"non_field_errors": [told]})
        return attrs


class MoveSerializer(serializers.Serializer[Any]):
    """Where to move a booking."""

    example: ClassVar[dict[str, Any]] = {"seat_number": 7}

    seat_number = SeatNumberField(help_text="A JSON integer, 1 to the show's `total_seats`.")


class BestSeatsQuery(serializers.Serializer[Any]):
    """How many seats are wanted together."""

    quantity = DigitsField(min_value=1, max_value=MAX_SEATS_AT_ONCE, help_text="How many seats, 1 to 10.")
    allow_split = TrueFalseField(
        required=False, help_text="`true`: where they are not to be had together, in several parts."
    )


class BestSeatsSerializer(serializers.Serializer[Any]):
    """The best seats that are to be had; nobody holds them yet."""

    example: ClassVar[dict[str, Any]] = {"seat_numbers": [17, 18, 19], "labels": ["B7", "B8", "B9"]}

    seat_numbers = serializers.ListField(child=serializers.IntegerField(min_value=1), help_text="Ascending.")
    labels = serializers.ListField(child=serializers.CharField(), help_text="Row and place of each.")


class SeatMapQuery(serializers.Serializer[Any]):
    """What a seat map can be asked for."""

    since = serializers.CharField(
        required=False,
        trim_whitespace=False,
        max_length=60,
        help_text="The `version` of an earlier map: `rows` then has only the seats that have changed since.",
    )


class SeatSerializer(serializers.Serializer[Any]):
    """One seat."""

    seat_number = serializers.IntegerField(min_value=1, max_value=MOST_SEATS, help_text="1 to `total_seats`.")
    label = serializers.CharField(help_text="Row and place there, as `B7`.")  # type: ignore[assignment]
    status = serializers.ChoiceField(choices=STATES, help_text="`held`: by a hold that has not run out.")
    mine = serializers.BooleanField(help_text="Whether it is booked or held by whoever asks.")


class SeatRowSerializer(serializers.Serializer[Any]):
    """A row of seats."""

    row = serializers.CharField(help_text="`A` to `Z`, then `AA`; `A` is in front.")
    seats = SeatSerializer(many=True)


class SeatSummarySerializer(serializers.Serializer[Any]):
    """How many seats are what."""

    total = serializers.IntegerField(min_value=1)
    available = serializers.IntegerField(min_value=0)
    held = serializers.IntegerField(min_value=0)
    booked = serializers.IntegerField(min_value=0)
    blocked = serializers.IntegerField(min_value=0, help_text="Seats that are not sold.")
    largest_block = serializers.IntegerField(
        min_value=0, help_text="The most available seats that are adjacent in one row."
    )


class SeatMapSerializer(serializers.Serializer[Any]):
    """The seats of a show at a moment."""

    example: ClassVar[dict[str, Any]] = {
        "show": {**ShowSerializer.example, "total_seats": 3, "available_seats": 1},
        "version": "8841",
        "summary": {"total": 3, "available": 1, "held": 1, "booked": 1, "blocked": 0, "largest_block": 1},
        "rows": [
            {
                "row": "A",
                "seats": [
                    {"seat_number": 1, "label": "A1", "status": "booked", "mine": False},
                    {"seat_number": 2, "label": "A2", "status": "held", "mine": True},
                    {"seat_number": 3, "label": "A3", "status": "available", "mine": False},
                ],
            }
        ],
    }

    show = ShowSerializer()
    version = serializers.CharField(help_text="Names this state of the seats; send it back as `since`.")
    summary = SeatSummarySerializer()
    rows = SeatRowSerializer(many=True, help_text="All seats; with `since`, those that have changed.")


class HeldSeatSerializer(serializers.Serializer[Any]):
    """A seat of a hold."""

    seat_number = serializers.IntegerField(min_value=1, max_value=MOST_SEATS)
    label = serializers.CharField(help_text="Row and place there, as `B7`.")  # type: ignore[assignment]


class HoldSerializer(serializers.Serializer[Any]):
    """Seats that are kept for somebody."""

    example: ClassVar[dict[str, Any]] = {
        "id": 77,
        "show": ShowSerializer.example,
        "seats": [{"seat_number": 17, "label": "B7"}, {"seat_number": 18, "label": "B8"}],
        "created_at": "2026-12-20T09:15:42.318204Z",
        "expires_at": "2026-12-20T09:25:42.318204Z",
    }

    id = serializers.IntegerField()
    show = ShowSerializer()
    seats = HeldSeatSerializer(many=True, help_text="The seats that it keeps, by their numbers.")
    created_at = InstantField(help_text="When the seats were held.")
    expires_at = InstantField(help_text="When the hold runs out: never after the show's beginning.")


class BlockSeatsSerializer(serializers.Serializer[Any]):
    """Which seats are not sold, and why."""

    example: ClassVar[dict[str, Any]] = {"seat_numbers": [1, 2], "reason": "House seats"}

    seat_numbers = BlockedNumbersField(help_text="1 to 100 different seats; all are blocked or none.")
    reason = TextField(trim_whitespace=True, max_length=LONGEST_REASON, help_text="For staff; 1 to 200 characters.")


class BlockedSeatSerializer(serializers.Serializer[Any]):
    """A seat that is not sold."""

    example: ClassVar[dict[str, Any]] = {"seat_number": 1, "label": "A1", "reason": "House seats"}

    seat_number = serializers.IntegerField(min_value=1, max_value=MOST_SEATS)
    label = serializers.CharField(help_text="Row and place there, as `B7`.")  # type: ignore[assignment]
    reason = serializers.CharField(help_text="For staff.")


def write_seat_map(seats: SeatMap) -> dict[str, Any]:
    """Give a map in the shape of ``SeatMapSerializer``."""
    per_row = seats.show.seats_per_row
    labels = labels_of(len(seats.codes), per_row)
    rows: dict[int, list[dict[str, Any]]] = {}
    for index in range(len(seats.codes)) if seats.changed is None else sorted(number - 1 for number in seats.changed):
        status, mine = _STATES[seats.codes[index]]
        seat = {"seat_number": index + 1, "label": labels[index], "status": status, "mine": mine}
        rows.setdefault(index // per_row, []).append(seat)
    return {
        "show": write(ShowSerializer, seats.show),
        "version": seats.version,
        "summary": seats.summary,
        "rows": [{"row": row_label(row), "seats": inner} for row, inner in rows.items()],
    }


_STATES = [(status, mine) for mine in (False, True) for status in STATES]  # by the code of a seat


def write_hold(hold: Hold) -> dict[str, Any]:
    """Give a hold in the shape of ``HoldSerializer``."""
    return _write_hold(hold, write(ShowSerializer, hold.show))


def write_holds(holds: Any) -> list[dict[str, Any]]:
    """Give live holds in the shape of ``HoldSerializer``: five statements, however many there are."""
    holds = list(holds.select_related("show"))
    load_seats(holds)
    shows = by_id(write_shows(Show.objects.filter(pk__in={hold.show_id for hold in holds}).order_by()))
    return [_write_hold(hold, shows[hold.show_id]) for hold in holds if hold.expires_at]


def _write_hold(hold: Hold, show: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": hold.pk,
        "show": show,
        "seats": hold.seats,
        "created_at": hold.created_at,
        "expires_at": hold.expires_at,
    }


def write_blocked_seats(seats: Sequence[Any]) -> list[dict[str, Any]]:
    """Give blocked seats in the shape of ``BlockedSeatSerializer``."""
    return [write(BlockedSeatSerializer, seat) for seat in seats]
