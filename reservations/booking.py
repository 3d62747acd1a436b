"""The booking core. Nothing else writes bookings: not the doors, not the admin, not a command.

What keeps a seat from being sold twice is the table: the unique index ``seat_has_one_live_booking`` over
(show, seat_number) where status is ``booked``. With seats numbered 1 to ``total_seats`` it also keeps a show from
being overbooked, so nothing is counted before a seat is sold.

What the index can't see is the show's own row: that the show exists, has not begun, and has the seat. A booking
therefore takes a shared lock on it. Bookings do not wait for each other, not even on one hot show, while staff who
shrink, move or delete it (reservations.scheduling) wait for them and they for staff.

All of it is one statement a verb: reservations.statements has the two and their reasons. The account is looked at in it
as well, so that somebody who is deleted, deactivated or given a new password is refused from that moment on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast

from django.db import IntegrityError

from catalog.models import MOST_SEATS, Movie, Show
from core.database import one_statement
from core.errors import AccountGone, DomainError, Kind, NotFound
from core.idempotency import Operation, once
from core.metrics import counted
from core.models import Account
from reservations import statements
from reservations.models import Booking
from reservations.statements import columns_of, row_of


@dataclass(eq=False)
class SeatOutOfRange(DomainError):
    """The show has no seat of this number."""

    kind = Kind.INVALID
    code = "seat_out_of_range"
    message = "Seats are numbered {min} to {max}."
    example: ClassVar[Mapping[str, Any]] = {"min": 1, "max": 120}

    min: int
    max: int


@dataclass(eq=False)
class SeatTaken(DomainError):
    """Somebody has the seat; the show still has others."""

    kind = Kind.CONFLICT
    code = "seat_taken"
    message = "Seat {seat_number} is already booked."
    example: ClassVar[Mapping[str, Any]] = {"seat_number": 12}

    seat_number: int


@dataclass(eq=False)
class ShowFull(DomainError):
    """Every seat of the show is booked."""

    kind = Kind.CONFLICT
    code = "show_full"
    message = "The show is sold out."


@dataclass(eq=False)
class ShowStarted(DomainError):
    """The show has begun; booking and cancelling are closed."""

    kind = Kind.CONFLICT
    code = "show_started"
    message = "The show has begun; booking and cancelling are closed."


@dataclass(eq=False)
class AlreadyCancelled(DomainError):
    """The booking was cancelled before."""

    kind = Kind.CONFLICT
    code = "already_cancelled"
    message = "The booking is already cancelled."


@counted("book")
def book_seat(*, user: Account, show_id: int, seat_number: int, idempotency_key: str | None = None) -> Booking:
    """Book a seat of a show for a user; with a key, once, however often it is asked for.

    :raises NotFound: there is no such show.
    :raises SeatOutOfRange: the show has no such seat.
    :raises ShowStarted: the show has begun.
    :raises ShowFull: every seat is booked.
    :raises SeatTaken: this seat is booked, others are not.
    :raises AccountGone: the account was deleted, deactivated or given a new password.
    :raises Busy: staff kept the show locked for too long.
    :raises OutcomeUnknown: the connection to the database was lost before it could tell.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """

    def deed() -> Booking:
        return _book(user, show_id, seat_number)

    if idempotency_key is not None:
        return once(BOOKING, deed, user=user, key=idempotency_key, given=(show_id, seat_number))
    try:
        return one_statement(deed)()
    except IntegrityError as fault:
        # The show is locked and the seat's conflict is handled, so it is the user's row that is gone.
        raise AccountGone from fault


@counted("cancel")
def cancel_booking(*, user: Account, booking_id: int, idempotency_key: str | None = None) -> Booking:
    """Cancel a user's own booking; its seat is free from the commit on.

    :raises NotFound: there is no such booking, or it is somebody else's.
    :raises AlreadyCancelled: it was cancelled before.
    :raises ShowStarted: the show has begun.
    :raises AccountGone: the account was deleted, deactivated or given a new password.
    :raises Busy: staff kept the show locked for too long.
    :raises OutcomeUnknown: the connection to the database was lost before it could tell.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """

    def deed() -> Booking:
        return _cancel(user, booking_id)

    if idempotency_key is not None:
        return once(CANCELLING, deed, user=user, key=idempotency_key, given=(booking_id,))
    return one_statement(deed)()


_LOOKS = 3  # at the state of a seat, which others may change while a statement runs


def _book(user: Account, show_id: int, seat_number: int) -> Booking:
    # A number that no show has would not fit the column either; 0 is no seat, and says the same.
    seat = seat_number if 1 <= seat_number <= MOST_SEATS else 0
    for _ in range(_LOOKS):
        found = statements.book(user=user, show_id=show_id, seat_number=seat)
        if found.written:
            return _in_full(found, sold=found.sold + 1)
        if not found.account_stands:
            raise AccountGone
        if found.show is None:
            raise NotFound
        if not 1 <= seat_number <= found.show.total_seats:
            raise SeatOutOfRange(min=1, max=found.show.total_seats)
        if found.begun:
            raise ShowStarted
        if found.sold >= found.show.total_seats:
            raise ShowFull
        if found.refused:
            break
    raise SeatTaken(seat_number=seat_number)


def _cancel(user: Account, booking_id: int) -> Booking:
    for _ in range(_LOOKS):
        found = statements.cancel(user=user, booking_id=booking_id)
        if found.written:
            return _in_full(found, sold=found.sold - 1)
        if not found.account_stands:
            raise AccountGone
        if found.refused is None:
            raise NotFound
        if found.refused:
            break
        if found.begun:
            raise ShowStarted
    raise AlreadyCancelled


def _in_full(found: statements.Found, *, sold: int) -> Booking:
    """Give the booking that was written, with its show, the film and the available seats."""
    booking, show = cast(Booking, found.written), cast(Any, found.show)
    # What others cancelled while the statement ran is still counted, so that the sum may be beyond the seats.
    show.available_seats = max(0, show.total_seats - sold)
    booking.show = show
    return booking


# --- How the outcome of a key is kept -----------------------------------------------------------


def _dump(booking: Booking) -> dict[str, Any]:
    show: Any = booking.show
    rows = {"booking": booking, "show": show, "movie": show.movie}
    kept: dict[str, Any] = {name: [_dumped(value) for value in columns_of(row)] for name, row in rows.items()}
    return {**kept, "available_seats": show.available_seats}


def _dumped(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _load(kept: dict[str, Any]) -> Booking:
    booking = row_of(Booking, kept["booking"])
    show: Any = row_of(Show, kept["show"])
    show.movie, show.available_seats = row_of(Movie, kept["movie"]), kept["available_seats"]
    booking.show = show
    return booking


BOOKING = Operation("book", _dump, _load, (NotFound, SeatOutOfRange, ShowStarted, ShowFull, SeatTaken))
CANCELLING = Operation("cancel", _dump, _load, (NotFound, AlreadyCancelled, ShowStarted))
