"""The seats of a show as clients see them."""

from enum import Enum

import strawberry

from catalog.models import MAX_SEATS_PER_ROW
from graphql_api.limits import cost


@strawberry.enum(description="The state of a seat at a moment.")
class SeatStatus(Enum):
    AVAILABLE = strawberry.enum_value("available", description="For sale.")
    HELD = strawberry.enum_value("held", description="Held by an account for some minutes; it may become available.")
    BOOKED = strawberry.enum_value("booked", description="Sold.")
    BLOCKED = strawberry.enum_value("blocked", description="Not for sale.")


@strawberry.type(description="One seat.")
class Seat:
    seat_number: int = strawberry.field(description="1 to the show's `totalSeats`.")
    label: str = strawberry.field(description="The row and the place in it, for example B7.")
    status: SeatStatus = strawberry.field(description="Its state.")
    mine: bool = strawberry.field(description="Whether the token's account has booked or holds it; false without one.")


@strawberry.type(description="A row of seats.")
class SeatRow:
    row: str = strawberry.field(description="Its name: A to Z, then AA.")
    seats: list[Seat] = strawberry.field(
        description="Its seats, 1 to 100, by their numbers; with `since`, those that have changed.",
        metadata=cost(items=MAX_SEATS_PER_ROW),
    )


@strawberry.type(description="The number of seats in each state; always of all seats of the show.")
class SeatSummary:
    total: int = strawberry.field(description="All seats, 1 to 10,000.")
    available: int = strawberry.field(description="Seats for sale.")
    held: int = strawberry.field(description="Seats under a live hold.")
    booked: int = strawberry.field(description="Seats that are sold.")
    blocked: int = strawberry.field(description="Seats that are not for sale.")
    largest_block: int = strawberry.field(description="The most available seats that are adjacent in one row.")


@strawberry.type(description="The seats of a show at a moment.")
class SeatMap:
    version: str = strawberry.field(description="Names this moment: give it as `since` to get what changed after it.")
    summary: SeatSummary = strawberry.field(description="The number of seats in each state.")
    rows: list[SeatRow] = strawberry.field(
        description="The rows, beginning at the screen; with `since`, those with seats that have changed.",
        metadata=cost(items=MAX_SEATS_PER_ROW),  # a hundred of the longest rows are the largest show
    )
