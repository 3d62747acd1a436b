"""The seats of shows, as clients see them."""

from enum import Enum
from typing import Annotated, Any

import strawberry

from graphql_api.context import Info
from graphql_api.errors import InvalidInput, NoAdjacentSeats, in_full
from graphql_api.loaders import peers_of
from reservations import best_seats, seat_map


@strawberry.enum(description="What a seat is at a moment.")
class SeatStatus(Enum):
    AVAILABLE = strawberry.enum_value("available", description="To be had.")
    HELD = strawberry.enum_value("held", description="Kept for somebody for some minutes; it may come back.")
    BOOKED = strawberry.enum_value("booked", description="Somebody has it.")
    BLOCKED = strawberry.enum_value("blocked", description="Not for sale.")


@strawberry.type(description="One seat.")
class Seat:
    seat_number: int = strawberry.field(description="1 to the show's `totalSeats`.")
    label: str = strawberry.field(description="The row and the place there, as B7.")
    status: SeatStatus = strawberry.field(description="What it is.")
    mine: bool = strawberry.field(description="Whether it is booked or held by whoever asks; false without a token.")


@strawberry.type(description="A row of seats.")
class SeatRow:
    row: str = strawberry.field(description="Its name: A to Z, then AA.")
    seats: list[Seat] = strawberry.field(
        description="Its seats, 1 to 100, by their numbers; with `since`, those that have changed."
    )


@strawberry.type(description="How many seats of a show are what; always of all its seats.")
class SeatSummary:
    total: int = strawberry.field(description="All seats, 1 to 10,000.")
    available: int = strawberry.field(description="Seats to be had.")
    held: int = strawberry.field(description="Seats under a live hold.")
    booked: int = strawberry.field(description="Seats that somebody has.")
    blocked: int = strawberry.field(description="Seats that are not for sale.")
    largest_block: int = strawberry.field(description="The most available seats that are adjacent in one row.")


@strawberry.type(description="The seats of a show at a moment.")
class SeatMap:
    version: str = strawberry.field(
        description="Names this moment: give it as `since` to be told what has changed after it."
    )
    summary: SeatSummary = strawberry.field(description="How many seats are what.")
    rows: list[SeatRow] = strawberry.field(
        description="The rows, from the screen on; with `since`, those with seats that have changed."
    )


@strawberry.type(description="The best seats that are to be had.")
class BestSeats:
    seat_numbers: list[int] = strawberry.field(description="Their numbers, ascending.")
    labels: list[str] = strawberry.field(description="Their names, in the same order.")


BestSeatsResult = Annotated[
    BestSeats | NoAdjacentSeats | InvalidInput,
    strawberry.union("BestSeatsResult", description="The best seats, or why there are none."),
]


def seat_maps_of_peers(show: Any, info: Info, since: str | None) -> dict[int, seat_map.SeatMap]:
    """Give the maps of a show and of all its peers, by the shows' numbers, in one statement.

    :raises Invalid: ``since`` is no version of theirs.
    """
    peers, bearer = peers_of(show), info.context.bearer
    viewer = bearer.pk if bearer else None
    return peers.once(("seat maps", since), lambda: seat_map.seat_maps(peers.rows, viewer=viewer, since=since))


def best_seats_of_peers(show: Any, info: Info, quantity: int, allow_split: bool) -> dict[int, Any]:
    """Give the best seats of a show and of all its peers, or why there are none, by the shows' numbers.

    :raises Invalid: ``quantity`` is not 1 to 10.
    """
    peers = peers_of(show)

    def load() -> dict[int, Any]:
        best_seats.validate_quantity(quantity, name="quantity")  # before the maps are read
        maps = seat_maps_of_peers(show, info, None)
        found = best_seats.best_seats_for_maps([*maps.values()], quantity=quantity, allow_split=allow_split)
        refused = {number: best for number, best in found.items() if isinstance(best, best_seats.NoAdjacentSeats)}
        told: dict[int, Any] = dict(zip(refused, in_full(refused.values()), strict=True))
        for number, best in found.items():
            if isinstance(best, best_seats.BestSeats):
                told[number] = BestSeats(seat_numbers=best.seat_numbers, labels=best.labels)
        return told

    return peers.once(("best seats", quantity, allow_split), load)
