"""What the clients ask for: the doors with their requests and answers, and the walks through the seats."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Expected = Mapping[str, tuple[int, bytes]]

_MOVIE = "databaseId title durationMinutes"
_SHOW = f"databaseId movie {{ {_MOVIE} }} screenName dateTime totalSeats availableSeats"
_BOOKING = f"databaseId show {{ {_SHOW} }} seatNumber status createdAt cancelledAt"
_OR_WHY_NOT = "... on Refusal { code message }"

BOOK = (
    "mutation($input: BookSeatInput!) { bookSeat(input: $input) "
    f"{{ ... on Booking {{ {_BOOKING} }} {_OR_WHY_NOT} }} }}"
)
CANCEL = (
    "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) "
    f"{{ ... on Booking {{ {_BOOKING} }} {_OR_WHY_NOT} }} }}"
)
MOVIES = f"{{ movies(first: 100) {{ nodes {{ {_MOVIE} }} }} }}"
SHOWS = f"query($movie: ID!) {{ movie(id: $movie) {{ shows(first: 100) {{ nodes {{ {_SHOW} }} }} }} }}"
MY_BOOKINGS = f"{{ myBookings(first: 100) {{ nodes {{ {_BOOKING} }} }} }}"

# The library's names for the same fields.
_PAGE = "(pagination: {limit: 100})"
_LIBRARY_SHOW = _SHOW.replace("databaseId", "id")
LIBRARY_MOVIES = f"{{ movies{_PAGE} {{ id title durationMinutes }} }}"
LIBRARY_SHOWS = f"query($movie: ID!) {{ movie(pk: $movie) {{ shows{_PAGE} {{ {_LIBRARY_SHOW} }} }} }}"
LIBRARY_MY_BOOKINGS = f"{{ myBookings{_PAGE} {{ {_BOOKING.replace('databaseId', 'id')} }} }}"


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


def query(text: str, *, token: str = "", **variables: object) -> bytes:
    return request("POST", "/graphql/", token=token, body={"query": text, "variables": variables})


def global_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


@dataclass(frozen=True)
class Rest:
    """Books and cancels over REST."""

    expected: Expected
    booking: bytes = rb'"id": ?(\d+)'

    def book(self, show: int, seat: int, token: str) -> bytes:
        return request("POST", f"/shows/{show}/book/", token=token, body={"seat_number": seat})

    def cancel(self, booking: int, token: str) -> bytes:
        return request("POST", f"/bookings/{booking}/cancel/", token=token)


@dataclass(frozen=True)
class Graph:
    """Books and cancels over GraphQL, and asks for what REST answers."""

    expected: Expected
    booking: bytes = rb'"databaseId": ?(\d+)'

    def book(self, show: int, seat: int, token: str) -> bytes:
        return query(BOOK, token=token, input={"showId": global_id("Show", show), "seatNumber": seat})

    def cancel(self, booking: int, token: str) -> bytes:
        return query(CANCEL, token=token, input={"bookingId": global_id("Booking", booking)})


OURS_REST = Rest(
    {"booked": (201, b""), "taken": (409, b'"seat_taken"'), "full": (409, b'"show_full"'), "cancelled": (200, b"")}
)
OURS_GRAPHQL = Graph(
    {
        "booked": (200, b'"BOOKED"'),
        "taken": (200, b'"seat_taken"'),
        "full": (200, b'"show_full"'),
        "cancelled": (200, b'"CANCELLED"'),
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


@dataclass(frozen=True)
class Walk:
    """A way through the seats of neighbouring shows: from show to show, or through one show after the other."""

    first_show: int
    shows: int
    seats: int
    one_by_one: bool = False

    def place(self, step: int) -> tuple[int, int] | None:
        """Give the show and the seat of a step; None behind the last."""
        if step >= self.shows * self.seats:
            return None
        if self.one_by_one:
            return self.first_show + step // self.seats, 1 + step % self.seats
        return self.first_show + step % self.shows, 1 + step // self.shows


@dataclass
class Together:
    """All clients share one walk, so that each seat is asked for once."""

    door: Rest | Graph
    walk: Walk
    tokens: Sequence[str]
    step: int = 0

    def next(self, client: int) -> bytes | None:
        place = self.walk.place(self.step)
        if place is None:
            return None
        self.step += 1
        return self.door.book(*place, self.tokens[self.step % len(self.tokens)])

    def answered(self, client: int, booking: int | None) -> None:
        pass


@dataclass
class Rivals:
    """Each client takes the same walk, so that all of them want each seat."""

    door: Rest | Graph
    walk: Walk
    tokens: Sequence[str]
    steps: dict[int, int] = field(default_factory=dict)

    def next(self, client: int) -> bytes | None:
        step = self.steps.get(client, 0)
        self.steps[client] = step + 1
        place = self.walk.place(step)
        return place and self.door.book(*place, self.tokens[client % len(self.tokens)])

    def answered(self, client: int, booking: int | None) -> None:
        pass


@dataclass
class Again:
    """Everybody sends the same few requests over and over."""

    requests: Sequence[bytes]

    def next(self, client: int) -> bytes | None:
        return self.requests[client % len(self.requests)]

    def answered(self, client: int, booking: int | None) -> None:
        pass


@dataclass
class Rebooking:
    """Each client books a seat of its own, cancels it, and books it again."""

    door: Rest | Graph
    show: int
    tokens: Sequence[str]
    held: dict[int, int | None] = field(default_factory=dict)

    def next(self, client: int) -> bytes | None:
        token = self.tokens[client % len(self.tokens)]
        booking = self.held.get(client)
        return self.door.cancel(booking, token) if booking else self.door.book(self.show, client + 1, token)

    def answered(self, client: int, booking: int | None) -> None:
        self.held[client] = booking
