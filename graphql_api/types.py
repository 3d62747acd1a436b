"""The types of the graph: the models as clients see them, the inputs, and the results."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import strawberry
import strawberry_django
from django.db.models import QuerySet
from strawberry import auto, relay

from catalog import models as catalog
from core import models as core
from graphql_api.columns import loaded_by
from graphql_api.connections import After, Connection, First, Order, Page, connect_to
from graphql_api.errors import InvalidInput, Refused, SeatOutOfRange, SeatTaken, Throttled
from graphql_api.peers import load_related, peers_of
from reservations import models as reservations
from reservations.availability import available, seats_sold

BY_TITLE = Order("title", str)
EARLIEST_FIRST = Order("date_time", datetime)
NEWEST_FIRST = Order("created_at", datetime, descending=True)

DATABASE_ID = "The number that REST knows it by."

BookingStatus = strawberry.enum(
    reservations.Booking.Status, name="BookingStatus", description="Whether a booking holds its seat."
)


class Node(relay.Node):
    """What has a global id: the type's name and the row's number."""

    @classmethod
    def resolve_id_attr(cls) -> str:
        return "pk"  # the library would look for it among the annotations, once a row


@strawberry_django.type(core.User, name="User", description="An account, as its owner sees it.")
class User(Node):
    database_id: int = strawberry_django.field(field_name="id", description=DATABASE_ID)
    username: auto
    email: auto


@strawberry_django.type(catalog.Movie, name="Movie", description="A film.")
class Movie(Node):
    database_id: int = strawberry_django.field(field_name="id", description=DATABASE_ID)
    title: auto
    duration_minutes: auto

    @strawberry.field(
        # Nullable, so that a wrong argument takes nothing away above it: least of all a booking that was just made.
        description="Its shows, earliest first; null if the arguments are not valid."
    )
    def shows(
        self,
        first: First = None,
        after: After = None,
        date: Annotated[date | None, strawberry.argument(description="Shows that begin on this day of UTC.")] = None,
        since: Annotated[
            datetime | None, strawberry.argument(name="from", description="Shows that begin then or later.")
        ] = None,
        until: Annotated[
            datetime | None, strawberry.argument(name="to", description="Shows that begin then or earlier.")
        ] = None,
        available_only: Annotated[
            bool | None,
            strawberry.argument(
                name="available", description="true: shows with an available seat; false: shows without one."
            ),
        ] = None,
    ) -> Connection["Show"] | None:
        def chosen() -> QuerySet[Any]:
            shows = catalog.Show.objects.starting(since=since, until=until)
            return available(shows if date is None else shows.on(date), available_only)

        chosen_by = (date, since, until, available_only)
        movie: Any = self
        return connect_to(movie, "movie", chosen, EARLIEST_FIRST, Page(first=first, after=after), chosen_by)


def load_movies(shows: Sequence[Any]) -> None:
    load_related(shows, "movie")


def load_available_seats(shows: Sequence[Any]) -> None:
    """Count the available seats of shows and of all their peers, but for those that the domain has counted."""
    for show in shows:
        if "available_seats" not in show.__dict__:
            peers = peers_of(show)
            sold = seats_sold(peers.values("pk"))
            for peer in peers.rows:
                peer.__dict__.setdefault("available_seats", peer.total_seats - sold.get(peer.pk, 0))


@strawberry_django.type(catalog.Show, name="Show", description="One showing of a film on a screen.")
class Show(Node):
    database_id: int = strawberry_django.field(field_name="id", description=DATABASE_ID)
    screen_name: auto
    date_time: auto
    total_seats: auto

    @strawberry.field(description="The film.", metadata=loaded_by(load_movies))
    def movie(self) -> Movie:
        load_movies([self])
        return self.movie  # type: ignore[return-value]

    @strawberry.field(
        description="Seats without a live booking when the answer was made.", metadata=loaded_by(load_available_seats)
    )
    def available_seats(self) -> int:
        load_available_seats([self])
        return self.available_seats  # type: ignore[return-value]


def load_shows(bookings: Sequence[Any]) -> None:
    load_related(bookings, "show")


@strawberry_django.type(reservations.Booking, name="Booking", description="A seat that somebody has, or had.")
class Booking(Node):
    database_id: int = strawberry_django.field(field_name="id", description=DATABASE_ID)
    seat_number: auto
    status: BookingStatus  # type: ignore[valid-type]
    created_at: auto
    cancelled_at: auto

    @strawberry.field(description="The show.", metadata=loaded_by(load_shows))
    def show(self) -> Show:
        load_shows([self])
        return self.show  # type: ignore[return-value]


@strawberry.type(description="A short-lived access token and the refresh token that renews it, once.")
class TokenPair:
    access: str = strawberry.field(description="Send it as `Authorization: Bearer …`; it holds for 15 minutes.")
    refresh: str = strawberry.field(description="Exchange it with `refreshToken`, once; it holds for 7 days.")


@strawberry.type(description="The refresh token is spent.")
class LoggedOut:
    ok: bool = strawberry.field(default=True, description="Always true.")


@strawberry.input(description="A new account.")
class SignupInput:
    username: str = strawberry.field(
        description="1 to 150 ASCII letters, digits and @ . + - _; unique without regard to case."
    )
    password: str = strawberry.field(
        description="8 to 1000 characters, not common, not all digits, not like the name; taken as it is."
    )
    email: str = strawberry.field(default="", description="May be left out; unique without regard to case.")


@strawberry.input(description="The credentials of an account.")
class LoginInput:
    username: str = strawberry.field(description="Without regard to case.")
    password: str = strawberry.field(description="Taken as it is: spaces count.")


@strawberry.input(description="A refresh token to exchange.")
class RefreshTokenInput:
    refresh: str = strawberry.field(description="The refresh token of the pair.")


@strawberry.input(description="A refresh token to spend.")
class LogoutInput:
    refresh: str = strawberry.field(description="The refresh token of the pair.")


_KEY = (
    "1 to 255 visible ASCII characters that name this request, the same as REST's `Idempotency-Key`. Whoever sends it "
    "again within 24 hours is told the first outcome, and nothing is done twice."
)


@strawberry.input(description="Which seat to book.")
class BookSeatInput:
    show_id: strawberry.ID = strawberry.field(description="The `id` of the show.")
    seat_number: int = strawberry.field(description="1 to the show's `totalSeats`.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which booking to cancel.")
class CancelBookingInput:
    booking_id: strawberry.ID = strawberry.field(description="The `id` of the booking.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


SignupResult = Annotated[
    User | InvalidInput | Throttled | Refused,
    strawberry.union(
        "SignupResult",
        description="The new account, or why there is none.",
    ),
]
LoginResult = Annotated[
    TokenPair | Throttled | Refused,
    strawberry.union(
        "LoginResult",
        description="The tokens, or why there are none: `no_active_account`.",
    ),
]
RefreshTokenResult = Annotated[
    TokenPair | Throttled | Refused,
    strawberry.union(
        "RefreshTokenResult",
        description="The new tokens, or why there are none: `token_not_valid`.",
    ),
]
LogoutResult = Annotated[
    LoggedOut | Refused,
    strawberry.union(
        "LogoutResult",
        description="That it is done, or why not: `token_not_valid`.",
    ),
]
BookSeatResult = Annotated[
    Booking | SeatTaken | SeatOutOfRange | Refused,
    strawberry.union(
        "BookSeatResult",
        description="The booking, or why there is none: `not_found`, `show_full`, `show_started` and others.",
    ),
]
CancelBookingResult = Annotated[
    Booking | Refused,
    strawberry.union(
        "CancelBookingResult",
        description="The booking, or why it stays: `not_found`, `already_cancelled`, `show_started`.",
    ),
]
