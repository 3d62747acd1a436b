"""The models as clients see them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import strawberry
import strawberry_django
from django.db.models import QuerySet
from django.utils import timezone
from strawberry import auto, relay

from catalog import models as catalog
from core import models as core
from graphql_api.context import Info
from graphql_api.executor.columns import loaded_by
from graphql_api.loaders import load_related, peers_of
from graphql_api.pagination import After, Connection, First, Order, Page, connect_to
from graphql_api.seats import BestSeatsResult, SeatMap, best_seats_of_peers, seat_maps_of_peers
from reservations import models as reservations
from reservations.availability import available, available_seats_of
from reservations.holds import load_seats

BY_TITLE = Order("title", str)
EARLIEST_FIRST = Order("date_time", datetime)
NEWEST_FIRST = Order("created_at", datetime, descending=True)
OLDEST_FIRST = Order("created_at", datetime)

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
            counted = available_seats_of(peers.values("pk"))
            for peer in peers.rows:
                peer.__dict__.setdefault("available_seats", counted.get(peer.pk, 0))


@strawberry_django.type(catalog.Show, name="Show", description="One showing of a film on a screen.")
class Show(Node):
    database_id: int = strawberry_django.field(field_name="id", description=DATABASE_ID)
    screen_name: auto
    date_time: auto
    total_seats: auto
    seats_per_row: auto

    @strawberry.field(description="The film.", metadata=loaded_by(load_movies))
    def movie(self) -> Movie:
        load_movies([self])
        return self.movie  # type: ignore[return-value]

    @strawberry.field(
        description="Seats that were not booked, held or blocked when the answer was made.",
        metadata=loaded_by(load_available_seats),
    )
    def available_seats(self) -> int:
        load_available_seats([self])
        return self.available_seats  # type: ignore[return-value]

    # These two are nullable for the same reason as the shows of a film.
    @strawberry.field(
        description="Its seats now, or those that have changed since a version; null if `since` is not valid."
    )
    def seat_map(
        self,
        info: Info,
        since: Annotated[
            str | None,
            strawberry.argument(
                description="A `version` of this show's map: only seats that have changed since are told; all of them "
                "if their layout was changed. One that is garbled or still to come is `invalid`."
            ),
        ] = None,
    ) -> SeatMap | None:
        show: Any = self
        return seat_maps_of_peers(show, info, since).get(show.pk)  # type: ignore[return-value]

    @strawberry.field(
        description="The best seats that are to be had together; null if the show is gone. The same seats for the same "
        "state: one row without leaving a single seat alone, one row, then parts in rows as near as can be; among "
        "those, near the middle of the row two thirds back."
    )
    def best_seats(
        self,
        info: Info,
        quantity: Annotated[int, strawberry.argument(description="How many; 1 to 10.")],
        allow_split: Annotated[
            bool, strawberry.argument(description="Whether they may be in several parts, if need be.")
        ] = False,
    ) -> BestSeatsResult | None:
        show: Any = self
        return best_seats_of_peers(show, info, quantity, allow_split).get(show.pk)


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

    @strawberry.field(description="The row and the place there, as B7.", metadata=loaded_by(load_shows))
    def label(self) -> str:
        load_shows([self])
        return self.label  # type: ignore[return-value]


@strawberry.type(description="A seat of a hold.")
class HeldSeat:
    seat_number: int = strawberry.field(description="1 to the show's `totalSeats`.")
    label: str = strawberry.field(description="The row and the place there, as B7.")


def load_held_seats(holds: Sequence[Any]) -> None:
    """Load the seats of holds and of all their peers, but for those that the domain gave."""
    load_shows(holds)  # which name the seats
    for hold in holds:
        if "seat_numbers" not in hold.__dict__:
            peers = peers_of(hold).rows
            load_seats(peers)
            for peer in peers:
                # One that was confirmed or released after it was read has no end any more: it is over by now.
                peer.expires_at = peer.expires_at or timezone.now()


@strawberry_django.type(
    reservations.Hold, name="Hold", description="Seats that are kept for somebody who is about to book them."
)
class Hold(Node):
    database_id: int = strawberry_django.field(field_name="id", description=DATABASE_ID)
    created_at: auto

    @strawberry.field(description="The show.", metadata=loaded_by(load_shows))
    def show(self) -> Show:
        load_shows([self])
        return self.show  # type: ignore[return-value]

    @strawberry.field(description="Its seats, 1 to 10, by their numbers.", metadata=loaded_by(load_held_seats))
    def seats(self) -> list[HeldSeat]:
        load_held_seats([self])
        return self.seats  # type: ignore[return-value]

    @strawberry.field(
        description="When it runs out, by the service's clock; its seats are anybody's from then on.",
        metadata=loaded_by(load_held_seats),
    )
    def expires_at(self) -> datetime:
        load_held_seats([self])
        return self.expires_at  # type: ignore[return-value]
