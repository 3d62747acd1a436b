"""The booking core. Nothing else writes bookings: not the doors, not the admin, not a command.

What keeps a seat from being sold twice is the table: the unique index ``seat_has_one_live_booking`` over
(show, seat_number) where status is ``booked``. With seats numbered 1 to ``total_seats`` it also keeps a show from
being overbooked, so nothing is counted before a seat is sold.

What the index can't see is the show's own row: that the show exists, has not begun, and has the seat. On PostgreSQL
a booking therefore takes a shared lock on it. Bookings do not wait for each other, not even on one hot show, while
staff who shrink, move or delete it (reservations.scheduling) wait for them and they for staff. ``FOR KEY SHARE``
would be too weak, since a plain update of ``total_seats`` passes it. SQLite needs no lock of ours: its transactions
begin ``IMMEDIATE``, one writer at a time.

Transactions are READ COMMITTED, so each statement sees what was committed before it began; under a snapshot taken
earlier, a lock would be had on a row whose bookings are out of sight.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django.db import IntegrityError, connection
from django.db.models import Count, DateTimeField, Func, Q, Value
from django.utils import timezone

from catalog.models import MOST_SEATS, Show
from core.database import one_transaction
from core.errors import DomainError, Kind, NotFound, TokenNotValid
from core.models import User
from reservations.availability import in_full
from reservations.models import Booking


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


def book_seat(*, user: User, show_id: int, seat_number: int) -> Booking:
    """Book a seat of a show for a user.

    :raises NotFound: there is no such show.
    :raises SeatOutOfRange: the show has no such seat.
    :raises ShowStarted: the show has begun.
    :raises ShowFull: every seat is booked.
    :raises SeatTaken: this seat is booked, others are not.
    :raises TokenNotValid: the account was deleted at the same moment.
    :raises Busy: staff kept the show locked for too long.
    """
    try:
        return _book(user_id=user.pk, show_id=show_id, seat_number=seat_number)
    except IntegrityError as fault:
        # The show is locked and the seat's conflict is handled, so it is the user's row that is gone.
        raise TokenNotValid from fault


def cancel_booking(*, user: User, booking_id: int) -> Booking:
    """Cancel a user's own booking; its seat is free from the commit on.

    :raises NotFound: there is no such booking, or it is somebody else's.
    :raises AlreadyCancelled: it was cancelled before.
    :raises ShowStarted: the show has begun.
    :raises Busy: staff kept the show locked for too long.
    """
    return _cancel(user_id=user.pk, booking_id=booking_id)


# Both statements lock the show first, in a step of their own, and read the clock after it: whoever waited for the
# lock past the show's beginning is late. (PostgreSQL keeps a WITH that locks rows apart from what follows.)
#
# Before the row's lock they take the show's advisory lock, shared as well. It excludes nobody whom the row's does not
# exclude, but it is a queue: shared locks of a row pass whoever waits for it alone, so that staff would wait for as
# long as a hot show is being booked.

_LOOKS = 3  # at the state of a seat, which others may change between two statements

_BOOK = """
    WITH {queue} show AS (
        SELECT id, date_time, total_seats FROM {queued} catalog_show WHERE id = ({{show}}) {lock}
    )
    INSERT INTO reservations_booking (user_id, show_id, seat_number, status, created_at)
    SELECT %(user)s, show.id, %(seat)s, 'booked', {clock} FROM show
    WHERE show.date_time > {clock} AND %(seat)s BETWEEN 1 AND show.total_seats
    ON CONFLICT (show_id, seat_number) WHERE status = 'booked' DO NOTHING
    RETURNING id
"""
_SHOW_TO_BOOK = "SELECT %(show)s"

_CANCEL = """
    WITH {queue} show AS (
        SELECT date_time FROM {queued} catalog_show WHERE id = ({{show}}) {lock}
    )
    UPDATE reservations_booking SET status = 'cancelled', cancelled_at = {clock} FROM show
    WHERE reservations_booking.id = %(booking)s AND status = 'booked' AND show.date_time > {clock}
    RETURNING reservations_booking.id
"""
_SHOW_TO_CANCEL = "SELECT show_id FROM reservations_booking WHERE id = %(booking)s AND user_id = %(user)s"

_POSTGRESQL = {
    "queue": "queue AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(({show}))),",
    "queued": "queue,",
    "lock": "FOR SHARE OF catalog_show",
    "clock": "clock_timestamp()",
}
_SQLITE = {"queue": "", "queued": "", "lock": "", "clock": "%(now)s"}  # one writer at a time; told the time after it


@one_transaction
def _book(*, user_id: int, show_id: int, seat_number: int) -> Booking:
    for _ in range(_LOOKS):
        # A number that no show has would not fit the column either; then only the reason is looked for.
        if 1 <= seat_number <= MOST_SEATS:
            booking_id = _execute(_BOOK, _SHOW_TO_BOOK, user=user_id, show=show_id, seat=seat_number)
            if booking_id is not None:
                return in_full(Booking.objects.all()).get(pk=booking_id)
        _refuse_to_book(show_id, seat_number)
    raise SeatTaken(seat_number=seat_number)


def _refuse_to_book(show_id: int, seat_number: int) -> None:
    """Look again, in the same transaction, for what kept the statement from booking, and refuse for that reason.

    Where none is left, the seat was cancelled in between, and it is worth another try.
    """
    show: Any = Show.objects.annotate(now=_clock()).filter(pk=show_id).first()
    if show is None:
        raise NotFound
    if not 1 <= seat_number <= show.total_seats:
        raise SeatOutOfRange(min=1, max=show.total_seats)
    if show.date_time <= show.now:
        raise ShowStarted
    seats = (
        Booking.objects.live()
        .filter(show=show_id)
        .aggregate(sold=Count("*"), taken=Count("seat_number", filter=Q(seat_number=seat_number)))
    )
    if seats["sold"] >= show.total_seats:
        raise ShowFull
    if seats["taken"]:
        raise SeatTaken(seat_number=seat_number)


@one_transaction
def _cancel(*, user_id: int, booking_id: int) -> Booking:
    for _ in range(_LOOKS):
        cancelled_id = _execute(_CANCEL, _SHOW_TO_CANCEL, user=user_id, booking=booking_id)
        booking: Any = in_full(Booking.objects.filter(pk=booking_id, user=user_id)).annotate(now=_clock()).first()
        if booking is None:
            raise NotFound
        if cancelled_id is not None:
            return cast(Booking, booking)
        if booking.status == Booking.Status.CANCELLED:
            raise AlreadyCancelled
        if booking.show.date_time <= booking.now:
            raise ShowStarted
        # It was booked between the statement and the look.
    raise NotFound


def _clock() -> Func | Value:
    """Give the clock that the statements go by; another's might still say that a show has not begun."""
    clock = Func(function="clock_timestamp") if connection.vendor == "postgresql" else Value(timezone.now())
    clock.output_field = DateTimeField()
    return clock


def _execute(statement: str, which_show: str, **values: int) -> int | None:
    """Run one of the two statements, in the database's own words for the locks and the clock."""
    parameters: dict[str, Any] = dict(values)
    words = _POSTGRESQL
    if connection.vendor == "sqlite":
        words = _SQLITE
        parameters["now"] = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(statement.format(**words).format(show=which_show), parameters)
        row = cursor.fetchone()
    return row[0] if row else None
