"""Hold, confirm, extend and release: seats are reserved while customers pay.

A held seat is a claim under the same unique index as a booking, so nobody else can have it. Whether a hold has expired
is decided by the database's clock when somebody asks: the claims of an expired hold stay until they are taken over,
and no sweeper is needed. All seats of a hold expire at one instant, so that it is confirmed as a whole or not at all.

Holding takes seats as booking does. The other verbs are ORM code under locks, always taken in this order: the show
(shared, so that staff wait), then the held seats by number.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from core.accounts import user_of
from core.database import advisory_lock, delete_in_batches, durable_transaction
from core.errors import NotFound
from core.idempotency import Operation, execute_once
from core.models import Account
from reservations import errors
from reservations.best_seats import validate_seat_selection
from reservations.booking import attach_show, check_show, for_given_or_best_seats, update_claims
from reservations.claims import BookingState, lock_show_of, look, take
from reservations.idempotency_codec import dump_bookings, dump_hold, load_bookings, load_hold
from reservations.models import Booking, Bookings, Claim, ClaimQuerySet, Hold, Released


def hold_seats(
    *,
    user: Account,
    show_id: int,
    seat_numbers: Sequence[int] | None = None,
    best: int | None = None,
    allow_split: bool = False,
    idempotency_key: str | None = None,
) -> Hold:
    """Hold 1 to 10 seats, given ones or the best, together.

    :raises Invalid: not exactly one of ``seat_numbers`` and ``best`` is given, or not 1 to 10 different seats.
    :raises NotFound: there is no such show.
    :raises SeatOutOfRange: the show has no such seat.
    :raises ShowStarted: the show has begun.
    :raises ShowFull: every seat is booked or blocked.
    :raises TooManyHeld: the account would hold too many seats of the show.
    :raises SeatsUnavailable: some of the seats are booked, held or blocked.
    :raises NoAdjacentSeats: there are not that many together.
    :raises AccountInactive, Busy, OutcomeUnknown: as for booking.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    validate_seat_selection(seat_numbers, best)
    arguments = (show_id, seat_numbers and tuple(seat_numbers), best, allow_split)
    verb = partial(for_given_or_best_seats, _hold_all)
    return execute_once(HOLD, verb, user=user, key=idempotency_key, arguments=arguments)


def confirm_hold(*, user: Account, hold_id: int, idempotency_key: str | None = None) -> Bookings:
    """Book the seats of a hold; confirming again gives the same bookings.

    :raises NotFound: there is no such hold, it belongs to another account, or it was released.
    :raises ShowStarted: the show has begun.
    :raises HoldExpired: it has expired.
    :raises AccountInactive, Busy, OutcomeUnknown: as for booking.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    return execute_once(CONFIRM, _confirm, user=user, key=idempotency_key, arguments=(hold_id,))


def extend_hold(*, user: Account, hold_id: int, idempotency_key: str | None = None) -> Hold:
    """Let a hold last for its whole time again, within limits.

    The limits are the longest time since it was made, and the beginning of the show.

    :raises NotFound, ShowStarted, HoldExpired: as for confirming.
    :raises HoldConfirmed: its seats are booked.
    :raises AccountInactive, Busy, OutcomeUnknown: as for booking.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    return execute_once(EXTEND, _extend, user=user, key=idempotency_key, arguments=(hold_id,))


def release_hold(*, user: Account, hold_id: int, idempotency_key: str | None = None) -> Released:
    """Free the seats of a hold of the account.

    :raises NotFound, ShowStarted, HoldExpired: as for confirming.
    :raises HoldConfirmed: its seats are booked.
    :raises AccountInactive, Busy, OutcomeUnknown: as for booking.
    :raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress: see core.idempotency.
    """
    return execute_once(RELEASE, _release, user=user, key=idempotency_key, arguments=(hold_id,))


# --- Holding ------------------------------------------------------------------------------------


def lock_limit(user: Account, show_id: int) -> None:
    """Serialise an account's holds on a show: each counts the others."""
    advisory_lock(user.pk, show_id)


def _hold_all(user: Account, show_id: int, seat_numbers: Sequence[int]) -> Hold:
    lock_limit(user, show_id)
    state = look(user=user, show_id=show_id, seat_numbers=seat_numbers)
    check_show(state, seat_numbers)
    if state.held_by_account + len(seat_numbers) > settings.HOLD_SEATS:
        raise errors.TooManyHeld(limit=settings.HOLD_SEATS, held=state.held_by_account)
    if state.conflicts:
        raise errors.SeatsUnavailable(seat_numbers=[conflict.seat_number for conflict in state.conflicts])
    hold = Hold.objects.create(user_id=user.pk, show_id=show_id, size=len(seat_numbers), created_at=state.now)
    hold.expires_at = state.now + timedelta(seconds=settings.HOLD_SECONDS)
    claims = take(user=user, show_id=show_id, seat_numbers=seat_numbers, hold=hold)
    _set_seats(hold, claims)
    attach_show([hold], state.show, available_seats=state.available_seats - len(claims))
    return hold


# --- Confirming, extending, releasing -----------------------------------------------------------


def _confirm(user: Account, hold_id: int) -> Bookings:
    claims, state = _lock_claims(user, hold_id)
    if claims:
        update_claims(claims, status=Claim.Status.BOOKED, expires_at=None, created_at=state.now)
    if claims and len(claims) == claims[0].hold.size:
        bookings = Bookings(claims)
    else:  # it was confirmed before, or some of its seats were booked by their numbers
        bookings = Bookings(Booking.objects.filter(hold=hold_id).order_by("created_at", "seat_number"))
    attach_show(bookings, state.show, available_seats=state.available_seats)
    return bookings


def _extend(user: Account, hold_id: int) -> Hold:
    claims, state = _lock_claims(user, hold_id)
    if not claims:
        raise errors.HoldConfirmed
    hold: Hold = claims[0].hold
    latest = hold.created_at + timedelta(seconds=settings.HOLD_LONGEST_SECONDS)
    expires_at = min(state.now + timedelta(seconds=settings.HOLD_SECONDS), latest, state.show.date_time)
    update_claims(claims, expires_at=max(expires_at, claims[0].expires_at))
    _set_seats(hold, claims)
    attach_show([hold], state.show, available_seats=state.available_seats)
    return hold


def _release(user: Account, hold_id: int) -> Released:
    claims, state = _lock_claims(user, hold_id)
    if not claims:
        raise errors.HoldConfirmed
    Hold.objects.filter(pk=hold_id).update(released_at=state.now)
    update_claims(claims, status=Claim.Status.FREED, expires_at=None)
    return Released(hold_id=hold_id)


def _lock_claims(user: Account, hold_id: int) -> tuple[list[Any], BookingState]:
    """Lock the held seats of a hold; a confirmed one has none.

    The show is locked first, against staff; the state and the clock are read last.

    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises NotFound: there is no such hold, it belongs to another account, or it was released.
    :raises ShowStarted: the show has begun.
    :raises HoldExpired: it has expired.
    """
    show_id = lock_show_of(Hold, hold_id)
    if show_id is None:
        user_of(user)  # raises AccountInactive, which comes first
        raise NotFound
    # As bookings, because confirming makes bookings of them.
    held: ClaimQuerySet[Booking] = ClaimQuerySet(Booking).filter(hold=hold_id, user=user.pk, status=Claim.Status.HELD)
    claims: list[Any] = list(held.select_related("hold").order_by("seat_number").select_for_update(of=["self"]))
    state = look(user=user, show_id=show_id, seat_numbers=[])
    if claims and not state.has_started and all(claim.expires_at > state.now for claim in claims):
        return claims, state
    hold = Hold.objects.filter(pk=hold_id, user=user.pk, released_at=None).first()
    if hold is None:
        raise NotFound
    # Confirmed means: each seat was booked, or a booking moved there. A claim that was taken over leaves the hold.
    used = [Claim.Status.BOOKED, Claim.Status.CANCELLED, Claim.Status.FREED]
    if hold.claims.filter(status__in=used).count() < hold.size:
        raise errors.ShowStarted if state.has_started else errors.HoldExpired
    return [], state


def _set_seats(hold: Hold, claims: Sequence[Any]) -> None:
    """Set ``seat_numbers`` and ``expires_at``, which all seats share."""
    hold.seat_numbers = [claim.seat_number for claim in claims]
    hold.expires_at = claims[0].expires_at if claims else None


# --- Reading and tidying ------------------------------------------------------------------------


def load_seats(holds: Collection[Hold]) -> None:
    """Give holds their ``seat_numbers`` and ``expires_at`` in one statement."""
    claims: dict[int | None, list[Claim]] = {hold.pk: [] for hold in holds}
    for claim in Claim.objects.filter(hold__in=claims, status=Claim.Status.HELD).order_by("seat_number"):
        claims[claim.hold_id].append(claim)
    for hold in holds:
        _set_seats(hold, claims[hold.pk])


@durable_transaction
def free_expired_seats() -> int:
    """Free the seats of expired holds; return how many.

    A claim that is being taken over is skipped.
    """
    expired = Claim.objects.expired().order_by().select_for_update(skip_locked=True)
    return Claim.objects.filter(pk__in=expired.values("pk")).free()


def delete_old_holds() -> int:
    """Delete unused holds and freed claims, a day after the show.

    It returns how many holds.
    """
    past = timezone.now() - timedelta(days=1)
    delete_in_batches(Claim.objects.filter(status=Claim.Status.FREED, show__date_time__lt=past))
    in_use = Claim.objects.filter(hold=OuterRef("pk"))
    return delete_in_batches(Hold.objects.filter(~Exists(in_use), show__date_time__lt=past))


_REFUSALS = (NotFound, errors.ShowStarted, errors.HoldExpired)
HOLD = Operation("hold", dump_hold, load_hold, (*errors.TAKE_REFUSALS, errors.TooManyHeld, *errors.GROUP_REFUSALS))
CONFIRM = Operation("confirm", dump_bookings, load_bookings, _REFUSALS)
EXTEND = Operation("extend", dump_hold, load_hold, (*_REFUSALS, errors.HoldConfirmed))
RELEASE = Operation("release", asdict, lambda stored: Released(**stored), (*_REFUSALS, errors.HoldConfirmed))
