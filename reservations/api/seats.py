"""Seats over REST: maps, the best seats, and blocked seats."""

import hashlib
from typing import Any

import orjson
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.models import MAX_SEATS, row_label
from core.api.authentication import AccessTokenAuthentication, AuthenticatedRequest
from core.api.etags import respond_with_etag
from core.api.fields import DigitsField, JSONBooleanField, StrictIntegerField, TextField, TrueFalseField
from core.api.operations import operation
from core.api.serializers import FastSerializer, QuerySerializer
from core.api.views import APIView
from core.errors import Invalid
from reservations import staff
from reservations.api.shows import ShowSerializer
from reservations.best_seats import MAX_SEATS_AT_ONCE, best_seats
from reservations.errors import NoAdjacentSeats, SeatOutOfRange, SeatsUnavailable
from reservations.models import MAX_REASON_LENGTH
from reservations.seat_map import STATES, SeatMap, labels_of, seat_map
from reservations.staff import MAX_BLOCKED_AT_ONCE

_SEAT_NUMBER = {"type": "integer", "minimum": 1, "maximum": MAX_SEATS}


class SeatNumbersField(serializers.Field[Any, Any, Any, Any]):
    """A list of JSON integers, whose number and uniqueness the domain checks."""

    default_error_messages = {"invalid": "Give a list of JSON integers."}

    def __init__(self, *, max_items: int, **options: Any) -> None:
        super().__init__(**options)
        schema = {"type": "array", "items": _SEAT_NUMBER, "minItems": 1, "maxItems": max_items, "uniqueItems": True}
        extend_schema_field(schema)(self)  # type: ignore[type-var]

    def to_internal_value(self, data: Any) -> list[int]:
        if not isinstance(data, list) or any(type(number) is not int for number in data):
            self.fail("invalid")
        return list(data)


# The range is published, and checked by the domain: `seat_out_of_range` names the seats of the show.
@extend_schema_field(_SEAT_NUMBER)
class SeatNumberField(StrictIntegerField):
    """The number of a seat."""


class SeveralSeatsSerializer(FastSerializer):
    """Which seats: either their numbers, or how many of the best available."""

    seat_numbers = SeatNumbersField(
        required=False, max_items=MAX_SEATS_AT_ONCE, help_text="1 to 10 different seats; all are taken or none."
    )
    best = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=MAX_SEATS_AT_ONCE,
        help_text="How many seats, 1 to 10, chosen and taken at once: see `best-seats`.",
    )
    allow_split = JSONBooleanField(
        required=False, help_text="`true`: the best seats may be in several parts, in rows near each other."
    )


class BestSeatsQuery(QuerySerializer):
    """How many seats are wanted together."""

    quantity = DigitsField(min_value=1, max_value=MAX_SEATS_AT_ONCE, help_text="How many seats, 1 to 10.")
    allow_split = TrueFalseField(
        required=False, help_text="`true`: where so many are not available together, in several parts."
    )


class BestSeatsSerializer(FastSerializer):
    """The best available seats; nobody holds them yet."""

    seat_numbers = serializers.ListField(child=serializers.IntegerField(min_value=1), help_text="Ascending.")
    labels = serializers.ListField(child=serializers.CharField(), help_text="Row and place of each.")


class SeatMapQuery(QuerySerializer):
    """The query parameters of a seat map."""

    since = serializers.CharField(
        required=False,
        trim_whitespace=False,
        max_length=5200,
        help_text="The `version` of an earlier map: `rows` then has only the seats that have changed since.",
    )


class SeatSerializer(FastSerializer):
    """One seat."""

    seat_number = serializers.IntegerField(min_value=1, max_value=MAX_SEATS, help_text="1 to `total_seats`.")
    label = serializers.CharField(help_text="Row and place there, as `B7`.")  # type: ignore[assignment]
    status = serializers.ChoiceField(choices=STATES, help_text="`held`: by a hold that has not run out.")
    mine = serializers.BooleanField(
        help_text="Whether the token's account has booked or holds it; false without a token."
    )


class SeatRowSerializer(FastSerializer):
    """A row of seats."""

    row = serializers.CharField(help_text="`A` to `Z`, then `AA`; `A` is in front.")
    seats = SeatSerializer(many=True)


class SeatSummarySerializer(FastSerializer):
    """How many seats are what."""

    total = serializers.IntegerField(min_value=1)
    available = serializers.IntegerField(min_value=0)
    held = serializers.IntegerField(min_value=0)
    booked = serializers.IntegerField(min_value=0)
    blocked = serializers.IntegerField(min_value=0, help_text="Seats that are not sold.")
    largest_block = serializers.IntegerField(
        min_value=0, help_text="The most available seats that are adjacent in one row."
    )


class SeatMapSerializer(FastSerializer):
    """The seats of a show at a moment."""

    show = ShowSerializer()
    version = serializers.CharField(help_text="Names this state of the seats; send it back as `since`.")
    summary = SeatSummarySerializer()
    rows = SeatRowSerializer(many=True, help_text="All seats; with `since`, those that have changed.")

    def to_representation(self, instance: SeatMap) -> dict[str, Any]:
        """Make the rows from the codes of the seats, up to 10,000."""
        show, codes, changed = instance.show, instance.codes, instance.changed
        labels = labels_of(len(codes), show.seats_per_row)
        rows: dict[int, list[dict[str, Any]]] = {}
        for index in range(len(codes)) if changed is None else sorted(number - 1 for number in changed):
            status, mine = _STATUS_AND_MINE[codes[index]]
            seat = {"seat_number": index + 1, "label": labels[index], "status": status, "mine": mine}
            rows.setdefault(index // show.seats_per_row, []).append(seat)
        return {
            "show": self.fields["show"].to_representation(show),
            "version": instance.version,
            "summary": instance.summary,
            "rows": [{"row": row_label(row), "seats": seats} for row, seats in rows.items()],
        }


_STATUS_AND_MINE = [(status, mine) for mine in (False, True) for status in STATES]  # by the code of a seat


class BlockSeatsSerializer(FastSerializer):
    """Which seats are not sold, and why."""

    seat_numbers = SeatNumbersField(
        max_items=MAX_BLOCKED_AT_ONCE, help_text="1 to 100 different seats; all are blocked or none."
    )
    reason = TextField(trim_whitespace=True, max_length=MAX_REASON_LENGTH, help_text="For staff; 1 to 200 characters.")


class NamedSeatSerializer(FastSerializer):
    """A seat, by its number and its name."""

    seat_number = serializers.IntegerField(min_value=1, max_value=MAX_SEATS)
    label = serializers.CharField(help_text="Row and place there, as `B7`.")  # type: ignore[assignment]


class BlockedSeatSerializer(NamedSeatSerializer):
    """A seat that is not sold."""

    reason = serializers.CharField(help_text="For staff.")


class SeatMapView(APIView):
    authentication_classes = [AccessTokenAuthentication]
    permission_classes = [AllowAny]

    @operation(
        "getSeatMap",
        "Get the seat map of a show",
        query=SeatMapQuery,
        response=SeatMapSerializer,
        refusals=[Invalid],
        etag=True,
    )
    def get(self, request: AuthenticatedRequest, show_id: int) -> HttpResponseBase:
        """Which seats are available, held, booked and blocked; not by whom. With a token, one's
        own are marked. Ask again with the `ETag`, or with `since` for what has changed."""
        seats = seat_map(show_id=show_id, viewer=request.auth, since=self.validated_data().get("since"))
        response = respond_with_etag(request, _digest(seats), lambda: Response(SeatMapSerializer(seats).data))
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "Authorization"
        return response


def _digest(seats: SeatMap) -> str:
    """Digest everything that an answer says, also what is the viewer's."""
    changed = None if seats.changed is None else sorted(seats.changed)
    facts = orjson.dumps([ShowSerializer().to_representation(seats.show), changed])
    return hashlib.blake2b(facts + seats.codes, digest_size=16).hexdigest()


class BestSeatsView(APIView):
    permission_classes = [AllowAny]

    @operation(
        "findBestSeats",
        "Find the best available seats",
        query=BestSeatsQuery,
        response=BestSeatsSerializer,
        refusals=[NoAdjacentSeats, Invalid],
    )
    def get(self, request: Request, show_id: int) -> Response:
        """Adjacent seats of one row, if that can be so that no single seat is left alone beside them, near the middle
        of the row two thirds back; with `allow_split`, parts in rows near each other. The same state of the seats gives
        the same answer. Nobody holds them yet: to choose and take them at once, book or hold with `best`."""
        return Response(BestSeatsSerializer(best_seats(show_id=show_id, **self.validated_data())).data)


class BlockedSeatsView(APIView):
    permission_classes = [IsAdminUser]

    @operation("listBlockedSeats", "List the blocked seats of a show", response=BlockedSeatSerializer(many=True))
    def get(self, request: Request, show_id: int) -> Response:
        """Staff only."""
        return Response(BlockedSeatSerializer(staff.blocked_seats_of(show_id=show_id), many=True).data)

    @operation(
        "blockSeats",
        "Take seats off sale",
        request=BlockSeatsSerializer,
        response=BlockedSeatSerializer(many=True),
        status=201,
        refusals=[SeatOutOfRange, SeatsUnavailable],
    )
    def post(self, request: Request, show_id: int) -> Response:
        """Staff only. House seats, broken chairs: they can't be sold and don't count as available."""
        blocked = staff.block_seats(show_id=show_id, **self.validated_data())
        return Response(BlockedSeatSerializer(blocked, many=True).data, status=201)


class BlockedSeatView(APIView):
    permission_classes = [IsAdminUser]

    @operation("unblockSeat", "Put a blocked seat on sale")
    def delete(self, request: Request, show_id: int, seat_number: int) -> Response:
        """Staff only. `not_found` if it is not blocked."""
        staff.unblock_seat(show_id=show_id, seat_number=seat_number)
        return Response(status=204)
