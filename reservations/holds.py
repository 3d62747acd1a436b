"""Holds: seats that are kept for somebody for some minutes, so that there is time to pay. Hold, pay, confirm.

A held seat is a claim like a booking, under the same unique index, so it is nobody else's. Whether it still holds is
decided when somebody looks, by the database's clock: a claim that has run out stays where it is until somebody takes
the seat over, and whoever confirms reads the clock with the claims locked. So no sweeper is needed for the truth.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from core.database import advisory_lock, durable_transaction
from core.errors import AccountInactive, NotFound
from core.idempotency import Operation
from core.models import Account
from reservations import statements
from reservations.booking import (
    LOOKS,
    check_owner,
    choose,
    chosen_anew,
    do,
    in_full,
    refuse_full,
    refuse_seats,
    refuse_show,
)
from reservations.choosing import validate_seat_selection
from reservations.errors import (
    HoldConfirmed,
    HoldExpired,
    NoAdjacentSeats,
    SeatOutOfRange,
    SeatsUnavailable,
    ShowFull,
    ShowStarted,
    TooManyHeld,
)
from reservations.idempotency_codec import (
    dump_bookings,
    dump_hold,
    dump_released,
    load_bookings,
    load_hold,
    load_released,
)
from reservations.live import publish_on_commit
from reservations.models import Booking, Bookings, Claim, Hold, Released
from reservations.statements import Found


def hold_seats(
    *,
    user: Account,
    show_id: int,
    seat_numbers: Sequence[int] | None = None,
    best: int | None = None,
    allow_split: bool = False,
    idempotency_key: str | None = None,
) -> Hold:
    """Hold several seats of a show, all or none: those that are named, or the best so many.

    :raises Invalid: not exactly one of ``seat_numbers`` and ``best`` is given, or not 1 to 10 different seats.
    :raises NotFound: there is no such show.
    :raises SeatOutOfRange: the show has no such seat.
    :raises ShowStarted: the show has begun.
    :raises ShowFull: every seat is booked or blocked.
    :raises TooManyHeld: the account would hold too many seats of the show.
    :raises SeatsUnavailable: some of the seats are booked, held or blocked; it names them.
    :raises NoAdjacentSeats: there are not so many together.
    :raises AccountInactive, Busy, OutcomeUnknown, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress:
        as for booking.
    """
    validate_seat_selection(seat_numbers, best)
    given = (show_id, seat_numbers and tuple(seat_numbers), best, allow_split)
    if best is None:
        deed = partial(_hold_named, user, show_id, sorted(seat_numbers or ()))
    else:
        deed = partial(_hold_best, user, show_id, best, allow_split)
    return do(HOLDING, deed, user=user, key=idempotency_key, given=given, steps=durable_transaction)


def confirm_hold(*, user: Account, hold_id: int, idempotency_key: str | None = None) -> Bookings:
    """Book the seats of one's own hold; asked for again, give the same bookings.

    :raises NotFound: there is no such hold, it is somebody else's, or it was released.
    :raises ShowStarted: the show has begun.
    :raises HoldExpired: it has run out.
    :raises AccountInactive, Busy, OutcomeUnknown, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress:
        as for booking.
    """
    deed = partial(_confirm, user, hold_id)
    return do(CONFIRMING, deed, user=user, key=idempotency_key, given=(hold_id,))


def extend_hold(*, user: Account, hold_id: int, idempotency_key: str | None = None) -> Hold:
    """Let one's own hold last for its whole time again, but not beyond the longest, nor beyond the show's beginning.

    :raises NotFound, ShowStarted, HoldExpired: as for confirming.
    :raises HoldConfirmed: its seats are booked.
    :raises AccountInactive, Busy, OutcomeUnknown, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress:
        as for booking.
    """
    deed = partial(_extend, user, hold_id)
    return do(EXTENDING, deed, user=user, key=idempotency_key, given=(hold_id,))


def release_hold(*, user: Account, hold_id: int, idempotency_key: str | None = None) -> Released:
    """Give the seats of one's own hold back; they are free at once.

    :raises NotFound, ShowStarted, HoldExpired: as for confirming.
    :raises HoldConfirmed: its seats are booked.
    :raises AccountInactive, Busy, OutcomeUnknown, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress:
        as for booking.
    """
    deed = partial(_release, user, hold_id)
    return do(RELEASING, deed, user=user, key=idempotency_key, given=(hold_id,))


@durable_transaction
def free_lapsed_seats() -> int:
    """Free the seats of holds that have run out, and tell how many there were. Nobody waits for it: whoever wants such
    a seat takes it over."""
    lapsed = Booking.claims.lapsed().select_for_update(
        skip_locked=connection.features.has_select_for_update_skip_locked
    )
    claims = list(lapsed.values_list("pk", "show"))
    freed = Booking.claims.filter(pk__in=[claim for claim, _ in claims]).free()
    for show_id in {show for _, show in claims}:
        publish_on_commit(show_id)
    return freed


@durable_transaction
def forget_old_holds() -> int:
    """Delete the holds of shows that began a day ago or earlier, but for those that became bookings, together with the
    history of their seats that is no booking's."""
    past = timezone.now() - timedelta(days=1)
    Booking.claims.filter(status=Claim.FREED, show__date_time__lt=past).delete()
    in_use = Booking.claims.filter(hold=OuterRef("pk"))
    _, deleted = Hold.objects.filter(~Exists(in_use), show__date_time__lt=past).delete()
    return deleted.get("reservations.Hold", 0)


def _hold_named(user: Account, show_id: int, seat_numbers: Sequence[int]) -> Hold:
    _queue_for_limit(user, show_id)
    return _hold(user, show_id, seat_numbers)


def _hold_best(user: Account, show_id: int, quantity: int, allow_split: bool) -> Hold:
    _queue_for_limit(user, show_id)
    seat_numbers = choose(user, show_id, quantity, allow_split)
    with chosen_anew():
        return _hold(user, show_id, seat_numbers)


def _queue_for_limit(user: Account, show_id: int) -> None:
    """Let one account hold seats of one show one after the other: the second counts what the first has written."""
    advisory_lock(user.pk, show_id)


def _hold(user: Account, show_id: int, seat_numbers: Sequence[int]) -> Hold:
    found = statements.hold(user=user, show_id=show_id, seat_numbers=seat_numbers)
    if not found.written:
        refuse_show(found, *seat_numbers)
        refuse_full(found)
        if found.mine + len(seat_numbers) > settings.HOLD_SEATS:
            raise TooManyHeld(limit=settings.HOLD_SEATS, held=found.mine)
        refuse_seats(found, seat_numbers)
    claims = in_full(found, available=found.available - len(found.written))
    first: Any = claims[0]
    hold = Hold(pk=first.hold_id, user_id=user.pk, show=first.show, size=len(claims), created_at=first.created_at)
    return _in_full(hold, claims)


def _confirm(user: Account, hold_id: int) -> Bookings:
    def confirmed(found: Found) -> Bookings | None:
        if not _is_used_up(found, hold_id):
            return None
        bookings = Booking.objects.filter(hold=hold_id).order_by("created_at", "seat_number")
        show: Any = found.show
        show.available_seats = found.available
        for booking in bookings:
            booking.show = show
        return Bookings(bookings)

    found, written = _do_with_hold(statements.confirm, user, hold_id, afterwards=confirmed)
    if isinstance(written, Bookings):
        return written
    claims = in_full(found, available=found.available)
    return claims if len(claims) == found.mine else confirmed(found) or claims


def _extend(user: Account, hold_id: int) -> Hold:
    found, _ = _do_with_hold(statements.extend, user, hold_id, afterwards=_refuse_confirmed(hold_id))
    hold = Hold.objects.filter(pk=hold_id).first()
    if hold is None:  # it went with its account
        raise AccountInactive
    return _in_full(hold, in_full(found, available=found.available))


def _release(user: Account, hold_id: int) -> Released:
    found, _ = _do_with_hold(statements.release, user, hold_id, afterwards=_refuse_confirmed(hold_id))
    in_full(found, available=found.available + len(found.written))
    return Released(hold_id=hold_id)


def _refuse_confirmed(hold_id: int) -> Callable[[Found], None]:
    def refuse(found: Found) -> None:
        if _is_used_up(found, hold_id):
            raise HoldConfirmed

    return refuse


def _is_used_up(found: Found, hold_id: int) -> bool:
    """Tell whether each of its seats was booked, or is where a booking was moved to; whoever takes one over takes it
    out of the hold."""
    used = [*Booking.Status.values, Claim.FREED]
    return Booking.claims.filter(hold=hold_id, status__in=used).count() >= found.mine


def _do_with_hold(
    statement: Callable[..., Found], user: Account, hold_id: int, *, afterwards: Callable[[Found], Any]
) -> tuple[Found, Any]:
    """Run a statement about a hold; ``afterwards`` is asked first where it wrote nothing, and may have the answer."""
    for _ in range(LOOKS):
        found = statement(user=user, hold_id=hold_id)
        if found.written:
            return found, None
        check_owner(found)
        if not Hold.objects.filter(pk=hold_id, released_at=None).exists():
            raise NotFound
        if answer := afterwards(found):
            return found, answer
        if found.begun:
            raise ShowStarted
        if not Booking.claims.filter(hold=hold_id, status=Claim.HELD, expires_at__gt=Now()).exists():
            break
    raise HoldExpired


def load_seats(holds: Collection[Hold]) -> None:
    """Give live holds their seats and the time when they run out, all in one statement."""
    claims: dict[int | None, list[Booking]] = {hold.pk: [] for hold in holds}
    for claim in Booking.claims.filter(hold__in=claims, status=Claim.HELD).order_by("seat_number"):
        claims[claim.hold_id].append(claim)
    for hold in holds:
        hold.seat_numbers = [claim.seat_number for claim in claims[hold.pk]]
        hold.expires_at = min((claim.expires_at for claim in claims[hold.pk] if claim.expires_at), default=None)


def _in_full(hold: Hold, claims: Sequence[Booking]) -> Hold:
    hold.show = claims[0].show
    hold.seat_numbers = [claim.seat_number for claim in claims]
    hold.expires_at = claims[0].expires_at
    return hold


_REFUSES_HOLD = (NotFound, ShowStarted, HoldExpired)
HOLDING = Operation(
    "hold",
    dump_hold,
    load_hold,
    (NotFound, SeatOutOfRange, ShowStarted, ShowFull, TooManyHeld, SeatsUnavailable, NoAdjacentSeats),
)
CONFIRMING = Operation("confirm", dump_bookings, load_bookings, _REFUSES_HOLD)
EXTENDING = Operation("extend", dump_hold, load_hold, (*_REFUSES_HOLD, HoldConfirmed))
RELEASING = Operation("release", dump_released, load_released, (*_REFUSES_HOLD, HoldConfirmed))
