"""The application on a PostgreSQL of its own, with shows enough that no test wants a seat of another's."""

import base64
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tests.faults.load import Answer, Request, ask
from tests.postgres import Server
from tests.service import Service

PASSWORD = "correct horse battery staple"
CUSTOMERS = 16
SHOWS = 32
SEATS = 10_000


@dataclass
class Cinema:
    """A service, its database, and what is sent to it.

    The application's database role is not a superuser: limits that an administrator sets hold for it.
    """

    service: Service
    postgres: Server
    tokens: list[str] = field(default_factory=list)
    refreshes: list[str] = field(default_factory=list)
    movie: int = 0
    shows: list[int] = field(default_factory=list)
    seats: Iterator[tuple[int, int]] = field(default_factory=lambda: iter(()))

    def ask(self, request: Request, *, patience: float = 15) -> Answer:
        return ask(self.service.port, request, patience=patience)

    # --- Requests ---

    def read(self) -> Request:
        return Request("GET", f"/shows/{self.shows[0]}/")

    def list_movies(self) -> Request:
        return Request("GET", "/movies/")

    def book(self, show: int | None = None, seat: int | None = None, key: str | None = None) -> Request:
        """A seat that nobody has asked for, unless told which."""
        if show is None or seat is None:
            show, seat = next(self.seats)
        return Request("POST", f"/shows/{show}/book/", {"seat_number": seat}, self.tokens[0], key)

    def cancel(self, booking: int) -> Request:
        return Request("POST", f"/bookings/{booking}/cancel/", token=self.tokens[0])

    def log_in(self, customer: int = 0) -> Request:
        return Request("POST", "/login", {"username": f"customer{customer}", "password": PASSWORD})

    def my_bookings(self) -> Request:
        return Request("GET", "/my-bookings/?limit=10", token=self.tokens[1])

    def query(self) -> Request:
        return Request("POST", "/graphql/", {"query": "{ movies(first: 2) { nodes { title } } }"})

    def mutate(self, show: int | None = None, seat: int | None = None, key: str | None = None) -> Request:
        """The same as ``book``, through the other door."""
        if show is None or seat is None:
            show, seat = next(self.seats)
        told: dict[str, Any] = {"showId": base64.b64encode(f"Show:{show}".encode()).decode(), "seatNumber": seat}
        told |= {"idempotencyKey": key} if key else {}
        parts = "... on Booking { databaseId } ... on Refusal { code message }"
        query = f"mutation($input: BookSeatInput!) {{ bookSeat(input: $input) {{ {parts} }} }}"
        return Request("POST", "/graphql/", {"query": query, "variables": {"input": told}}, self.tokens[0])

    def each_kind(self) -> dict[str, Request]:
        """One request to each kind of address that needs the database; each would succeed."""
        booking = self.ask(self.book()).json["id"]
        return {
            "read": self.read(),
            "list": self.list_movies(),
            "book": self.book(),
            "cancel": self.cancel(booking),
            "login": self.log_in(),
            "my-bookings": self.my_bookings(),
            "query": self.query(),
            "mutation": self.mutate(),
        }

    def bookings(self) -> Iterator[Request]:
        while True:
            yield self.book()

    # --- The table, seen past the application ---

    def session(self, **options: Any) -> psycopg.Connection[Any]:
        """A superuser's session; neither its role's limits nor the application's timeouts hold for it."""
        return psycopg.connect(
            self.postgres.url.removesuffix("/postgres") + "/cinema", **{"autocommit": True, **options}
        )

    def booked(self, show: int, seat: int, status: str = "booked") -> int:
        with self.session() as session:
            return count_of(session, show, seat, status)

    def is_back(self, request: Request, within: float) -> float:
        """Ask until it is answered, and tell after how many seconds it was."""
        begun = time.monotonic()
        while not (answer := self.ask(request, patience=within)).ok:
            assert time.monotonic() - begun < within, f"not back: {answer}"
            time.sleep(0.05)
        return time.monotonic() - begun


def count_of(session: psycopg.Connection[Any], show: int, seat: int, status: str = "booked") -> int:
    found = session.execute(
        "SELECT count(*) FROM reservations_booking WHERE show_id = %s AND seat_number = %s AND status = %s",
        [show, seat, status],
    ).fetchone()
    return int(found[0]) if found else 0


def lock_waits(session: psycopg.Connection[Any]) -> int:
    """Tell how many sessions wait for a lock."""
    found = session.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'cinema'"
    ).fetchone()
    return int(found[0]) if found else 0


def database_url(port: int) -> str:
    return f"postgres://cinema@127.0.0.1:{port}/cinema"


def make_database(postgres: Server) -> None:
    """Make the database, and the role that owns it."""
    with psycopg.connect(postgres.url, autocommit=True) as session:
        session.execute("CREATE ROLE cinema LOGIN")
        session.execute("CREATE DATABASE cinema OWNER cinema")


def open_cinema(cinema: Cinema) -> None:
    """Let customers sign up, and staff plan the shows."""
    for number in range(CUSTOMERS):
        _expect(cinema, Request("POST", "/signup", {"username": f"customer{number}", "password": PASSWORD}))
    with cinema.session() as session:
        session.execute("UPDATE core_user SET is_staff = true, is_superuser = true WHERE username = 'customer15'")
    for number in (0, 1, 15):
        pair = _expect(cinema, cinema.log_in(number))
        cinema.tokens.append(pair["access"])
        cinema.refreshes.append(pair["refresh"])
    staff = cinema.tokens[2]
    film = {"title": "The Third Man", "duration_minutes": 104}
    cinema.movie = _expect(cinema, Request("POST", "/movies/", film, staff))["id"]
    for number in range(SHOWS):
        begins = datetime.now(UTC) + timedelta(days=1, hours=number)
        show = {"screen_name": "Aurora", "date_time": begins.isoformat(), "total_seats": SEATS}
        cinema.shows.append(_expect(cinema, Request("POST", f"/movies/{cinema.movie}/shows/", show, staff))["id"])
    cinema.seats = ((show, seat) for seat in itertools.count(1) for show in cinema.shows[1:])


def _expect(cinema: Cinema, request: Request) -> Any:
    answer = cinema.ask(request)
    assert answer.ok, answer
    return answer.json


@contextmanager
def locked(cinema: Cinema, statement: str, *parameters: Any) -> Iterator[psycopg.Connection[Any]]:
    """Hold what the statement locks, for as long as the block lasts."""
    with cinema.session(autocommit=False) as session:
        session.execute(statement, parameters)  # type: ignore[arg-type]
        yield session
        session.rollback()


def wait_until(holds: Callable[[], bool], within: float) -> float:
    """Tell after how many seconds it held."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < within, f"it does not hold after {within} s"
        time.sleep(0.02)
    return time.monotonic() - begun
