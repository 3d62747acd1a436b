"""The two doors as one: the same verbs, the same answers, so that a story can be told through either."""

import base64
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from core.accounts import _issue
from core.models import User


@dataclass(frozen=True)
class Answer:
    """What a client learns: the code of a refusal or ``ok``, the facts, the HTTP status and headers."""

    code: str
    facts: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    headers: Any = None

    @property
    def ok(self) -> bool:
        return self.code == "ok"


def token_of(user: User) -> str:
    return _issue(user).access


def global_id(kind: str, number: Any) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


class Door:
    """What both doors can do; ``who`` is a user, a token, or None for nobody."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def _headers(self, who: User | str | None) -> dict[str, str]:
        if who is None:
            return {}
        return {"Authorization": f"Bearer {token_of(who) if isinstance(who, User) else who}"}


class RestDoor(Door):
    name = "rest"

    def send(self, method: str, path: str, body: Any = None, who: Any = None, **headers: str) -> Any:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic(
            method, path, data, content_type="application/json", headers={**self._headers(who), **headers}
        )

    def _answer(self, response: Any) -> Answer:
        body = json.loads(response.content) if response.content else {}
        if response.status_code < 400:
            return Answer("ok", body, response.status_code, response.headers)
        facts = {key: value for key, value in body.items() if key not in ("code", "detail")}
        assert body["detail"]
        return Answer(body["code"], facts, response.status_code, response.headers)

    def _list(self, response: Any) -> Answer:
        answer = self._answer(response)
        return replace(answer, facts={"list": answer.facts}) if answer.ok else answer

    def signup(self, **fields: Any) -> Answer:
        return self._answer(self.send("POST", "/signup", fields))

    def login(self, **fields: Any) -> Answer:
        return self._answer(self.send("POST", "/login", fields))

    def refresh(self, token: Any) -> Answer:
        return self._answer(self.send("POST", "/token/refresh/", {"refresh": token}))

    def logout(self, token: Any) -> Answer:
        return self._answer(self.send("POST", "/logout", {"refresh": token}))

    def me(self, who: Any) -> Answer:
        return self._answer(self.send("GET", "/me/", who=who))

    def book(self, who: Any, show: int, seat: Any, key: str | None = None) -> Answer:
        return self._answer(self.send("POST", f"/shows/{show}/book/", {"seat_number": seat}, who, **_keyed(key)))

    def cancel(self, who: Any, booking: int, key: str | None = None) -> Answer:
        return self._answer(self.send("POST", f"/bookings/{booking}/cancel/", who=who, **_keyed(key)))

    def bookings(self, who: Any, **filters: Any) -> Answer:
        query = "&".join(f"{key}={str(value).lower()}" for key, value in filters.items())
        return self._list(self.send("GET", f"/my-bookings/?{query}", who=who))

    def move(self, who: Any, booking: int, seat: Any, key: str | None = None) -> Answer:
        return self._answer(self.send("POST", f"/bookings/{booking}/move/", {"seat_number": seat}, who, **_keyed(key)))

    def book_several(self, who: Any, show: int, key: str | None = None, **wish: Any) -> Answer:
        return self._list(self.send("POST", f"/shows/{show}/book/", wish, who, **_keyed(key)))

    def hold(self, who: Any, show: int, key: str | None = None, **wish: Any) -> Answer:
        return self._answer(self.send("POST", f"/shows/{show}/holds/", wish, who, **_keyed(key)))

    def confirm(self, who: Any, hold: int, key: str | None = None) -> Answer:
        return self._list(self.send("POST", f"/holds/{hold}/confirm/", who=who, **_keyed(key)))

    def extend(self, who: Any, hold: int, key: str | None = None) -> Answer:
        return self._answer(self.send("POST", f"/holds/{hold}/extend/", who=who, **_keyed(key)))

    def release(self, who: Any, hold: int, key: str | None = None) -> Answer:
        return self._answer(self.send("DELETE", f"/holds/{hold}/", who=who, **_keyed(key)))

    def booking(self, who: Any, booking: int) -> Answer:
        return self._answer(self.send("GET", f"/bookings/{booking}/", who=who))

    def held(self, who: Any, hold: int) -> Answer:
        return self._answer(self.send("GET", f"/holds/{hold}/", who=who))

    def holds(self, who: Any) -> Answer:
        return self._list(self.send("GET", "/my-holds/", who=who))

    def seat_map(self, show: int, who: Any = None, since: str | None = None) -> Answer:
        query = "" if since is None else "?" + urlencode({"since": since})
        return self._answer(self.send("GET", f"/shows/{show}/seats/{query}", who=who))

    def best_seats(self, show: int, quantity: Any, **how: Any) -> Answer:
        query = urlencode({"quantity": quantity, **{name: str(value).lower() for name, value in how.items()}})
        return self._answer(self.send("GET", f"/shows/{show}/best-seats/?{query}"))

    def available(self, show: int) -> int:
        return int(self._answer(self.send("GET", f"/shows/{show}/")).facts["available_seats"])

    def movies(self, search: str) -> Answer:
        return self._list(self.client.get("/movies/", {"search": search}))


def _keyed(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


# What each type of refusal tells beside its code.
FACTS = {
    "SeatTaken": "seatNumber",
    "SeatHeld": "seatNumber",
    "SeatBlocked": "seatNumber",
    "SeatOutOfRange": "min max",
    "SeatsUnavailable": "seatNumbers",
    "NoAdjacentSeats": "largestBlock alternatives { databaseId screenName dateTime }",
    "TooManyHeld": "limit held",
    "Throttled": "retryAfter",
    "InvalidInput": "fields { field messages }",
}
# Each result is a union of its own; a refusal that is not of it does not validate.
ONE_SEAT = ("SeatTaken", "SeatHeld", "SeatBlocked", "SeatOutOfRange")
SEVERAL_SEATS = ("SeatsUnavailable", "NoAdjacentSeats", "SeatOutOfRange", "InvalidInput")
REFUSES = {
    "signup": ("InvalidInput", "Throttled"),
    "login": ("Throttled",),
    "refreshToken": ("Throttled",),
    "bookSeat": ONE_SEAT,
    "moveBooking": ONE_SEAT,
    "bookSeats": SEVERAL_SEATS,
    "holdSeats": (*SEVERAL_SEATS, "TooManyHeld"),
    "bestSeats": ("NoAdjacentSeats", "InvalidInput"),
}
PAGE = "{ nodes { databaseId } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }"
SHOW = """
    databaseId screenName dateTime totalSeats seatsPerRow availableSeats movie { databaseId title durationMinutes }
"""
BOOKING = f"databaseId seatNumber status createdAt cancelledAt show {{ {SHOW} }}"
BOOKED_SEATS = f"... on BookedSeats {{ bookings {{ {BOOKING} }} }}"
HOLD = f"databaseId createdAt expiresAt seats {{ seatNumber label }} show {{ {SHOW} }}"
SEAT_MAP = """
    version summary { total available held booked blocked largestBlock }
    rows { row seats { seatNumber label status mine } }
"""


def refusals_of(field: str) -> str:
    """Write what a field's union is asked for where it is a refusal."""
    told = [f"... on {kind} {{ {FACTS[kind]} }}" for kind in REFUSES.get(field, ())]
    return " ".join(["... on Refusal { code message }", *told])


class GraphQLDoor(Door):
    name = "graphql"

    def send(self, body: Any, who: Any = None, path: str = "/graphql/", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, data, content_type="application/json", headers={**self._headers(who), **headers})

    def query(self, query: str, who: Any = None, **variables: Any) -> Any:
        """Send a query that must succeed, and give its data."""
        response = self.send({"query": query, "variables": variables}, who)
        body = json.loads(response.content)
        assert "errors" not in body, body
        return body["data"]

    def ask(self, query: str, who: Any = None, **variables: Any) -> Answer:
        response = self.send({"query": query, "variables": variables}, who)
        body = json.loads(response.content)
        if "errors" in body:
            assert all(error["extensions"]["code"] for error in body["errors"])
            facts = dict(body["errors"][0]["extensions"])
            return Answer(facts.pop("code"), _snake(facts), response.status_code, response.headers)
        assert response.status_code == 200
        (result,) = body["data"].values()
        return _told(result, response)

    def _mutate(self, verb: str, fields: str, input: dict[str, Any], who: Any = None) -> Answer:
        kind = verb[0].upper() + verb[1:] + "Input!"
        query = f"mutation($input: {kind}) {{ {verb}(input: $input) {{ {fields} {refusals_of(verb)} }} }}"
        return self.ask(query, who, input=input)

    def _of_show(self, show: int, who: Any, arguments: str, field: str, **variables: Any) -> Answer:
        query = f"query($id: ID!{arguments}) {{ show(id: $id) {{ {field} }} }}"
        answer = self.ask(query, who, id=global_id("Show", show), **variables)
        return Answer("not_found", {}, answer.status) if answer.ok and answer.facts is None else answer

    def signup(self, **fields: Any) -> Answer:
        answer = self._mutate("signup", "... on User { databaseId username email }", fields)
        if not answer.ok:
            return answer
        facts = {"id": answer.facts["database_id"], **answer.facts}
        del facts["database_id"]
        return Answer("ok", facts, answer.status)

    def login(self, **fields: Any) -> Answer:
        return self._mutate("login", "... on TokenPair { access refresh }", fields)

    def refresh(self, token: Any) -> Answer:
        return self._mutate("refreshToken", "... on TokenPair { access refresh }", {"refresh": token})

    def logout(self, token: Any) -> Answer:
        return self._mutate("logout", "... on LoggedOut { ok }", {"refresh": token})

    def me(self, who: Any) -> Answer:
        return self.ask("{ me { databaseId username email } }", who)

    def book(self, who: Any, show: int, seat: Any, key: str | None = None) -> Answer:
        input = {"showId": global_id("Show", show), "seatNumber": seat, "idempotencyKey": key}
        return _as_rest(self._mutate("bookSeat", f"... on Booking {{ {BOOKING} }}", input, who))

    def cancel(self, who: Any, booking: int, key: str | None = None) -> Answer:
        input = {"bookingId": global_id("Booking", booking), "idempotencyKey": key}
        return _as_rest(self._mutate("cancelBooking", f"... on Booking {{ {BOOKING} }}", input, who))

    def bookings(self, who: Any, **filters: Any) -> Answer:
        variables = {key: value.upper() if key == "status" else value for key, value in filters.items()}
        query = (
            "query($status: BookingStatus, $upcoming: Boolean)"
            f"{{ myBookings(status: $status, upcoming: $upcoming) {{ nodes {{ {BOOKING} }} }} }}"
        )
        return _listed(_as_rest(self.ask(query, who, **variables)), "nodes")

    def move(self, who: Any, booking: int, seat: Any, key: str | None = None) -> Answer:
        input = {"bookingId": global_id("Booking", booking), "seatNumber": seat, "idempotencyKey": key}
        return _as_rest(self._mutate("moveBooking", f"... on Booking {{ {BOOKING} }}", input, who))

    def book_several(self, who: Any, show: int, key: str | None = None, **wish: Any) -> Answer:
        input = {"showId": global_id("Show", show), "idempotencyKey": key, **_camel(wish)}
        return _listed(_as_rest(self._mutate("bookSeats", BOOKED_SEATS, input, who)), "bookings")

    def hold(self, who: Any, show: int, key: str | None = None, **wish: Any) -> Answer:
        input = {"showId": global_id("Show", show), "idempotencyKey": key, **_camel(wish)}
        return _as_rest(self._mutate("holdSeats", f"... on Hold {{ {HOLD} }}", input, who))

    def confirm(self, who: Any, hold: int, key: str | None = None) -> Answer:
        input = {"holdId": global_id("Hold", hold), "idempotencyKey": key}
        return _listed(_as_rest(self._mutate("confirmHold", BOOKED_SEATS, input, who)), "bookings")

    def extend(self, who: Any, hold: int, key: str | None = None) -> Answer:
        input = {"holdId": global_id("Hold", hold), "idempotencyKey": key}
        return _as_rest(self._mutate("extendHold", f"... on Hold {{ {HOLD} }}", input, who))

    def release(self, who: Any, hold: int, key: str | None = None) -> Answer:
        input = {"holdId": global_id("Hold", hold), "idempotencyKey": key}
        answer = self._mutate("releaseHold", "... on ReleasedHold { id }", input, who)
        if not answer.ok:
            return answer
        assert answer.facts == {"id": global_id("Hold", hold)}
        return replace(answer, facts={})

    def booking(self, who: Any, booking: int) -> Answer:
        return self._node(who, "Booking", booking, BOOKING)

    def held(self, who: Any, hold: int) -> Answer:
        return self._node(who, "Hold", hold, HOLD)

    def _node(self, who: Any, kind: str, number: int, fields: str) -> Answer:
        query = f"query($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {fields} }} }} }}"
        answer = self.ask(query, who, id=global_id(kind, number))
        return Answer("not_found", {}, answer.status) if answer.ok and answer.facts is None else _as_rest(answer)

    def holds(self, who: Any) -> Answer:
        return _listed(_as_rest(self.ask(f"{{ myHolds {{ nodes {{ {HOLD} }} }} }}", who)), "nodes")

    def seat_map(self, show: int, who: Any = None, since: str | None = None) -> Answer:
        field = f"{SHOW} seatMap(since: $since) {{ {SEAT_MAP} }}"
        answer = _as_rest(self._of_show(show, who, ", $since: String", field, since=since))
        if not answer.ok:
            return answer
        return replace(answer, facts={**answer.facts.pop("seat_map"), "show": answer.facts})

    def best_seats(self, show: int, quantity: Any, **how: Any) -> Answer:
        arguments, given = ", $quantity: Int!", "quantity: $quantity"
        if how:
            arguments, given = f"{arguments}, $allowSplit: Boolean!", f"{given}, allowSplit: $allowSplit"
        field = f"bestSeats({given}) {{ ... on BestSeats {{ seatNumbers labels }} {refusals_of('bestSeats')} }}"
        answer = self._of_show(show, None, arguments, field, quantity=quantity, **_camel(how))
        if not answer.ok:
            return answer
        return _as_rest(_told(answer.facts["best_seats"], answer))

    def available(self, show: int) -> int:
        found = self.query("query($id: ID!) { show(id: $id) { availableSeats } }", id=global_id("Show", show))
        return int(found["show"]["availableSeats"])

    def movies(self, search: str) -> Answer:
        answer = self.ask("query($search: String) { movies(search: $search) { nodes { title } } }", search=search)
        return Answer("ok", {"list": answer.facts["nodes"]}, answer.status) if answer.ok else answer


def _told(result: Any, response: Any) -> Answer:
    """Tell a refusal, which is data, from any other data."""
    status = response.status if isinstance(response, Answer) else response.status_code
    if not (isinstance(result, dict) and "code" in result):
        return Answer("ok", _snake(result), status, response.headers)
    assert result.pop("message")
    facts = _written_as_rest(_snake(result))
    code = facts.pop("code")
    if "fields" in facts:
        facts = {"errors": {_snake_name(error["field"]): error["messages"] for error in facts["fields"]}}
    return Answer(code, facts, status, response.headers)


def _listed(answer: Answer, name: str) -> Answer:
    return replace(answer, facts={"list": answer.facts[name]}) if answer.ok else answer


def _as_rest(answer: Answer) -> Answer:
    """Write what the graph tells as REST does."""
    return replace(answer, facts=_written_as_rest(answer.facts)) if answer.ok else answer


def _written_as_rest(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {"id" if key == "database_id" else key: _written_as_rest(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_written_as_rest(inner) for inner in value]
    if isinstance(value, str) and name == "status":
        return value.lower()
    if isinstance(value, str) and name in ("created_at", "cancelled_at", "expires_at", "date_time"):
        return value.replace("+00:00", "Z")
    return value


def _snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {_snake_name(key): _snake(inner) for key, inner in value.items()}
    return [_snake(inner) for inner in value] if isinstance(value, list) else value


def _snake_name(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _camel(wish: dict[str, Any]) -> dict[str, Any]:
    return {re.sub("_([a-z])", lambda match: match[1].upper(), name): value for name, value in wish.items()}
