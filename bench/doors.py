"""The doors, with their requests and what they answer."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

Expected = Mapping[str, tuple[int, bytes]]

GROUP = 4
BEST = 3

_MOVIE = "databaseId title durationMinutes"
_SHOW = f"databaseId movie {{ {_MOVIE} }} screenName dateTime totalSeats availableSeats"
_BOOKING = f"databaseId show {{ {_SHOW} }} seatNumber status createdAt cancelledAt"
_BOOKINGS = f"... on BookedSeats {{ bookings {{ {_BOOKING} }} }}"
_HOLD = f"... on Hold {{ databaseId show {{ {_SHOW} }} seats {{ seatNumber label }} createdAt expiresAt }}"


def _mutation(name: str, kind: str, answer: str) -> str:
    asked = f"mutation($input: {kind}!) {{ {name}(input: $input)"
    return f"{asked} {{ {answer} ... on Refusal {{ code message }} }} }}"


BOOK = _mutation("bookSeat", "BookSeatInput", f"... on Booking {{ {_BOOKING} }}")
BOOK_SEATS = _mutation("bookSeats", "BookSeatsInput", _BOOKINGS)
CANCEL = _mutation("cancelBooking", "CancelBookingInput", f"... on Booking {{ {_BOOKING} }}")
MOVE = _mutation("moveBooking", "MoveBookingInput", f"... on Booking {{ {_BOOKING} }}")
HOLD = _mutation("holdSeats", "HoldSeatsInput", _HOLD)
CONFIRM = _mutation("confirmHold", "ConfirmHoldInput", _BOOKINGS)

MOVIES = f"query($first: Int) {{ movies(first: $first) {{ nodes {{ {_MOVIE} }} }} }}"
SHOWS = f"query($movie: ID!, $first: Int) {{ movie(id: $movie) {{ shows(first: $first) {{ nodes {{ {_SHOW} }} }} }} }}"
MY_BOOKINGS = f"query($first: Int) {{ myBookings(first: $first) {{ nodes {{ {_BOOKING} }} }} }}"
SHOW = f"query($show: ID!) {{ show(id: $show) {{ {_SHOW} seatsPerRow }} }}"
SEAT_MAP = (
    f"query($show: ID!, $since: String) {{ show(id: $show) {{ {_SHOW} seatsPerRow seatMap(since: $since) {{ version"
    " summary { total available held booked blocked largestBlock }"
    " rows { row seats { seatNumber label status mine } } } } }"
)
BEST_SEATS = (
    "query($show: ID!, $quantity: Int!) { show(id: $show) { bestSeats(quantity: $quantity)"
    " { ... on BestSeats { seatNumbers labels } ... on Refusal { code message } } } }"
)
WATCH = (
    "subscription($show: ID!, $since: String) { seatMapChanged(showId: $show, since: $since)"
    " { version seats { seatNumber label status } } }"
)

# The library's connections have edges alone.
LIBRARY_MOVIES, LIBRARY_SHOWS, LIBRARY_MY_BOOKINGS = (
    text.replace("nodes {", "edges { node {") + " }" for text in (MOVIES, SHOWS, MY_BOOKINGS)
)


def request(method: str, path: str, *, token: str = "", body: object = None, headers: str = "") -> bytes:
    """Write a request as a proxy in front of the application sends it on."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-For: 127.0.0.1"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if headers:
        lines.append(headers)
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def query(text: str, *, token: str = "", headers: str = "", **variables: object) -> bytes:
    body = {"query": text, "variables": variables}
    return request("POST", "/graphql/", token=token, body=body, headers=headers)


def global_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def group(place: int) -> list[int]:
    """Give the seats of a group of four: 1 to 4, 5 to 8 …"""
    return [*range(GROUP * (place - 1) + 1, GROUP * place + 1)]


@dataclass(frozen=True)
class Rest:
    """Sells seats over REST."""

    expected: Expected
    number: bytes = rb'"id": ?(\d+), ?"show"'
    """Finds the bookings, or the hold, in an answer."""

    def book(self, show: int, seat: int, token: str) -> bytes:
        return self._book(show, token, seat_number=seat)

    def book_group(self, show: int, place: int, token: str) -> bytes:
        return self._book(show, token, seat_numbers=group(place))

    def book_best(self, show: int, place: int, token: str) -> bytes:
        return self._book(show, token, best=BEST)

    def _book(self, show: int, token: str, **wish: object) -> bytes:
        return request("POST", f"/shows/{show}/book/", token=token, body=wish)

    def cancel(self, booking: int, token: str) -> bytes:
        return request("POST", f"/bookings/{booking}/cancel/", token=token)

    def move(self, booking: int, seat: int, token: str) -> bytes:
        return request("POST", f"/bookings/{booking}/move/", token=token, body={"seat_number": seat})

    def hold(self, show: int, seat: int, token: str) -> bytes:
        return request("POST", f"/shows/{show}/holds/", token=token, body={"seat_numbers": [seat]})

    def confirm(self, hold: int, token: str) -> bytes:
        return request("POST", f"/holds/{hold}/confirm/", token=token)


@dataclass(frozen=True)
class Graph:
    """Sells seats over GraphQL, and asks for what REST answers."""

    expected: Expected
    number: bytes = rb'"databaseId": ?(\d+), ?"show"'

    def book(self, show: int, seat: int, token: str) -> bytes:
        return query(BOOK, token=token, input={"showId": global_id("Show", show), "seatNumber": seat})

    def book_group(self, show: int, place: int, token: str) -> bytes:
        wish = {"showId": global_id("Show", show), "seatNumbers": group(place)}
        return query(BOOK_SEATS, token=token, input=wish)

    def book_best(self, show: int, place: int, token: str) -> bytes:
        return query(BOOK_SEATS, token=token, input={"showId": global_id("Show", show), "best": BEST})

    def cancel(self, booking: int, token: str) -> bytes:
        return query(CANCEL, token=token, input={"bookingId": global_id("Booking", booking)})

    def move(self, booking: int, seat: int, token: str) -> bytes:
        return query(MOVE, token=token, input={"bookingId": global_id("Booking", booking), "seatNumber": seat})

    def hold(self, show: int, seat: int, token: str) -> bytes:
        return query(HOLD, token=token, input={"showId": global_id("Show", show), "seatNumbers": [seat]})

    def confirm(self, hold: int, token: str) -> bytes:
        return query(CONFIRM, token=token, input={"holdId": global_id("Hold", hold)})


# An answer is the first of these that it fits.
OURS_REST = Rest(
    {
        "held": (201, b'"expires_at"'),
        "booked": (201, b'"booked"'),
        "moved": (200, b'"booked"'),
        "cancelled": (200, b'"cancelled"'),
        "taken": (409, b'"seat_taken"'),
        "full": (409, b'"show_full"'),
    }
)
OURS_GRAPHQL = Graph(
    {
        "held": (200, b'"expiresAt"'),
        "moved": (200, b'"moveBooking":{"databaseId"'),
        "booked": (200, b'"BOOKED"'),
        "cancelled": (200, b'"CANCELLED"'),
        "taken": (200, b'"seat_taken"'),
        "full": (200, b'"show_full"'),
    }
)
BASELINE = Rest(
    {
        "booked": (201, b""),
        "taken": (400, b"already booked"),
        "full": (400, b"is full"),
        "cancelled": (200, b""),
    }
)
