"""The two statements of the booking core, each of which does everything: it looks at the account, locks the show,
writes if it may, and tells the state that it found, from which reservations.booking explains a refusal.

On PostgreSQL that is one round trip, durable by itself when it is answered. Its parts run in this order, each in a step
of its own because it locks or writes:

``queue``   The show's advisory lock, shared. It excludes nobody whom the row's lock does not exclude, but it is a
            queue: shared locks of a row pass whoever waits for it alone, so that staff would wait for as long as a hot
            show is being booked.
``locked``  The show's row, locked ``FOR SHARE`` and so read as it is when the lock is had, however long that took.
            ``FOR KEY SHARE`` would be too weak, since a plain update of ``total_seats`` passes it. A seat that is taken
            already locks nothing: refusing it writes nothing and waits for nothing.
``written`` The clock is read here, under the lock: whoever waited past the show's beginning is late.

The state at the end is what the statement saw when it began. If a rival was faster after that, nothing is written and
the state does not say why; then it is worth another look.

SQLite needs no lock of ours, its transactions being one writer at a time, and can't write within a query: there the
same parts make two statements.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import DateTimeField, Model
from django.utils import timezone

from catalog.models import Movie, Show
from core.models import Account
from reservations.models import Booking

M = TypeVar("M", bound=Model)

_BOOK = """
    INSERT INTO reservations_booking (user_id, show_id, seat_number, status, created_at)
    SELECT account.id, locked.id, %(seat)s, 'booked', {clock} FROM account, locked
    WHERE locked.date_time > {clock} AND %(seat)s BETWEEN 1 AND locked.total_seats
    ON CONFLICT (show_id, seat_number) WHERE status = 'booked' DO NOTHING
    RETURNING id, user_id, show_id, seat_number, status, created_at, cancelled_at
"""
_BOOK_WANTS = """
    wanted AS (
        SELECT CAST(%(show)s AS bigint) AS show_id, EXISTS (
            SELECT 1 FROM reservations_booking
            WHERE show_id = %(show)s AND seat_number = %(seat)s AND status = 'booked'
        ) AS refused
    )
"""

_CANCEL = """
    UPDATE reservations_booking SET status = 'cancelled', cancelled_at = {clock} FROM account, locked
    WHERE reservations_booking.id = %(booking)s AND reservations_booking.user_id = account.id
        AND status = 'booked' AND locked.date_time > {clock}
    RETURNING reservations_booking.id, user_id, show_id, seat_number, status, created_at, cancelled_at
"""
_CANCEL_WANTS = """
    wanted AS (
        SELECT show_id, status <> 'booked' AS refused FROM reservations_booking
        WHERE id = %(booking)s AND user_id = %(user)s
    )
"""

_ACCOUNT = """
    account AS (
        SELECT id FROM core_user WHERE id = %(user)s AND is_active AND upper(md5(password)) = %(fingerprint)s
    )
"""
_LOCKED = {
    "postgresql": """
        queue AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(show_id), show_id FROM wanted WHERE NOT refused),
        locked AS (
            SELECT catalog_show.* FROM queue JOIN catalog_show ON catalog_show.id = queue.show_id
            FOR SHARE OF catalog_show
        )
    """,
    "sqlite": "locked AS (SELECT catalog_show.* FROM wanted JOIN catalog_show ON id = show_id WHERE NOT refused)",
}

_STATE = """
    SELECT
        EXISTS (SELECT 1 FROM account), wanted.refused, {clock} >= show.date_time,
        (SELECT count(*) FROM reservations_booking WHERE show_id = wanted.show_id AND status = 'booked'),
        show.id, show.screen_name, show.date_time, show.total_seats, movie.id, movie.title, movie.duration_minutes
    FROM (SELECT 1) AS one
    LEFT JOIN wanted ON 1 = 1
    LEFT JOIN (
        SELECT * FROM locked
        UNION ALL
        SELECT catalog_show.* FROM catalog_show JOIN wanted ON id = show_id WHERE NOT EXISTS (SELECT 1 FROM locked)
    ) AS show ON 1 = 1
    LEFT JOIN catalog_movie AS movie ON movie.id = show.movie_id
"""
_STATE_FIELDS = 11


@dataclass(frozen=True)
class Found:
    """What a statement saw, and the booking that it wrote, if it did."""

    account_stands: bool
    refused: bool | None
    """Whether the seat was taken, or the booking cancelled; None if there is no such booking of this account."""
    begun: bool
    sold: int
    """Live bookings of the show, before this one was written."""
    show: Show | None
    written: Booking | None


def book(*, user: Account, show_id: int, seat_number: int) -> Found:
    """Book a seat, if it can be had; only the table's own constraints are raised."""
    return _run(_BOOK_WANTS, _BOOK, user, show=show_id, seat=seat_number)


def cancel(*, user: Account, booking_id: int) -> Found:
    """Cancel a booking, if it is this account's and live."""
    return _run(_CANCEL_WANTS, _CANCEL, user, booking=booking_id)


def _run(wants: str, write: str, user: Account, **values: int) -> Found:
    parameters: dict[str, Any] = {"user": user.pk, "fingerprint": user.fingerprint, **values}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_in_one(wants, _LOCKED["postgresql"], write), parameters)
            row = cursor.fetchone()
            return _found(row[:_STATE_FIELDS], row[_STATE_FIELDS:])
        parameters["now"] = connection.ops.adapt_datetimefield_value(timezone.now())
        state, writing = _in_two(wants, _LOCKED["sqlite"], write)
        cursor.execute(state, parameters)
        found = cursor.fetchone()
        cursor.execute(writing, parameters)
        return _found(found, cursor.fetchone() or (None,))


@functools.cache
def _in_one(wants: str, locked: str, write: str) -> str:
    statement = f"""
        WITH {_ACCOUNT}, {wants}, {locked}, written AS ({write})
        SELECT state.*, written.* FROM ({_STATE}) AS state LEFT JOIN written ON 1 = 1
    """
    return statement.format(clock="clock_timestamp()")


@functools.cache
def _in_two(wants: str, locked: str, write: str) -> tuple[str, str]:
    parts = f"WITH {_ACCOUNT}, {wants}, {locked}"
    return (parts + _STATE).format(clock="%(now)s"), (parts + write).format(clock="%(now)s")


def _found(state: Sequence[Any], written: Sequence[Any]) -> Found:
    account_stands, refused, begun, sold, *facts = state
    show = row_of(Show, [facts[0], facts[4], *facts[1:4]]) if facts[0] is not None else None
    if show:
        show.movie = row_of(Movie, facts[4:])
    return Found(
        account_stands=bool(account_stands),
        refused=refused,
        begun=bool(begun),
        sold=sold,
        show=show,
        written=row_of(Booking, written) if written[0] is not None else None,
    )


def row_of(model: type[M], columns: Sequence[Any]) -> M:
    """Make a row of a model out of its columns, in their order; times may be text, or without an offset."""
    fields = model._meta.concrete_fields
    values = [
        _instant(value) if isinstance(field, DateTimeField) else value
        for field, value in zip(fields, columns, strict=True)
    ]
    return model.from_db(connection.alias, [field.attname for field in fields], values)


def columns_of(row: Model) -> list[Any]:
    """Give the columns of a row, in their order."""
    return [getattr(row, field.attname) for field in row._meta.concrete_fields]


def _instant(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value and value.replace(tzinfo=value.tzinfo or UTC)
