"""Changes by staff: shows and blocked seats.

Each takes the lock that bookings share, so they wait for each other.
"""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError
from django.db.models import F, Max, QuerySet, Value
from django.db.models.deletion import ProtectedError
from django.db.models.functions import Least, Now

from catalog.models import Movie, Show
from core.database import durable_transaction
from core.errors import NotFound, Protected
from reservations.availability import with_available_seats
from reservations.best_seats import validate_seat_numbers
from reservations.errors import SeatOutOfRange, SeatsInUse, SeatsUnavailable
from reservations.models import BlockedSeat, Claim

MAX_BLOCKED_AT_ONCE = 100


def add_show(*, movie_id: int, **fields: Any) -> Show:
    """Add a show; return it with its movie and ``available_seats``.

    :raises NotFound: there is no such movie.
    """
    if not Movie.objects.filter(pk=movie_id).exists():
        raise NotFound
    try:
        return _insert(Show(movie_id=movie_id, **fields))
    # The movie was deleted at the same moment: the show is read without one, or the foreign key notices at COMMIT.
    except (Show.DoesNotExist, IntegrityError) as error:
        raise NotFound from error


@durable_transaction
def change_show(*, show_id: int, **changes: Any) -> Show:
    """Change a show; return it with its movie and ``available_seats``.

    :raises NotFound: there is no such show.
    :raises SeatsInUse: a seat above the new ``total_seats`` is booked or held.
    :raises Busy: bookings had the show locked for too long.
    """
    show = lock_show(show_id=show_id, total_seats=changes.get("total_seats"))
    for field, value in changes.items():
        setattr(show, field, value)
    if changes:
        show.save(update_fields=changes.keys())
        release_claims_outside_show(show)
    return _read(show_id)


def delete_show(*, show_id: int) -> None:
    """Delete a show without bookings, past or live, and live holds.

    :raises NotFound: there is no such show.
    :raises Protected: it has bookings, live or cancelled, or a live hold.
    :raises Busy: bookings had the show locked for too long.
    """
    try:
        durable_transaction(lambda: lock_show(show_id=show_id).delete())()
    except (ProtectedError, IntegrityError) as error:
        raise Protected from error


def lock_show(*, show_id: int, total_seats: int | None = None) -> Show:
    """Lock a show against bookings, and check its new number of seats.

    :raises NotFound: there is no such show.
    :raises SeatsInUse: a seat above ``total_seats`` is booked or held.
    """
    shows = Show.objects.filter(pk=show_id).lock()
    if not shows:
        raise NotFound
    (show,) = shows
    if total_seats is not None and total_seats < show.total_seats:
        in_use = Claim.objects.on_seats(show_id).exclude(status=Claim.Status.BLOCKED)
        highest = in_use.aggregate(highest=Max("seat_number"))["highest"] or 0
        if highest > total_seats:
            raise SeatsInUse(highest_booked_seat=highest)
    return show


def release_claims_outside_show(show: Show) -> None:
    """Adapt the claims on a show that was changed.

    Holds end when it begins, and held and blocked seats that it no longer has are freed.
    """
    held = Claim.objects.filter(show=show, status=Claim.Status.HELD)
    held.filter(expires_at__gt=show.date_time).update(expires_at=Least(F("expires_at"), Value(show.date_time)))
    beyond = Claim.objects.filter(show=show, seat_number__gt=show.total_seats)
    beyond.filter(status__in=[Claim.Status.HELD, Claim.Status.BLOCKED]).free()


@durable_transaction
def block_seats(*, show_id: int, seat_numbers: Sequence[int], reason: str) -> list[BlockedSeat]:
    """Block seats of a show, all or none.

    :raises Invalid: there are not 1 to 100 different seats.
    :raises NotFound: there is no such show.
    :raises SeatOutOfRange: the show has not all of these seats.
    :raises SeatsUnavailable: some are booked, held or blocked already; it names them.
    :raises Busy: bookings had the show locked for too long.
    """
    check_seats_to_block(show_id=show_id, seat_numbers=seat_numbers)
    return write_blocks(show_id=show_id, seat_numbers=seat_numbers, reason=reason)


def check_seats_to_block(*, show_id: int, seat_numbers: Sequence[int]) -> None:
    """Lock a show, and check that these seats can be blocked.

    :raises Invalid: there are not 1 to 100 different seats.
    :raises NotFound, SeatOutOfRange, SeatsUnavailable: as for blocking them.
    """
    validate_seat_numbers(seat_numbers, most=MAX_BLOCKED_AT_ONCE)
    show = lock_show(show_id=show_id)
    if not all(1 <= number <= show.total_seats for number in seat_numbers):
        raise SeatOutOfRange(min=1, max=show.total_seats)
    taken = Claim.objects.on_seats(show_id).filter(seat_number__in=seat_numbers).order_by("seat_number")
    if numbers := list(taken.values_list("seat_number", flat=True)):
        raise SeatsUnavailable(seat_numbers=numbers)


def write_blocks(*, show_id: int, seat_numbers: Sequence[int], reason: str) -> list[BlockedSeat]:
    """Block seats that ``check_seats_to_block`` has checked in the same transaction."""
    # Only expired holds can be left on them.
    Claim.objects.filter(show=show_id, seat_number__in=seat_numbers, status__in=Claim.LIVE).free()
    BlockedSeat.objects.bulk_create(
        BlockedSeat(show_id=show_id, seat_number=number, status=Claim.Status.BLOCKED, reason=reason, created_at=Now())
        for number in sorted(seat_numbers)
    )
    return list(_blocked(show_id).filter(seat_number__in=seat_numbers))


def unblock(*, show_id: int, seat_number: int) -> None:
    """Put a blocked seat on sale again, within a transaction.

    :raises NotFound: there is no such show, or the seat is not blocked.
    """
    if not _blocked(show_id).filter(seat_number=seat_number).update(status=Claim.Status.FREED):
        raise NotFound


unblock_seat = durable_transaction(unblock)
"""Put a blocked seat on sale again, in a transaction of its own."""


def blocked_seats_of(*, show_id: int) -> list[BlockedSeat]:
    """List the blocked seats of a show by number.

    :raises NotFound: there is no such show.
    """
    if not Show.objects.filter(pk=show_id).exists():
        raise NotFound
    return list(_blocked(show_id))


def _blocked(show_id: int) -> QuerySet[BlockedSeat]:
    blocked: QuerySet[BlockedSeat] = BlockedSeat.objects.filter(show=show_id)
    return blocked.select_related("show").order_by("seat_number")


@durable_transaction
def _insert(show: Show) -> Show:
    show.save(force_insert=True)
    return _read(show.pk)


def _read(show_id: int) -> Show:
    """Read a show as it is answered, within the transaction.

    After COMMIT, a failure would look like a refusal.
    """
    show: Show = with_available_seats(Show.objects.select_related("movie")).get(pk=show_id)
    return show
