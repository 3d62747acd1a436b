"""Movies and shows as clients see them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

import strawberry
import strawberry_django
from django.db.models import QuerySet
from strawberry import argument, auto

from catalog import models
from graphql_api.context import Info
from graphql_api.limits import PAGE_COST, cost
from graphql_api.loaders import Batch, RowField, batch_of, batched_field, load_related
from graphql_api.pagination import After, Connection, First, Order, Page, connect_to
from graphql_api.types.node import DATABASE_ID, Node
from graphql_api.types.refusals import InvalidInput, Refusal
from graphql_api.types.seats import SeatMap
from reservations import best_seats, errors, seat_map
from reservations.availability import available, available_seats_of

BY_TITLE = Order("title", str)
EARLIEST_FIRST = Order("date_time", datetime)


@strawberry_django.type(models.Movie, field_cls=RowField, name="Movie", description="A movie.")
class Movie(Node):
    database_id: int = strawberry_django.field(field_cls=RowField, field_name="id", description=DATABASE_ID)
    title: auto
    duration_minutes: auto

    @strawberry.field(
        # Nullable, so that a wrong argument nulls nothing above it: least of all a booking that was just made.
        description="Its shows, earliest first; null if the arguments are not valid.",
        metadata=PAGE_COST,
    )
    def shows(
        self,
        first: First = None,
        after: After = None,
        date: Annotated[date | None, argument(description="Shows that begin on this day of UTC.")] = None,
        since: Annotated[datetime | None, argument(name="from", description="Shows that begin then or later.")] = None,
        until: Annotated[datetime | None, argument(name="to", description="Shows that begin then or earlier.")] = None,
        available_only: Annotated[
            bool | None,
            argument(name="available", description="true: shows with an available seat; false: shows without one."),
        ] = None,
    ) -> Connection["Show"] | None:
        def queryset() -> QuerySet[Any]:
            shows = models.Show.objects.starting(since=since, until=until)
            return available(shows if date is None else shows.on(date), available_only)

        key = (date, since, until, available_only)
        return connect_to(self, "movie", queryset, Page(EARLIEST_FIRST, first, after), key)


@strawberry.type(description="The best seats that are available.")
class BestSeats:
    seat_numbers: list[int] = strawberry.field(description="Their numbers, ascending.")
    labels: list[str] = strawberry.field(description="Their names, in the same order.")


@strawberry.type(description="`no_adjacent_seats`: there are not so many available seats together.")
class NoAdjacentSeats(Refusal):
    largest_block: int = strawberry.field(description="The most available seats that are adjacent in one row.")
    alternatives: list["Show"] = strawberry.field(
        description="Later shows of the movie that have so many together; at most 3, earliest first.",
        metadata=cost(items=3),
    )


BestSeatsResult = Annotated[
    BestSeats | NoAdjacentSeats | InvalidInput,
    strawberry.union("BestSeatsResult", description="The best seats, or why there are none."),
]


def load_available_seats(batch: Batch) -> None:
    """Count the available seats of shows, unless the domain has counted them."""
    counted = available_seats_of(show.pk for show in batch.rows if "available_seats" not in show.__dict__)
    for show in batch.rows:
        show.__dict__.setdefault("available_seats", counted.get(show.pk, 0))


@strawberry_django.type(models.Show, field_cls=RowField, name="Show", description="One showing of a movie on a screen.")
class Show(Node):
    database_id: int = strawberry_django.field(field_cls=RowField, field_name="id", description=DATABASE_ID)
    screen_name: auto
    date_time: auto
    total_seats: auto
    seats_per_row: auto

    movie: Movie = batched_field(lambda batch: load_related(batch, "movie"), description="The movie.")
    available_seats: int = batched_field(
        load_available_seats, description="Seats that were not booked, held or blocked when the answer was made."
    )

    # These two are nullable for the same reason as the shows of a movie.
    @strawberry.field(
        description="Its seats now, or those that have changed since a version; null if `since` is not valid.",
        metadata=cost(compute=250),
    )
    def seat_map(
        self,
        info: Info,
        since: Annotated[
            str | None,
            argument(
                description="A `version` of this show's map: only seats that have changed since are answered; all of "
                "them if their layout was changed. One that can't be read is `invalid`."
            ),
        ] = None,
    ) -> SeatMap | None:
        show: Any = self
        return _seat_maps(show, info, since).get(show.pk)  # type: ignore[return-value]

    @strawberry.field(
        description="The best available seats together; null if the show is gone. The same seats for the same state: "
        "one row without leaving a single seat alone, one row, then parts in rows as near as can be; among those, near "
        "the middle of the row two thirds back.",
        metadata=cost(compute=500),
    )
    def best_seats(
        self,
        info: Info,
        quantity: Annotated[int, argument(description="How many; 1 to 10.")],
        allow_split: Annotated[bool, argument(description="Whether they may be in several parts, if need be.")] = False,
    ) -> BestSeatsResult | None:
        return _best_seats(self, info, quantity, allow_split)


def _seat_maps(show: Any, info: Info, since: str | None) -> dict[int, seat_map.SeatMap]:
    """Read the seat maps of a show's batch, by the shows' numbers.

    :raises Invalid: ``since`` is no version of theirs.
    """
    batch, bearer = batch_of(show), info.context.bearer
    viewer = bearer.pk if bearer else None
    return batch.load_once(("seat maps", since), lambda: seat_map.seat_maps(batch.rows, viewer=viewer, since=since))


def _best_seats(show: Any, info: Info, quantity: int, allow_split: bool) -> BestSeats | NoAdjacentSeats | None:
    """Find the best seats of a show, for its whole batch.

    :raises Invalid: ``quantity`` is not 1 to 10.
    """

    def load() -> dict[int, Any]:
        best_seats.validate_quantity(quantity, name="quantity")  # before the maps are read
        maps = _seat_maps(show, info, None)
        found = best_seats.best_seats_for_maps([*maps.values()], quantity=quantity, allow_split=allow_split)
        refusals = no_adjacent_seats(
            {pk: each for pk, each in found.items() if isinstance(each, errors.NoAdjacentSeats)}
        )
        return {pk: refusals.get(pk) or BestSeats(**vars(each)) for pk, each in found.items()}

    return batch_of(show).load_once(("best seats", quantity, allow_split), load).get(show.pk)


def no_adjacent_seats(refusals: Mapping[int, errors.NoAdjacentSeats]) -> dict[int, NoAdjacentSeats]:
    """Turn refusals into data, and load the shows that they name."""
    numbers = {alternative["id"] for refusal in refusals.values() for alternative in refusal.alternatives}
    shows: dict[int, Any] = {show.pk: show for show in Batch(models.Show.objects.filter(pk__in=numbers)).rows}
    return {
        pk: NoAdjacentSeats(
            code=refusal.code,
            message=str(refusal),
            largest_block=refusal.largest_block,
            # One that was deleted since is left out.
            alternatives=[shows[each["id"]] for each in refusal.alternatives if each["id"] in shows],
        )
        for pk, refusal in refusals.items()
    }
