"""The two doors as the fighters use them: what is sent to each, and what its answers say."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fight.history import OK, UNKNOWN

_UNKNOWN = {"outcome_unknown", "internal_error", "idempotency_in_progress"}

_REFUSAL = "... on Refusal { code message }"
_BOOKING = "... on Booking { databaseId seatNumber status show { databaseId availableSeats } }"
_BOOK = f"mutation($input: BookSeatInput!) {{ bookSeat(input: $input) {{ {_BOOKING} {_REFUSAL} }} }}"
_CANCEL = f"mutation($input: CancelBookingInput!) {{ cancelBooking(input: $input) {{ {_BOOKING} {_REFUSAL} }} }}"
_LIST = "{ myBookings(first: 100, status: BOOKED) { nodes { databaseId seatNumber status show { databaseId } } } }"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None
    key: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a client learns: ``ok``, ``unknown`` or the code of a refusal, and the bookings that it was given."""

    status: int
    outcome: str
    bookings: tuple["Told", ...] = ()
    replayed: bool = False
    code: str = ""
    """The code as it was sent, also where it means that the outcome is unknown."""


@dataclass(frozen=True)
class Told:
    """A booking, as an answer tells it."""

    id: int
    show: int
    seat: int
    status: str


class RestDoor:
    name = "rest"

    def book(self, show: int, seat: int, key: str | None = None) -> Request:
        return Request("POST", f"/shows/{show}/book/", {"seat_number": seat}, key)

    def cancel(self, booking: int, key: str | None = None) -> Request:
        return Request("POST", f"/bookings/{booking}/cancel/", key=key)

    def bookings(self) -> Request:
        return Request("GET", "/my-bookings/?status=booked")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        told = json.loads(body)
        replayed = headers.get("Idempotent-Replayed") == "true"
        if status >= 400:
            return _refusal(status, told["code"], replayed)
        rows = told if isinstance(told, list) else [told]
        return Answer(status, OK, tuple(self._told(row) for row in rows), replayed)

    def _told(self, row: Any) -> Told:
        show = row["show"]
        return Told(row["id"], show["id"] if isinstance(show, dict) else show, row["seat_number"], row["status"])


class GraphQLDoor:
    name = "graphql"

    def book(self, show: int, seat: int, key: str | None = None) -> Request:
        return self._mutation(_BOOK, {"showId": _global_id("Show", show), "seatNumber": seat}, key)

    def cancel(self, booking: int, key: str | None = None) -> Request:
        return self._mutation(_CANCEL, {"bookingId": _global_id("Booking", booking)}, key)

    def bookings(self) -> Request:
        return Request("POST", "/graphql/", {"query": _LIST})

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        told = json.loads(body)
        replayed = headers.get("Idempotent-Replayed") == "true"
        if told.get("errors"):
            return _refusal(status, told["errors"][0]["extensions"]["code"], replayed)
        if "code" in told:  # it was refused in front of both doors
            return _refusal(status, told["code"], replayed)
        (result,) = told["data"].values()
        if "code" in result:
            return _refusal(status, result["code"], replayed)
        rows = result.get("nodes", [result])
        return Answer(status, OK, tuple(self._told(row) for row in rows), replayed)

    def _mutation(self, query: str, told: dict[str, Any], key: str | None) -> Request:
        told |= {"idempotencyKey": key} if key else {}
        return Request("POST", "/graphql/", {"query": query, "variables": {"input": told}})

    def _told(self, row: Any) -> Told:
        return Told(row["databaseId"], row["show"]["databaseId"], row["seatNumber"], row["status"].lower())


Door = RestDoor | GraphQLDoor
DOORS: tuple[Door, ...] = (RestDoor(), GraphQLDoor())


def _refusal(status: int, code: str, replayed: bool) -> Answer:
    return Answer(status, UNKNOWN if code in _UNKNOWN else code, replayed=replayed, code=code)


def _global_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()
