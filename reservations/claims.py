"""The only SQL that sells seats: LOOK reads and explains, TAKE decides.

LOOK locks nothing. Every refusal of booking and holding is raised from what it read.

TAKE inserts the claims, if at the moment of writing all of this still holds:

- The account is active and has the password that the token was issued for.
- The show's row is locked ``FOR SHARE``: staff can't shrink, move or delete the show meanwhile, and other bookings do
  not wait. ``FOR KEY SHARE`` would be too weak: a plain update of ``total_seats`` passes it.
- The shared advisory lock comes first. It excludes nobody whom the row lock does not exclude, but it is granted in
  order of arrival. PostgreSQL grants shared row locks past a transaction that waits for the exclusive one, so that
  without the queue staff would starve while a hot show sells.
- The clock is read under these locks: a request that waited past the show's beginning is late.
- The unique index ``seat_has_one_live_claim`` lets one claim a seat through. The conflict clause takes over a held seat
  whose hold has expired or, when booking, is the buyer's own; the seat of one's own hold stays with that hold.
- Seats are inserted in ascending order, so that two groups that overlap never deadlock.

TAKE commits by itself where it is the only write of a verb; else it is part of the verb's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection
from django.utils import timezone

from catalog.models import MAX_SEATS, Movie, Show
from core.database import RaceLost, outcome_unknown_if_lost
from core.errors import AccountInactive, NotFound
from core.models import Account
from reservations.models import Booking, Claim, Hold

LOOK = """
    SELECT
        {clock} AS now,
        account.id IS NOT NULL AS account_is_active,
        show.id AS show_id, show.screen_name, show.date_time, show.total_seats, show.seats_per_row,
        movie.id AS movie_id, movie.title, movie.duration_minutes,
        claims.claimed, holds.held, holds.expired, holds.held_by_account,
        claim.seat_number, claim.status, claim.user_id = %(user)s AS is_own,
        claim.status = 'held' AND claim.expires_at <= {clock} AS is_expired
    FROM (
        SELECT count(*) AS claimed FROM reservations_booking
        WHERE show_id = %(show)s AND status IN ('booked', 'held', 'blocked')
    ) AS claims
    CROSS JOIN (
        SELECT
            count(*) AS held,
            count(*) FILTER (WHERE expires_at <= {clock}) AS expired,
            count(*) FILTER (WHERE expires_at > {clock} AND user_id = %(user)s) AS held_by_account
        FROM reservations_booking WHERE show_id = %(show)s AND status = 'held'
    ) AS holds
    LEFT JOIN core_user AS account
        ON account.id = %(user)s AND account.is_active AND upper(md5(account.password)) = %(fingerprint)s
    LEFT JOIN catalog_show AS show ON show.id = %(show)s
    LEFT JOIN catalog_movie AS movie ON movie.id = show.movie_id
    LEFT JOIN reservations_booking AS claim
        ON claim.show_id = show.id AND claim.seat_number IN ({seats})
        AND claim.status IN ('booked', 'held', 'blocked')
    ORDER BY claim.seat_number
"""

TAKE = """
    WITH account AS (
        SELECT id FROM core_user WHERE id = %(user)s AND is_active AND upper(md5(password)) = %(fingerprint)s
    ), show AS (
        SELECT show.id, show.total_seats, show.date_time
        FROM {queue} AS queue, catalog_show AS show WHERE show.id = %(show)s {share_lock}
    )
    INSERT INTO reservations_booking (user_id, show_id, seat_number, status, created_at, hold_id, expires_at)
    SELECT account.id, show.id, seat.column1, %(status)s, {clock}, %(hold)s,
        CASE WHEN %(expires_at)s > show.date_time THEN show.date_time ELSE %(expires_at)s END
    FROM account, show, (VALUES {seat_rows}) AS seat
    WHERE show.date_time > {clock} AND seat.column1 <= show.total_seats
    {seat_order}
    {on_conflict}
    RETURNING id, user_id, show_id, seat_number, status, created_at, cancelled_at, hold_id, expires_at
"""

ON_CONFLICT = """
    ON CONFLICT (show_id, seat_number) WHERE status IN ('booked', 'held', 'blocked') DO UPDATE
    SET user_id = excluded.user_id, status = excluded.status, created_at = excluded.created_at,
        expires_at = excluded.expires_at,
        hold_id = CASE WHEN reservations_booking.expires_at > {clock}
            THEN reservations_booking.hold_id ELSE excluded.hold_id END
    WHERE reservations_booking.status = 'held'
        AND (reservations_booking.expires_at <= {clock} OR reservations_booking.user_id = %(owner)s)
"""

LOCK_SHOW = """
    WITH queue AS MATERIALIZED (SELECT show_id, {lock_queue} FROM {table} WHERE id = %(id)s)
    SELECT show.id FROM queue, catalog_show AS show WHERE show.id = queue.show_id {share_lock}
"""

# What the two databases write differently. SQLite has one writer at a time, and needs no locks.
DIALECTS = {
    "postgresql": {
        "clock": "clock_timestamp()",
        "queue": "(SELECT pg_advisory_xact_lock_shared(%(show)s))",  # in FROM: elsewhere it would not be executed
        "lock_queue": "pg_advisory_xact_lock_shared(show_id)",
        "share_lock": "FOR SHARE OF show",
        "seat_order": "ORDER BY seat.column1",
        "on_conflict": ON_CONFLICT,
    },
    "sqlite": {
        "clock": "%(now)s",
        "queue": "(SELECT 1)",
        "lock_queue": "1",
        "share_lock": "",
        "seat_order": "ORDER BY seat.column1",
        "on_conflict": ON_CONFLICT,
    },
}


@dataclass(frozen=True)
class SeatClaim:
    """A claim that occupies a seat which is asked for."""

    seat_number: int
    status: str
    """``booked``, ``held`` or ``blocked``."""
    is_own: bool
    """Whether it is the account's own."""


@dataclass(frozen=True)
class BookingState:
    """What LOOK read."""

    show: Show
    """With its movie."""
    has_started: bool
    is_full: bool
    """Whether every seat is booked or blocked."""
    available_seats: int
    held_by_account: int
    """Seats of the show under live holds of the account."""
    conflicts: list[SeatClaim]
    """The claims that keep the account from holding the seats, in ascending order."""
    is_occupied: bool
    """Whether a seat has any claim, if only one of an expired hold."""
    now: datetime

    @property
    def booking_conflicts(self) -> list[SeatClaim]:
        """The claims that prevent booking: those of own holds do not."""
        return [claim for claim in self.conflicts if not (claim.status == "held" and claim.is_own)]


def look(*, user: Account, show_id: int, seat_numbers: Sequence[int]) -> BookingState:
    """Read the state of a show, its seats and the account.

    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises NotFound: there is no such show.
    """
    # A number beyond any show's seats would not fit the column; the caller refuses it by the show's total_seats.
    seats = [number if 1 <= number <= MAX_SEATS else 0 for number in seat_numbers]
    rows = _execute(_text(LOOK, len(seats)), _parameters(user, show_id, seats))
    first = rows[0]
    if not first["account_is_active"]:
        raise AccountInactive
    if first["show_id"] is None:
        raise NotFound
    return BookingState(
        show=_show(first),
        has_started=_instant(first["date_time"]) <= _instant(first["now"]),
        is_full=first["claimed"] - first["held"] >= first["total_seats"],
        available_seats=first["total_seats"] - first["claimed"] + first["expired"],
        held_by_account=first["held_by_account"],
        conflicts=[
            SeatClaim(row["seat_number"], row["status"], bool(row["is_own"]))
            for row in rows
            if row["seat_number"] and not row["is_expired"]
        ],
        is_occupied=first["seat_number"] is not None,
        now=_instant(first["now"]),
    )


def take(*, user: Account, show_id: int, seat_numbers: Sequence[int], hold: Hold | None = None) -> list[Booking]:
    """Insert claims on the seats, booked or under a hold, in order.

    :raises RaceLost: not all seats could be taken, or what LOOK has checked is not so any more.
    :raises OutcomeUnknown: outside a transaction, the connection was lost before the answer.
    """
    parameters = _parameters(user, show_id, seat_numbers) | {
        "status": Claim.Status.HELD if hold else Claim.Status.BOOKED,
        "hold": hold and hold.pk,
        "expires_at": _parameter(hold.expires_at if hold else None),
        "owner": None if hold else user.pk,  # holding does not take over one's own held seats
    }
    with outcome_unknown_if_lost():
        rows = _execute(_text(TAKE, len(seat_numbers)), parameters)
    if len(rows) < len(seat_numbers):
        raise RaceLost
    return sorted(map(_booking, rows), key=lambda booking: booking.seat_number)


def lock_show_of(model: type[Claim] | type[Hold], row_id: int) -> int | None:
    """Lock the show of a claim or hold; return its id.

    Without such a row, return None. It waits for staff, not for other bookings. It is the lock of TAKE, for the verbs
    that are ORM code: the ORM has no ``FOR SHARE``.
    """
    with connection.cursor() as cursor:
        words = DIALECTS[connection.vendor]
        cursor.execute(LOCK_SHOW.format(table=model._meta.db_table, **words), {"id": row_id})
        row = cursor.fetchone()
    return row[0] if row else None


_columns: dict[str, list[str]] = {}  # by statement; asking the driver takes as long as reading the rows


def _execute(statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        if statement not in _columns:
            _columns[statement] = [column[0] for column in cursor.description]
        names = _columns[statement]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _text(statement: str, seats: int) -> str:
    """Fill in the database's words and a placeholder for each seat."""
    return _filled(statement, seats, tuple(DIALECTS[connection.vendor].items()))


@cache
def _filled(statement: str, seats: int, dialect: tuple[tuple[str, str], ...]) -> str:
    words = dict(dialect)
    words["on_conflict"] = words["on_conflict"].format(**words)
    placeholders = [f"%(seat{index})s" for index in range(seats)]
    in_list = ", ".join(placeholders) or "NULL"
    rows = ", ".join(f"(CAST({placeholder} AS integer))" for placeholder in placeholders)
    return statement.format(**words, seats=in_list, seat_rows=rows)


def _parameters(user: Account, show_id: int, seat_numbers: Sequence[int]) -> dict[str, Any]:
    parameters: dict[str, Any] = {f"seat{index}": number for index, number in enumerate(seat_numbers)}
    parameters |= {"user": user.pk, "fingerprint": user.fingerprint, "show": show_id}
    if connection.vendor == "sqlite":
        parameters["now"] = _parameter(timezone.now())
    return parameters


def _parameter(instant: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(instant)


def _instant(value: datetime | str) -> datetime:
    """Read an instant; SQLite gives text, or no offset."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.replace(tzinfo=instant.tzinfo or UTC)


def _show(row: dict[str, Any]) -> Show:
    movie = Movie(id=row["movie_id"], title=row["title"], duration_minutes=row["duration_minutes"])
    columns = {name: row[name] for name in ("screen_name", "total_seats", "seats_per_row")}
    return Show(id=row["show_id"], movie=movie, date_time=_instant(row["date_time"]), **columns)


def _booking(row: dict[str, Any]) -> Booking:
    values = [_instant(value) if value and name.endswith("_at") else value for name, value in row.items()]
    return Booking.from_db(connection.alias, list(row), values)
