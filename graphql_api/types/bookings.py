"""Bookings and holds as clients see them."""

from datetime import datetime

import strawberry
import strawberry_django
from django.utils import timezone
from strawberry import auto

from graphql_api.limits import cost
from graphql_api.loaders import Batch, RowField, batched_field, load_related
from graphql_api.pagination import Order
from graphql_api.types.catalog import Show
from graphql_api.types.node import DATABASE_ID, Node
from reservations import models
from reservations.best_seats import MAX_SEATS_AT_ONCE
from reservations.holds import load_seats

NEWEST_FIRST = Order("created_at", datetime, descending=True)
OLDEST_FIRST = Order("created_at", datetime)

BookingStatus = strawberry.enum(models.BookingStatus, description="Whether a booking has its seat.")


def load_shows(batch: Batch) -> None:
    load_related(batch, "show")


@strawberry_django.type(
    models.Booking, field_cls=RowField, description="An account's booking of a seat, live or cancelled."
)
class Booking(Node):
    database_id: int = strawberry_django.field(field_cls=RowField, field_name="id", description=DATABASE_ID)
    seat_number: auto
    status: BookingStatus  # type: ignore[valid-type]
    created_at: auto
    cancelled_at: auto

    show: Show = batched_field(load_shows, description="The show.")
    label: str = batched_field(load_shows, description="The row and the place in it, for example B7.")


@strawberry.type(description="The bookings that were made together.")
class BookedSeats:
    bookings: list[Booking] = strawberry.field(
        description="One for each seat, 1 to 10, by the seats' numbers.", metadata=cost(items=MAX_SEATS_AT_ONCE)
    )


@strawberry.type(description="A seat of a hold.")
class HeldSeat:
    seat_number: int = strawberry.field(description="1 to the show's `totalSeats`.")
    label: str = strawberry.field(description="The row and the place in it, for example B7.")


def load_held_seats(batch: Batch) -> None:
    """Load the seats of holds, except where the domain has given them."""
    load_shows(batch)  # which name the seats
    without = [hold for hold in batch.rows if "seat_numbers" not in hold.__dict__]
    load_seats(without)
    for hold in without:
        # One that was confirmed or released after it was read has no ``expires_at`` any more: it is over by now.
        hold.expires_at = hold.expires_at or timezone.now()


@strawberry_django.type(
    models.Hold, field_cls=RowField, description="Seats that nobody else can book until it expires."
)
class Hold(Node):
    database_id: int = strawberry_django.field(field_cls=RowField, field_name="id", description=DATABASE_ID)
    created_at: auto

    show: Show = batched_field(load_shows, description="The show.")

    seats: list[HeldSeat] = batched_field(
        load_held_seats, description="Its seats, 1 to 10, by their numbers.", metadata=cost(items=MAX_SEATS_AT_ONCE)
    )
    expires_at: datetime = batched_field(
        load_held_seats, description="When it expires, by the service's clock; its seats are available from then on."
    )


@strawberry.type(description="The hold is over; its seats are available.")
class ReleasedHold:
    id: strawberry.ID = strawberry.field(description="The `id` of the hold.")
