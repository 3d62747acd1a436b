"""The booking core: booking, cancelling, moving. Together with reservations.holds, nothing else sells seats: not the
doors, not the admin, not a command.

What keeps a seat from being sold twice is the table: the unique index ``seat_has_one_live_claim`` over
(show, seat_number) of what is booked, held or blocked. With seats numbered 1 to ``total_seats`` it also keeps a show
from being overbooked, so nothing is counted before a seat is sold.

What the index can't see is the show's own row: that the show exists, has not begun, and has the seat. A booking
therefore takes a shared lock on it. Bookings do not wait for each other, not even on one hot show, while staff who
shrink, move or delete it, or block its seats (reservations.staff), wait for them and they for staff.

All of it is one statement a verb: reservations.statements has them and their reasons. The account is looked at in it as
well, so that somebody who is deleted, deactivated or given a new password is refused from that moment on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from django.db import IntegrityError
from django.db.models.functions import Now

from catalog.models import MOST_SEATS, Show
from core.accounts import user_of
from core.database import durable_transaction, one_statement
from core.errors import AccountInactive, Busy, NotFound
from core.idempotency import Operation, once
from core.models import Account
from reservations import statements
from reservations.choosing import best_seats, queue_for_best, validate_seat_selection
from reservations.errors import (
    AlreadyCancelled,
    NoAdjacentSeats,
    SeatBlocked,
    SeatHeld,
    SeatOutOfRange,
    SeatsUnavailable,
    SeatTaken,
    ShowFull,
    ShowStarted,
)
from reservations.idempotency_codec import dump_booking, dump_bookings, load_booking, load_bookings
from reservations.live import publish_on_commit
from reservations.models import Booking, Bookings
from reservations.statements import Found, RaceLost

R = TypeVar("R")


def book_seat(*, user: Account, show_id: int, seat_number: int, idempotency_key: str | None = None) -> Booking:
    """Book a seat of a show for a user; with a key, once, however often it is asked for.

    :raises NotFound: there is no such show.
    :raises SeatOutOfRange: the show has no such seat.
    :raises ShowStarted: the show has begun.
    :raises ShowFull: every seat is booked or blocked.
    :raises SeatTaken: this seat is booked, others are not.
    :raises SeatHeld: somebody else holds this seat. One's own held seat is booked, and leaves the hold.
    :raises SeatBlocked: this seat is not sold.
    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises Busy: staff kept the show locked for too long.
    :raises OutcomeUnknown: the connection to the database was lost before it could tell.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    deed = partial(_book, user, show_id, seat_number)
    return do(BOOKING, deed, user=user, key=idempotency_key, given=(show_id, seat_number))


def book_seats(
    *,
    user: Account,
    show_id: int,
    seat_numbers: Sequence[int] | None = None,
    best: int | None = None,
    allow_split: bool = False,
    idempotency_key: str | None = None,
) -> Bookings:
    """Book several seats of a show, all or none: those that are named, or the best so many.

    :raises Invalid: not exactly one of ``seat_numbers`` and ``best`` is given, or not 1 to 10 different seats.
    :raises SeatsUnavailable: some of them are booked, held by somebody else or blocked; it names them.
    :raises NoAdjacentSeats: there are not so many together.
    :raises NotFound, SeatOutOfRange, ShowStarted, ShowFull: as for one seat.
    :raises AccountInactive, Busy, OutcomeUnknown, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress:
        as for one seat.
    """
    validate_seat_selection(seat_numbers, best)
    given = (show_id, seat_numbers and tuple(seat_numbers), best, allow_split)
    if best is None:
        deed = partial(_book_named, user, show_id, sorted(seat_numbers or ()))
        return do(BOOKING_SEVERAL, deed, user=user, key=idempotency_key, given=given)
    deed = partial(_book_best, user, show_id, best, allow_split)
    return do(BOOKING_SEVERAL, deed, user=user, key=idempotency_key, given=given, steps=durable_transaction)


def cancel_booking(*, user: Account, booking_id: int, idempotency_key: str | None = None) -> Booking:
    """Cancel a user's own booking; its seat is free from the commit on.

    :raises NotFound: there is no such booking, or it is somebody else's.
    :raises AlreadyCancelled: it was cancelled before.
    :raises ShowStarted: the show has begun.
    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises Busy: staff kept the show locked for too long.
    :raises OutcomeUnknown: the connection to the database was lost before it could tell.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    deed = partial(_cancel, user, booking_id)
    return do(CANCELLING, deed, user=user, key=idempotency_key, given=(booking_id,))


def move_booking(*, user: Account, booking_id: int, seat_number: int, idempotency_key: str | None = None) -> Booking:
    """Give a user's own booking another seat of its show; it has the one or the other at any moment, never both.

    :raises NotFound: there is no such booking, or it is somebody else's.
    :raises AlreadyCancelled: it was cancelled.
    :raises SeatOutOfRange, ShowStarted, SeatTaken, SeatHeld, SeatBlocked: as for booking the seat.
    :raises AccountInactive, Busy, OutcomeUnknown, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress:
        as for booking the seat.
    """
    deed = partial(_move, user, booking_id, seat_number)
    return do(MOVING, deed, user=user, key=idempotency_key, given=(booking_id, seat_number))


def do(
    operation: Operation[R],
    deed: Callable[[], R],
    *,
    user: Account,
    key: str | None,
    given: tuple[Any, ...],
    steps: Callable[[Callable[[], R]], Callable[[], R]] = one_statement,
) -> R:
    """Do what a verb does, durably; with a key, once.

    It is done again if rivals were faster at some of the seats: the next look tells at which.
    """
    for _ in range(LOOKS):
        try:
            if key is not None:
                return once(operation, deed, user=user, key=key, given=given)
            return steps(deed)()
        except RaceLost:
            continue
        except IntegrityError as fault:
            # The show is locked and the seats' conflicts are handled, so it is the user's row that is gone.
            raise AccountInactive from fault
    raise Busy


LOOKS = 3  # at the state of seats, which others may change while a statement runs


def _book(user: Account, show_id: int, seat_number: int) -> Booking:
    for _ in range(LOOKS):
        found = statements.book(user=user, show_id=show_id, seat_numbers=[seat_number])
        if found.written:
            return in_full(found, available=found.available - 1 + found.mine)[0]
        refuse_show(found, seat_number)
        refuse_full(found)
        if found.refused:
            refuse_seat(found, seat_number)
    raise SeatTaken(seat_number=seat_number)


def _book_named(user: Account, show_id: int, seat_numbers: Sequence[int]) -> Bookings:
    found = statements.book(user=user, show_id=show_id, seat_numbers=seat_numbers)
    if not found.written:
        refuse_seats(found, seat_numbers)
    return in_full(found, available=found.available - len(found.written) + found.mine)


def _book_best(user: Account, show_id: int, quantity: int, allow_split: bool) -> Bookings:
    seat_numbers = choose(user, show_id, quantity, allow_split)
    with chosen_anew():
        return _book_named(user, show_id, seat_numbers)


def _cancel(user: Account, booking_id: int) -> Booking:
    for _ in range(LOOKS):
        found = statements.cancel(user=user, booking_id=booking_id)
        if found.written:
            return in_full(found, available=found.available + 1)[0]
        check_owner(found)
        if found.refused:
            break
        if found.begun:
            raise ShowStarted
    raise AlreadyCancelled


def _move(user: Account, booking_id: int, seat_number: int) -> Booking:
    seat = seat_number if 1 <= seat_number <= MOST_SEATS else MOST_SEATS + 1  # which no show has
    found = statements.move(user=user, booking_id=booking_id, seat_number=seat)
    if found.written:
        return in_full(found, available=found.available + found.mine)[0]
    check_owner(found)
    if found.refused == Booking.Status.CANCELLED:
        raise AlreadyCancelled
    refuse_show(found, seat_number)
    if found.refused:
        refuse_seat(found, seat_number)
    raise RaceLost


# --- What booking and holding have in common ----------------------------------------------------


def choose(user: Account, show_id: int, quantity: int, allow_split: bool) -> list[int]:
    """Choose the best seats of a show, one customer at a time."""
    queue_for_best(show_id)
    try:
        return best_seats(show_id=show_id, quantity=quantity, allow_split=allow_split).seat_numbers
    except (NotFound, NoAdjacentSeats):
        user_of(user)  # which refuses an account that is gone
        if Show.objects.filter(pk=show_id, date_time__lte=Now()).exists():
            raise ShowStarted from None
        raise


@contextmanager
def chosen_anew() -> Iterator[None]:
    """Let seats be chosen anew if somebody took one of them by its number in between."""
    try:
        yield
    except (SeatsUnavailable, ShowFull) as taken:
        raise RaceLost from taken


def check_owner(found: Found) -> None:
    if not found.account_stands:
        raise AccountInactive
    if not found.exists:
        raise NotFound


def refuse_show(found: Found, *seat_numbers: int) -> None:
    """Refuse where the show is not there, has not all of the seats, or has begun."""
    if not found.account_stands:
        raise AccountInactive
    if found.show is None:
        raise NotFound
    if not all(1 <= number <= found.show.total_seats for number in seat_numbers):
        raise SeatOutOfRange(min=1, max=found.show.total_seats)
    if found.begun:
        raise ShowStarted


def refuse_full(found: Found) -> None:
    if found.full:
        raise ShowFull


def refuse_seat(found: Found, seat_number: int) -> None:
    kind = {"held": SeatHeld, "blocked": SeatBlocked}.get(found.in_the_way[seat_number], SeatTaken)
    raise kind(seat_number=seat_number)


def refuse_seats(found: Found, seat_numbers: Sequence[int]) -> None:
    """Say why not all of the seats were taken.

    :raises RaceLost: what the statement saw does not say it.
    """
    refuse_show(found, *seat_numbers)
    refuse_full(found)
    if found.refused:
        raise SeatsUnavailable(seat_numbers=[*found.in_the_way])
    raise RaceLost


def in_full(found: Found, *, available: int) -> Bookings:
    """Give what was written, with its show, the film and the available seats, and tell whoever watches the show."""
    show: Any = found.show
    # What others gave back while the statement ran is still counted, so that the sum may be beyond the seats.
    show.available_seats = min(max(0, available), show.total_seats)
    for claim in found.written:
        claim.show = show
    publish_on_commit(show.pk)
    return Bookings(found.written)


_REFUSES_SHOW = (NotFound, SeatOutOfRange, ShowStarted)
_REFUSES_SEAT = (SeatTaken, SeatHeld, SeatBlocked)
BOOKING = Operation("book", dump_booking, load_booking, (*_REFUSES_SHOW, ShowFull, *_REFUSES_SEAT))
BOOKING_SEVERAL = Operation(
    "book several", dump_bookings, load_bookings, (*_REFUSES_SHOW, ShowFull, SeatsUnavailable, NoAdjacentSeats)
)
CANCELLING = Operation("cancel", dump_booking, load_booking, (NotFound, AlreadyCancelled, ShowStarted))
MOVING = Operation("move", dump_booking, load_booking, (*_REFUSES_SHOW, AlreadyCancelled, *_REFUSES_SEAT))
