"""The two doors as the fighters use them: what is sent to each, and what its answers say."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fight.history import OK, UNKNOWN

_UNKNOWN = {"outcome_unknown", "internal_error", "idempotency_in_progress"}
_FACTS = ("seat_numbers", "largest_block", "limit", "held")  # that the checker looks at

_BOOKING = "databaseId seatNumber status show { databaseId availableSeats }"
_HOLD = "databaseId expiresAt seats { seatNumber } show { databaseId }"
_BOOKINGS = f"... on BookedSeats {{ bookings {{ {_BOOKING} }} }}"
_SEVERAL = "... on SeatsUnavailable { seatNumbers } ... on NoAdjacentSeats { largestBlock }"
_RESULTS = {
    "bookSeat": f"... on Booking {{ {_BOOKING} }}",
    "bookSeats": f"{_BOOKINGS} {_SEVERAL}",
    "cancelBooking": f"... on Booking {{ {_BOOKING} }}",
    "moveBooking": f"... on Booking {{ {_BOOKING} }}",
    "holdSeats": f"... on Hold {{ {_HOLD} }} {_SEVERAL} ... on TooManyHeld {{ limit held }}",
    "confirmHold": _BOOKINGS,
    "extendHold": f"... on Hold {{ {_HOLD} }}",
    "releaseHold": "... on ReleasedHold { id }",
}
_MY_BOOKINGS = f"{{ myBookings(first: 100, status: BOOKED) {{ nodes {{ {_BOOKING} }} }} }}"
_SEAT_MAP = """
    query($id: ID!, $since: String) {
        show(id: $id) { databaseId seatMap(since: $since) { version rows { seats { seatNumber status mine } } } }
    }
"""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None
    key: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a client learns: ``ok``, ``unknown`` or the code of a refusal, and what it was given."""

    status: int
    outcome: str
    bookings: tuple["ToldBooking", ...] = ()
    holds: tuple["ToldHold", ...] = ()
    seats: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """Of a seat map: what each seat is, and whether it is mine."""
    version: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    replayed: bool = False
    code: str = ""
    """The code as it was sent, also where it means that the outcome is unknown."""


@dataclass(frozen=True)
class ToldBooking:
    """A booking, as an answer tells it."""

    id: int
    show: int
    seat: int
    status: str


@dataclass(frozen=True)
class ToldHold:
    """A hold, as an answer tells it."""

    id: int
    show: int
    seats: tuple[int, ...]
    expires_at: str


class RestDoor:
    name = "rest"

    def book(self, show: int, wish: dict[str, Any], key: str | None = None) -> Request:
        return Request("POST", f"/shows/{show}/book/", wish, key)

    def hold(self, show: int, wish: dict[str, Any], key: str | None = None) -> Request:
        return Request("POST", f"/shows/{show}/holds/", wish, key)

    def cancel(self, booking: int, key: str | None = None) -> Request:
        return Request("POST", f"/bookings/{booking}/cancel/", key=key)

    def move(self, booking: int, seat: int, key: str | None = None) -> Request:
        return Request("POST", f"/bookings/{booking}/move/", {"seat_number": seat}, key)

    def confirm(self, hold: int, key: str | None = None) -> Request:
        return Request("POST", f"/holds/{hold}/confirm/", key=key)

    def extend(self, hold: int, key: str | None = None) -> Request:
        return Request("POST", f"/holds/{hold}/extend/", key=key)

    def release(self, hold: int, key: str | None = None) -> Request:
        return Request("DELETE", f"/holds/{hold}/", key=key)

    def block(self, show: int, seats: Iterable[int], reason: str) -> Request:
        return Request("POST", f"/shows/{show}/blocked-seats/", {"seat_numbers": [*seats], "reason": reason})

    def unblock(self, show: int, seat: int) -> Request:
        return Request("DELETE", f"/shows/{show}/blocked-seats/{seat}/")

    def bookings(self) -> Request:
        return Request("GET", "/my-bookings/?status=booked")

    def holds(self) -> Request:
        return Request("GET", "/my-holds/")

    def seat_map(self, show: int, since: str) -> Request:
        return Request("GET", f"/shows/{show}/seats/{f'?since={since}' if since else ''}")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        told = json.loads(body) if body else []
        replayed = headers.get("Idempotent-Replayed") == "true"
        if status >= 400:
            return _refusal(status, told, replayed)
        return _given(status, told if isinstance(told, list) else [told], replayed)


class GraphQLDoor:
    name = "graphql"

    def book(self, show: int, wish: dict[str, Any], key: str | None = None) -> Request:
        verb = "bookSeat" if "seat_number" in wish else "bookSeats"
        return _mutation(verb, {"showId": _global_id("Show", show), **camel(wish)}, key)

    def hold(self, show: int, wish: dict[str, Any], key: str | None = None) -> Request:
        return _mutation("holdSeats", {"showId": _global_id("Show", show), **camel(wish)}, key)

    def cancel(self, booking: int, key: str | None = None) -> Request:
        return _mutation("cancelBooking", {"bookingId": _global_id("Booking", booking)}, key)

    def move(self, booking: int, seat: int, key: str | None = None) -> Request:
        return _mutation("moveBooking", {"bookingId": _global_id("Booking", booking), "seatNumber": seat}, key)

    def confirm(self, hold: int, key: str | None = None) -> Request:
        return _mutation("confirmHold", {"holdId": _global_id("Hold", hold)}, key)

    def extend(self, hold: int, key: str | None = None) -> Request:
        return _mutation("extendHold", {"holdId": _global_id("Hold", hold)}, key)

    def release(self, hold: int, key: str | None = None) -> Request:
        return _mutation("releaseHold", {"holdId": _global_id("Hold", hold)}, key)

    def bookings(self) -> Request:
        return Request("POST", "/graphql/", {"query": _MY_BOOKINGS})

    def holds(self) -> Request:
        query = f"{{ myHolds(first: 100) {{ nodes {{ {_HOLD} }} }} }}"
        return Request("POST", "/graphql/", {"query": query})

    def seat_map(self, show: int, since: str) -> Request:
        variables = {"id": _global_id("Show", show), "since": since or None}
        return Request("POST", "/graphql/", {"query": _SEAT_MAP, "variables": variables})

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        told = json.loads(body)
        replayed = headers.get("Idempotent-Replayed") == "true"
        if told.get("errors"):
            return _refusal(status, told["errors"][0]["extensions"], replayed)
        if "code" in told:  # it was refused in front of both doors
            return _refusal(status, told, replayed)
        (result,) = told["data"].values()
        result = snake(result)
        if "code" in result:
            return _refusal(status, result, replayed)
        return _given(status, result.get("nodes", result.get("bookings", [result])), replayed)


Door = RestDoor | GraphQLDoor
DOORS: tuple[Door, ...] = (RestDoor(), GraphQLDoor())


def _given(status: int, rows: list[Any], replayed: bool) -> Answer:
    """Read bookings, holds, or one seat map; a released hold tells nothing."""
    return Answer(
        status,
        OK,
        bookings=tuple(_booking(row) for row in rows if "seat_number" in row and "status" in row),
        holds=tuple(_hold(row) for row in rows if "expires_at" in row),
        seats={seat: it for row in rows for seat, it in _seats(row.get("seat_map", row)).items()},
        version="".join(row.get("seat_map", row).get("version", "") for row in rows),
        replayed=replayed,
    )


def _booking(row: Any) -> ToldBooking:
    return ToldBooking(_id(row), _id(row["show"]), row["seat_number"], row["status"].lower())


def _hold(row: Any) -> ToldHold:
    seats = tuple(seat["seat_number"] for seat in row["seats"])
    return ToldHold(_id(row), _id(row["show"]), seats, row["expires_at"])


def _seats(told: Any) -> dict[int, tuple[str, bool]]:
    seats = [seat for row in told.get("rows", ()) for seat in row["seats"]]
    return {seat["seat_number"]: (seat["status"].lower(), seat["mine"]) for seat in seats}


def _refusal(status: int, told: Any, replayed: bool) -> Answer:
    code = told["code"]
    facts = {name: told[name] for name in _FACTS if name in told}
    return Answer(status, UNKNOWN if code in _UNKNOWN else code, facts=facts, replayed=replayed, code=code)


def _id(row: Any) -> int:
    return int(row if isinstance(row, int) else row.get("database_id") or row["id"])


def _mutation(verb: str, told: dict[str, Any], key: str | None) -> Request:
    kind = f"{verb[0].upper()}{verb[1:]}Input"
    query = f"mutation($input: {kind}!) {{ {verb}(input: $input) {{ {_RESULTS[verb]} ... on Refusal {{ code }} }} }}"
    told |= {"idempotencyKey": key} if key else {}
    return Request("POST", "/graphql/", {"query": query, "variables": {"input": told}})


def _global_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def camel(told: Any) -> Any:
    return _renamed(told, lambda name: re.sub("_(.)", lambda found: found[1].upper(), name))


def snake(told: Any) -> Any:
    return _renamed(told, lambda name: re.sub("([A-Z])", r"_\1", name).lower())


def _renamed(told: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(told, dict):
        return {rename(name): _renamed(value, rename) for name, value in told.items()}
    return [_renamed(value, rename) for value in told] if isinstance(told, list) else told
