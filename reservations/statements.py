"""The statements of the booking core. Each does everything: it looks at the account, locks the show, writes if it may,
and tells the state that it found, from which reservations.booking and .holding explain a refusal.

On PostgreSQL that is one round trip, durable by itself when it is answered. Its parts run in this order, each in a step
of its own because it locks or writes:

``queue``   The show's advisory lock, shared. It excludes nobody whom the row's lock does not exclude, but it is a
            queue: shared locks of a row pass whoever waits for it alone, so that staff would wait for as long as a hot
            show is being booked.
``locked``  The show's row, locked ``FOR SHARE`` and so read as it is when the lock is had, however long that took.
            ``FOR KEY SHARE`` would be too weak, since a plain update of ``total_seats`` passes it. A seat that is taken
            already locks nothing: refusing it writes nothing and waits for nothing.
``written`` The clock is read here, under the lock: whoever waited past the show's beginning is late. Whoever wants
            several seats takes them in the order of their numbers, so that no two wait for each other.

A seat is taken by inserting a claim. Where a hold that has run out still has the seat, or one's own hold has it, its
claim is turned into the new one by the conflict clause, which looks at the claim as it is when nobody else has it
locked. Of several seats all are written or none: if rivals were faster at some of them, the statement divides by zero,
which is the one way for it to take back what it wrote (``RaceLost``).

The state at the end is what the statement saw when it began. If a rival was faster after that, nothing is written and
the state does not say why; then it is worth another look.

SQLite needs no lock of ours, its transactions being one writer at a time, and can't write within a query: there the
same parts are statements one after the other.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, connection
from django.utils import timezone

from catalog.models import MOST_SEATS, Movie, Show
from core.database import sqlstate, violates
from core.models import Account
from reservations.models import Booking
from reservations.rows import as_text, row_of
from reservations.verbs import BOOK, CANCEL, CONFIRM, EXTEND, HOLD, MOVE, RELEASE, Verb, filled

_CLAIM = ", ".join(f"reservations_booking.{field.column}" for field in Booking._meta.concrete_fields)
_SHOW = ", ".join(f"show.{field.column}" for field in Show._meta.concrete_fields)
_MOVIE = ", ".join(f"movie.{field.column}" for field in Movie._meta.concrete_fields)
_LIVE = "status IN ('booked', 'held', 'blocked')"
_LAPSED = "status = 'held' AND expires_at <= {clock}"


# --- What all have in common ------------------------------------------------------------------

_ACCOUNT = """
    account AS (
        SELECT id FROM core_user WHERE id = %(user)s AND is_active AND upper(md5(password)) = %(fingerprint)s
    )
"""
_LOCKED = {
    "postgresql": """
        queue AS MATERIALIZED (
            SELECT pg_advisory_xact_lock_shared(show_id), show_id FROM wanted WHERE refused IS NULL
        ),
        locked AS (
            SELECT catalog_show.* FROM queue JOIN catalog_show ON catalog_show.id = queue.show_id
            FOR SHARE OF catalog_show
        )
    """,
    "sqlite": "locked AS (SELECT catalog_show.* FROM wanted JOIN catalog_show ON id = show_id WHERE refused IS NULL)",
}

_STATE = f"""
    SELECT
        EXISTS (SELECT 1 FROM account), wanted.show_id, wanted.refused, wanted.mine, {{clock}} >= show.date_time,
        (SELECT count(*) FROM reservations_booking WHERE show_id = wanted.show_id AND {_LIVE}),
        {{held}}, {{lapsed}},
        {_SHOW}, {_MOVIE}
    FROM (SELECT 1) AS one
    LEFT JOIN wanted ON 1 = 1
    LEFT JOIN (
        SELECT * FROM locked
        UNION ALL
        SELECT catalog_show.* FROM catalog_show JOIN wanted ON id = show_id WHERE NOT EXISTS (SELECT 1 FROM locked)
    ) AS show ON 1 = 1
    LEFT JOIN catalog_movie AS movie ON movie.id = show.movie_id
    {{holds}}
"""
_STATE_FIELDS = 8
_SHOW_FIELDS = len(Show._meta.concrete_fields)
_FACTS = _STATE_FIELDS + _SHOW_FIELDS + len(Movie._meta.concrete_fields)

_DIALECTS = {
    "postgresql": {
        "held": "holds.held",
        "lapsed": "holds.lapsed",
        "holds": """
            LEFT JOIN LATERAL (
                SELECT count(*) AS held, count(*) FILTER (WHERE expires_at <= {clock}) AS lapsed
                FROM reservations_booking WHERE show_id = wanted.show_id AND status = 'held'
            ) AS holds ON true
        """,
        "clock": "clock_timestamp()",
        "held_at": "hold.created_at",
        "held_until": "hold.created_at + %(seconds)s * interval '1 second'",
        "extended_until": "may.now + %(seconds)s * interval '1 second'",
        "latest": "wanted.created_at + %(longest)s * interval '1 second'",
        "never": "CAST(NULL AS timestamptz)",
        "least": "least",
        "greatest": "greatest",
        "listed": "string_agg(seat_number || ' ' || status, ',' ORDER BY seat_number)",
        "among": "= ANY(%(seats)s::smallint[])",
        "seats": "(SELECT unnest(%(seats)s::smallint[]) AS number)",
        "in_order": "ORDER BY seat.number",
        "lock_claims": "FOR UPDATE OF reservations_booking",
        "materialized": "MATERIALIZED",
        "claim": _CLAIM,
    },
    "sqlite": {
        "held": "(SELECT count(*) FROM reservations_booking WHERE show_id = wanted.show_id AND status = 'held')",
        "lapsed": f"(SELECT count(*) FROM reservations_booking WHERE show_id = wanted.show_id AND {_LAPSED})",
        "holds": "",
        "in_order": "ORDER BY seat.number",
        "clock": "%(now)s",
        "held_at": "%(now)s",
        "held_until": "%(soon)s",
        "extended_until": "%(soon)s",
        "latest": "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', wanted.created_at, '+' || %(longest)s || ' seconds')",
        "never": "NULL",
        "least": "min",
        "greatest": "max",
        "listed": "group_concat(seat_number || ' ' || status)",
        "among": "IN (SELECT value FROM json_each(%(seats)s))",
        "seats": "(SELECT value AS number FROM json_each(%(seats)s))",
        "lock_claims": "",
        "materialized": "",
        "claim": _CLAIM,
    },
}
# One seat needs no array, which costs a tenth of the statement's time.
_OF_ONE_SEAT = {
    "among": "= %(highest)s",
    "seats": "(SELECT CAST(%(highest)s AS smallint) AS number)",
    "in_order": "",
}


@dataclass(frozen=True)
class Found:
    """What a statement saw, and the claims that it wrote, if it did."""

    account_stands: bool
    exists: bool
    """Whether there is what the verb is about, and it is this account's."""
    refused: str | None
    """What stood in the way: claims as "7 booked,8 held", or the status of the booking."""
    mine: int
    """Booking and moving: how many of the seats the account held. Holding: how many of the show it holds. Otherwise:
    how many the hold had at first."""
    begun: bool
    full: bool
    """Whether every seat is booked or blocked."""
    available: int
    """Seats that were available before anything was written."""
    show: Show | None
    written: list[Booking]

    @property
    def in_the_way(self) -> dict[int, str]:
        """The seats that are not to be had, with the status of each."""
        claims = (claim.split(" ") for claim in (self.refused or "").split(",") if claim)
        return {int(number): status for number, status in sorted(claims, key=lambda claim: int(claim[0]))}


class RaceLost(Exception):
    """Rivals were faster after the statement had looked; the transaction is to be done again from its beginning."""


def book(*, user: Account, show_id: int, seat_numbers: Sequence[int]) -> Found:
    """Book seats, if all can be had."""
    size = len(seat_numbers) if len(seat_numbers) > 1 else None  # of one, all or none are written anyway
    return _run(BOOK, user, size=size, show=show_id, **_seats(seat_numbers))


def hold(*, user: Account, show_id: int, seat_numbers: Sequence[int]) -> Found:
    """Hold seats, if all can be had; within a transaction."""
    values = {**_seats(seat_numbers), "seconds": settings.HOLD_SECONDS, "most": settings.HOLD_SEATS}
    return _run(HOLD, user, size=len(seat_numbers), show=show_id, **values)


def confirm(*, user: Account, hold_id: int) -> Found:
    """Book the seats of a hold, if it has not run out."""
    return _run(CONFIRM, user, hold=hold_id)


def extend(*, user: Account, hold_id: int) -> Found:
    """Let a hold last for its whole time again, but not beyond the longest, if it has not run out."""
    return _run(EXTEND, user, hold=hold_id, seconds=settings.HOLD_SECONDS, longest=settings.HOLD_LONGEST_SECONDS)


def release(*, user: Account, hold_id: int) -> Found:
    """Give the seats of a hold back, if it has not run out."""
    return _run(RELEASE, user, hold=hold_id)


def cancel(*, user: Account, booking_id: int) -> Found:
    """Cancel a booking, if it is this account's and live."""
    return _run(CANCEL, user, booking=booking_id)


def move(*, user: Account, booking_id: int, seat_number: int) -> Found:
    """Give a booking another seat, if that can be had."""
    return _run(MOVE, user, booking=booking_id, seat=seat_number)


def _seats(seat_numbers: Sequence[int]) -> dict[str, Any]:
    # A number that no show has would not fit the column either; then there are no seats, and the highest says why.
    fits = all(1 <= number <= MOST_SEATS for number in seat_numbers)
    seats = [*seat_numbers] if fits else []
    return {
        "seats": seats if connection.vendor == "postgresql" else json.dumps(seats),
        "highest": max(seats) if seats else MOST_SEATS + 1,
    }


def _run(verb: Verb, user: Account, size: int | None = None, **values: Any) -> Found:
    """Run a statement; ``size`` is how many claims it has to write, where it could be some of them.

    :raises RaceLost: it could not write all of them after all.
    """
    parameters: dict[str, Any] = {"user": user.pk, "fingerprint": user.fingerprint, "size": size, **values}
    try:
        return _on_postgresql(verb, parameters) if connection.vendor == "postgresql" else _on_sqlite(verb, parameters)
    except DataError as fault:
        if sqlstate(fault) == "22012":  # division_by_zero
            raise RaceLost from fault
        raise
    except IntegrityError as fault:
        if violates(fault, "seat_has_one_live_claim"):
            raise RaceLost from fault
        raise


def _on_postgresql(verb: Verb, parameters: dict[str, Any]) -> Found:
    with connection.cursor() as cursor:
        counts, one = parameters["size"] is not None, parameters["size"] is None and verb is BOOK
        cursor.execute(_in_one(verb, _LOCKED["postgresql"], counts=counts, one=one), parameters)
        rows = cursor.fetchall()
    claims = [row[_FACTS : _FACTS + len(Booking._meta.concrete_fields)] for row in rows if row[_FACTS] is not None]
    return _found(rows[0], claims)


def _on_sqlite(verb: Verb, parameters: dict[str, Any]) -> Found:
    now = timezone.now()
    parameters["now"] = as_text(now)
    parameters["soon"] = as_text(now + timedelta(seconds=parameters.get("seconds", 0)))
    state, writes, writing = _in_many(verb)
    with connection.cursor() as cursor:
        cursor.execute(state, parameters)
        found = cursor.fetchone()
        for name, write in writes:
            cursor.execute(write, parameters)
            parameters[f"{name}_id"] = (cursor.fetchone() or (None,))[0]
        cursor.execute(writing, parameters)
        claims = cursor.fetchall()
        if claims and verb.ends:
            cursor.execute(filled("WITH written AS (SELECT 1) " + verb.ends, **_DIALECTS["sqlite"]), parameters)
    return _found(found, sorted(claims, key=lambda claim: claim[3]))


@functools.cache
def _in_one(verb: Verb, locked: str, *, counts: bool, one: bool) -> str:
    parts = [_ACCOUNT, verb.wants, locked, verb.reads]
    parts += [f"{name} AS ({write})" for name, write in verb.writes.items()]
    parts += [f"written AS ({verb.written})"]
    parts += [f"ended AS ({verb.ends})"] if verb.ends else []
    all_or_none = f"1 / CASE WHEN (SELECT count(*) FROM written) IN ({verb.all_or_none}) THEN 1 ELSE 0 END"
    statement = f"""
        WITH {", ".join(part for part in parts if part)}
        SELECT state.*, written.* {", " + all_or_none if counts else ""}
        FROM ({_STATE}) AS state LEFT JOIN written ON 1 = 1 {"" if one else "ORDER BY written.seat_number"}
    """
    return filled(statement, **{**_DIALECTS["postgresql"], **(_OF_ONE_SEAT if one else {})})


@functools.cache
def _in_many(verb: Verb) -> tuple[str, list[tuple[str, str]], str]:
    """Give the statement for the state, those that write first, and the one that gives back claims."""
    common = "WITH " + ", ".join(part for part in (_ACCOUNT, verb.wants, _LOCKED["sqlite"], verb.reads) if part)
    writes = []
    done = ""
    for name, write in verb.writes.items():
        writes.append((name, filled(common + done + write, **_DIALECTS["sqlite"])))
        done += f", {name} AS (SELECT %({name}_id)s AS id WHERE %({name}_id)s IS NOT NULL)"
    state = filled(common + _STATE, **_DIALECTS["sqlite"])
    return state, writes, filled(common + done + verb.written, **_DIALECTS["sqlite"])


def _found(state: Sequence[Any], claims: Sequence[Sequence[Any]]) -> Found:
    account_stands, about, refused, mine, begun, claimed, held, lapsed = state[:_STATE_FIELDS]
    facts = state[_STATE_FIELDS:_FACTS]
    show = row_of(Show, facts[:_SHOW_FIELDS]) if facts[0] is not None else None
    if show:
        show.movie = row_of(Movie, facts[_SHOW_FIELDS:])
    seats = show.total_seats if show else 0
    return Found(
        account_stands=bool(account_stands),
        exists=about is not None,
        refused=refused,
        mine=mine or 0,
        begun=bool(begun),
        full=claimed - held >= seats,
        available=seats - claimed + lapsed,
        show=show,
        written=[row_of(Booking, claim) for claim in claims],
    )
