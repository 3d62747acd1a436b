"""The two doors as one: the same verbs, the same answers, so that a story can be told through either."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

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
        answer = self._answer(self.send("GET", f"/my-bookings/?{query}", who=who))
        return Answer(answer.code, {"list": answer.facts} if answer.ok else answer.facts, answer.status, answer.headers)

    def available(self, show: int) -> int:
        return int(self._answer(self.send("GET", f"/shows/{show}/")).facts["available_seats"])

    def movies(self, search: str) -> Answer:
        answer = self._answer(self.client.get("/movies/", {"search": search}))
        return Answer(answer.code, {"list": answer.facts} if answer.ok else answer.facts, answer.status)


def _keyed(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


REFUSAL = """
    ... on Refusal { code message }
    ... on SeatTaken { seatNumber }
    ... on SeatOutOfRange { min max }
    ... on Throttled { retryAfter }
    ... on InvalidInput { fields { field messages } }
"""
PAGE = "{ nodes { databaseId } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }"
BOOKING = """
    databaseId seatNumber status createdAt cancelledAt
    show { databaseId screenName dateTime totalSeats availableSeats movie { databaseId title durationMinutes } }
"""


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
        if isinstance(result, dict) and "code" in result:
            assert result.pop("message")
            facts = _snake(result)
            code = facts.pop("code")
            if "fields" in facts:
                facts = {"errors": {error["field"]: error["messages"] for error in facts["fields"]}}
            return Answer(code, facts, response.status_code, response.headers)
        return Answer("ok", _snake(result), response.status_code, response.headers)

    def _mutate(self, verb: str, fields: str, input: dict[str, Any], who: Any = None, refusal: str = REFUSAL) -> Answer:
        kind = verb[0].upper() + verb[1:] + "Input!"
        # Each result is a union of its own; the parts that are not of it do not validate.
        parts = {
            "signup": ("InvalidInput", "Throttled"),
            "login": ("Throttled",),
            "refreshToken": ("Throttled",),
            "bookSeat": ("SeatTaken", "SeatOutOfRange"),
        }.get(verb, ())
        lines = [
            line for line in refusal.strip().splitlines() if "Refusal" in line or any(part in line for part in parts)
        ]
        return self.ask(
            f"mutation($input: {kind}) {{ {verb}(input: $input) {{ {fields} {' '.join(lines)} }} }}", who, input=input
        )

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
        return _booking(self._mutate("bookSeat", f"... on Booking {{ {BOOKING} }}", input, who))

    def cancel(self, who: Any, booking: int, key: str | None = None) -> Answer:
        input = {"bookingId": global_id("Booking", booking), "idempotencyKey": key}
        return _booking(self._mutate("cancelBooking", f"... on Booking {{ {BOOKING} }}", input, who))

    def bookings(self, who: Any, **filters: Any) -> Answer:
        variables = {key: value.upper() if key == "status" else value for key, value in filters.items()}
        query = (
            "query($status: BookingStatus, $upcoming: Boolean)"
            f"{{ myBookings(status: $status, upcoming: $upcoming) {{ nodes {{ {BOOKING} }} }} }}"
        )
        answer = self.ask(query, who, **variables)
        if not answer.ok:
            return answer
        return Answer("ok", {"list": [_booking_facts(node) for node in answer.facts["nodes"]]}, answer.status)

    def available(self, show: int) -> int:
        found = self.query("query($id: ID!) { show(id: $id) { availableSeats } }", id=global_id("Show", show))
        return int(found["show"]["availableSeats"])

    def movies(self, search: str) -> Answer:
        answer = self.ask("query($search: String) { movies(search: $search) { nodes { title } } }", search=search)
        return Answer("ok", {"list": answer.facts["nodes"]}, answer.status) if answer.ok else answer


def _booking(answer: Answer) -> Answer:
    return Answer("ok", _booking_facts(answer.facts), answer.status, answer.headers) if answer.ok else answer


def _booking_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Write a booking of the graph as REST does."""
    facts = _renamed(facts)
    facts["status"] = facts["status"].lower()
    for name in ("created_at", "cancelled_at"):
        facts[name] = facts[name] and facts[name].replace("+00:00", "Z")
    facts["show"]["date_time"] = facts["show"]["date_time"].replace("+00:00", "Z")
    return facts


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {"id" if key == "database_id" else key: _renamed(inner) for key, inner in value.items()}
    return value


def _snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key): _snake(inner)
            for key, inner in value.items()
        }
    return [_snake(inner) for inner in value] if isinstance(value, list) else value
