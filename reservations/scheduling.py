"""What staff change about a show, minding its bookings. A change takes the lock that bookings share, so neither
passes the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db import IntegrityError
from django.db.models import Max
from django.db.models.deletion import ProtectedError

from catalog.models import Movie, Show
from catalog.programme import Protected
from core.database import one_transaction
from core.errors import DomainError, Kind, NotFound
from reservations.models import Booking


@dataclass(eq=False)
class SeatsInUse(DomainError):
    """A seat that the smaller show would not have is booked."""

    kind = Kind.CONFLICT
    code = "seats_in_use"
    message = "Seat {highest_booked_seat} is booked: the show can't have fewer seats."
    example: ClassVar[Mapping[str, Any]] = {"highest_booked_seat": 42}

    highest_booked_seat: int


def add_show(*, movie_id: int, screen_name: str, date_time: datetime, total_seats: int) -> Show:
    """Put a show of a film on the programme.

    :raises NotFound: there is no such film.
    """
    if not Movie.objects.filter(pk=movie_id).exists():
        raise NotFound
    show = Show(movie_id=movie_id, screen_name=screen_name, date_time=date_time, total_seats=total_seats)
    try:
        _insert(show)
    except IntegrityError as fault:  # the film was deleted at the same moment; only COMMIT notices
        raise NotFound from fault
    return show


@one_transaction
def change_show(*, show_id: int, **changes: Any) -> None:
    """Change the screen, the time or the number of seats of a show.

    :raises NotFound: there is no such show.
    :raises SeatsInUse: a seat above the new ``total_seats`` is booked.
    :raises Busy: bookings kept the show locked for too long.
    """
    show = lock_show(show_id=show_id, total_seats=changes.get("total_seats"))
    for field, value in changes.items():
        setattr(show, field, value)
    if changes:
        show.save(update_fields=changes.keys())


def delete_show(*, show_id: int) -> None:
    """Delete a show that has never had a booking.

    :raises NotFound: there is no such show.
    :raises Protected: it has bookings, live or cancelled.
    :raises Busy: bookings kept the show locked for too long.
    """
    try:
        _delete(show_id)
    except (ProtectedError, IntegrityError) as fault:
        raise Protected from fault


def lock_show(*, show_id: int, total_seats: int | None = None) -> Show:
    """Lock a show against bookings until the transaction ends, and check that it may have so many seats.

    :raises NotFound: there is no such show.
    :raises SeatsInUse: a seat above ``total_seats`` is booked.
    """
    shows = Show.objects.filter(pk=show_id).lock()
    if not shows:
        raise NotFound
    (show,) = shows
    if total_seats is not None and total_seats < show.total_seats:
        highest = Booking.objects.live().filter(show=show_id).aggregate(highest=Max("seat_number"))["highest"] or 0
        if highest > total_seats:
            raise SeatsInUse(highest_booked_seat=highest)
    return show


@one_transaction
def _insert(show: Show) -> None:
    show.save(force_insert=True)


@one_transaction
def _delete(show_id: int) -> None:
    lock_show(show_id=show_id).delete()
