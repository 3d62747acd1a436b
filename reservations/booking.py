"""Book, cancel and move.

Together with reservations.holds, nothing else sells seats. Booking is the hot path: look, refuse, take, in two
statements; see reservations.claims. Cancelling and moving are ORM code under locks, always taken in this order: the
show (shared, so that staff wait), then the booking, then a claim on another seat.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from django.db import IntegrityError

from core.accounts import user_of
from core.database import RaceLost, autocommit, violates
from core.errors import NotFound
from core.idempotency import Operation, execute_once
from core.models import Account
from reservations import errors
from reservations.best_seats import best_seats, lock_selection, validate_seat_selection
from reservations.claims import BookingState, lock_show_of, look, take
from reservations.idempotency_codec import dump_booking, dump_bookings, load_booking, load_bookings
from reservations.models import Booking, Bookings, Claim, Hold

R = TypeVar("R")


def book_seat(*, user: Account, show_id: int, seat_number: int, idempotency_key: str | None = None) -> Booking:
    """Book one seat of a show.

    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises NotFound: there is no such show.
    :raises SeatOutOfRange: the show has no such seat.
    :raises ShowStarted: the show has begun.
    :raises ShowFull: every seat is booked or blocked.
    :raises SeatTaken: this seat is booked; the show has others.
    :raises SeatHeld: another account holds this seat. A seat of one's own hold is booked.
    :raises SeatBlocked: this seat is not sold.
    :raises Busy: staff had the show locked for too long, or rivals won every attempt.
    :raises OutcomeUnknown, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    arguments = (show_id, seat_number)
    return execute_once(BOOK, _book_seat, user=user, key=idempotency_key, arguments=arguments, run=autocommit)


def book_seats(
    *,
    user: Account,
    show_id: int,
    seat_numbers: Sequence[int] | None = None,
    best: int | None = None,
    allow_split: bool = False,
    idempotency_key: str | None = None,
) -> Bookings:
    """Book 1 to 10 seats, given ones or the best, together.

    :raises Invalid: not exactly one of ``seat_numbers`` and ``best`` is given, or not 1 to 10 different seats.
    :raises SeatsUnavailable: some of them are booked, held by another account or blocked.
    :raises NoAdjacentSeats: there are not that many together.
    :raises AccountInactive, NotFound, SeatOutOfRange, ShowStarted, ShowFull, Busy, OutcomeUnknown: as for one seat.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    validate_seat_selection(seat_numbers, best)
    arguments = (show_id, seat_numbers and tuple(seat_numbers), best, allow_split)
    verb = partial(for_given_or_best_seats, _book_all)
    return execute_once(BOOK_SEVERAL, verb, user=user, key=idempotency_key, arguments=arguments)


def cancel_booking(*, user: Account, booking_id: int, idempotency_key: str | None = None) -> Booking:
    """Cancel a booking of the account, whose seat is free at once.

    :raises NotFound: there is no such booking, or it belongs to another account.
    :raises AlreadyCancelled: it was cancelled before.
    :raises ShowStarted: the show has begun.
    :raises AccountInactive, Busy, OutcomeUnknown: as for booking.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    return execute_once(CANCEL, _cancel, user=user, key=idempotency_key, arguments=(booking_id,))


def move_booking(*, user: Account, booking_id: int, seat_number: int, idempotency_key: str | None = None) -> Booking:
    """Move a booking of the account to another seat of its show.

    :raises NotFound: there is no such booking, or it belongs to another account.
    :raises AlreadyCancelled: it was cancelled.
    :raises SeatOutOfRange, ShowStarted, SeatTaken, SeatHeld, SeatBlocked: as for booking the seat.
    :raises AccountInactive, Busy, OutcomeUnknown: as for booking.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    return execute_once(MOVE, _move, user=user, key=idempotency_key, arguments=(booking_id, seat_number))


# --- Booking ------------------------------------------------------------------------------------


def _book_seat(user: Account, show_id: int, seat_number: int) -> Booking:
    state = look(user=user, show_id=show_id, seat_numbers=[seat_number])
    check_show(state, [seat_number])
    for conflict in state.booking_conflicts:
        raise errors.SEAT_REFUSALS[conflict.status](seat_number=seat_number)
    return _take(state, user, [seat_number])[0]


def _book_all(user: Account, show_id: int, seat_numbers: Sequence[int]) -> Bookings:
    state = look(user=user, show_id=show_id, seat_numbers=seat_numbers)
    check_show(state, seat_numbers)
    if conflicts := state.booking_conflicts:
        raise errors.SeatsUnavailable(seat_numbers=[conflict.seat_number for conflict in conflicts])
    return _take(state, user, seat_numbers)


def _take(state: BookingState, user: Account, seat_numbers: Sequence[int]) -> Bookings:
    bookings = take(user=user, show_id=state.show.pk, seat_numbers=seat_numbers)
    own_held = len(state.conflicts)  # which were not available before
    attach_show(bookings, state.show, available_seats=state.available_seats - len(bookings) + own_held)
    return Bookings(bookings)


# --- Cancelling and moving ----------------------------------------------------------------------


def _cancel(user: Account, booking_id: int) -> Booking:
    booking, state = _lock_booking(user, booking_id)
    if state.has_started:
        raise errors.ShowStarted
    update_claims([booking], status=Claim.Status.CANCELLED, cancelled_at=state.now)
    attach_show([booking], state.show, available_seats=state.available_seats + 1)
    return booking


def _move(user: Account, booking_id: int, seat_number: int) -> Booking:
    booking, state = _lock_booking(user, booking_id, seat_numbers=[seat_number])
    check_show(state, [seat_number], may_be_full=True)
    available = state.available_seats
    if seat_number != booking.seat_number:
        for conflict in state.booking_conflicts:
            raise errors.SEAT_REFUSALS[conflict.status](seat_number=seat_number)
        if state.is_occupied:
            _free_held_seat(user, booking.show_id, seat_number)
        available += len(state.conflicts)  # a seat of one's own hold was not available; the seat that is left will be
        _change_seat(booking, seat_number)
    attach_show([booking], state.show, available_seats=available)
    return booking


def _free_held_seat(user: Account, show_id: int, seat_number: int) -> None:
    """Free a seat of one's own hold or of an expired one.

    It stays with one's own hold as used up.
    """
    claims = Claim.objects.filter(show=show_id, seat_number=seat_number)
    claims.filter(user=user.pk, status=Claim.Status.HELD).update(status=Claim.Status.FREED, expires_at=None)
    claims.expired().free()


def _change_seat(booking: Booking, seat_number: int) -> None:
    try:
        update_claims([booking], seat_number=seat_number)
    except IntegrityError as error:
        if violates(error, "seat_has_one_live_claim"):
            raise RaceLost from error
        raise


def _lock_booking(user: Account, booking_id: int, *, seat_numbers: Sequence[int] = ()) -> tuple[Booking, BookingState]:
    """Lock the show and the booking, then read state and clock.

    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises NotFound: there is no such booking, or it belongs to another account.
    :raises AlreadyCancelled: it was cancelled.
    """
    lock_show_of(Claim, booking_id)
    booking: Booking | None = Booking.objects.filter(pk=booking_id, user=user.pk).select_for_update().first()
    if booking is None:
        user_of(user)  # raises AccountInactive, which comes first
        raise NotFound
    state = look(user=user, show_id=booking.show_id, seat_numbers=seat_numbers)
    if booking.status == Claim.Status.CANCELLED:
        raise errors.AlreadyCancelled
    return booking, state


# --- What booking and holding share -------------------------------------------------------------


def check_show(state: BookingState, seat_numbers: Sequence[int], *, may_be_full: bool = False) -> None:
    """Refuse a show that lacks a seat, has begun or is full."""
    if not all(1 <= number <= state.show.total_seats for number in seat_numbers):
        raise errors.SeatOutOfRange(min=1, max=state.show.total_seats)
    if state.has_started:
        raise errors.ShowStarted
    if state.is_full and not may_be_full:
        raise errors.ShowFull


def select_best_seats(user: Account, show_id: int, quantity: int, allow_split: bool) -> list[int]:
    """Select the best seats of a show, while rivals wait."""
    lock_selection(show_id)
    try:
        return best_seats(show_id=show_id, quantity=quantity, allow_split=allow_split).seat_numbers
    except (NotFound, errors.NoAdjacentSeats):
        if look(user=user, show_id=show_id, seat_numbers=[]).has_started:  # or it raises AccountInactive
            raise errors.ShowStarted from None
        raise


def for_given_or_best_seats(
    take_all: Callable[[Account, int, Sequence[int]], R],
    user: Account,
    show_id: int,
    seat_numbers: Sequence[int] | None,
    best: int | None,
    allow_split: bool,
) -> R:
    """Run ``take_all`` for the given seats, or for the best available."""
    if best is None:
        return take_all(user, show_id, sorted(seat_numbers or ()))
    selected = select_best_seats(user, show_id, best, allow_split)
    try:
        return take_all(user, show_id, selected)
    except (errors.SeatsUnavailable, errors.ShowFull) as conflict:
        raise RaceLost from conflict  # a rival took one of them by its number: the best seats are selected again


def update_claims(claims: Sequence[Claim], **columns: Any) -> None:
    """Change locked claims, in the database and in memory."""
    Claim.objects.filter(pk__in=[claim.pk for claim in claims]).update(**columns)
    for claim in claims:
        for name, value in columns.items():
            setattr(claim, name, value)


def attach_show(rows: Sequence[Claim | Hold], show: Any, *, available_seats: int) -> None:
    """Give claims or holds their show with its available seats."""
    # Rivals may have changed the count since it was read.
    show.available_seats = min(max(0, available_seats), show.total_seats)
    for row in rows:
        row.show = show


_SEAT_REFUSALS = tuple(errors.SEAT_REFUSALS.values())
BOOK = Operation("book", dump_booking, load_booking, (*errors.TAKE_REFUSALS, *_SEAT_REFUSALS))
BOOK_SEVERAL = Operation("book several", dump_bookings, load_bookings, (*errors.TAKE_REFUSALS, *errors.GROUP_REFUSALS))
CANCEL = Operation("cancel", dump_booking, load_booking, (NotFound, errors.AlreadyCancelled, errors.ShowStarted))
MOVE = Operation("move", dump_booking, load_booking, (*errors.SHOW_REFUSALS, errors.AlreadyCancelled, *_SEAT_REFUSALS))
