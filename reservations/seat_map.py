"""Seat maps: what each seat of a show is at a moment, and what has changed since another.

A map has a version, and whoever knows one can ask for the seats that have changed since: nothing is missed, whatever
was being written at the time. Each claim bears a stamp of its last change, put there by the table's triggers: on
PostgreSQL the number of the transaction that wrote it. Transactions do not end in the order of their numbers, so a map
is not of the version of the newest stamp in it, but at most of the number before the oldest transaction that was still
going on: whatever the map does not see has a higher one. Seats that were written beyond that number are told again
next time, which does no harm. Stamps at or above the numbers that the database has given out are those of another
database, from which this one was restored; they count for nothing.

Holds run out without anybody writing anything. The second part of a version, where it has one, is the instant at which
the last of those that nobody has touched since ran out. The third tells seats apart that were written beyond the number
of the first: while an old transaction goes on, that number stays.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, cast

from django.db import connection
from django.utils import timezone

from catalog.models import Movie, Show, row_label, seat_label
from core.accounts import user_of
from core.errors import AccountInactive, Invalid, NotFound
from core.models import Account
from reservations.rows import as_text, instant_of, row_of
from reservations.seat_selection import largest_block

STATES = ("available", "booked", "held", "blocked")
AVAILABLE, BOOKED, HELD, BLOCKED = range(4)
_MINE = 4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION = re.compile("([0-9]{1,18})(?:-([0-9]{1,16}))?(?:~[0-9a-f]{1,16})?")


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat of a map."""

    seat_number: int
    label: str
    status: str
    """``available``, ``held``, ``booked`` or ``blocked``."""
    mine: bool
    """Whether it is booked or held by whoever asks."""


@dataclass(frozen=True)
class SeatRow:
    """A row of seats; with its name."""

    row: str
    seats: list[Seat]


@dataclass(frozen=True)
class Summary:
    """How many seats are what."""

    total: int
    available: int
    held: int
    booked: int
    blocked: int
    largest_block: int
    """The most available seats that are adjacent in one row."""


@dataclass
class SeatMap:
    """The seats of a show at a moment."""

    show: Show
    """With its movie and ``available_seats``."""
    version: str
    codes: bytes
    """A byte a seat: its place in ``STATES``, and 4 more where it is the viewer's own."""
    changed: Collection[int] | None
    """The seats that have changed since the version that was asked about; None where none was."""
    next_expiry: datetime | None
    """When the next hold runs out."""

    @cached_property
    def summary(self) -> Summary:
        kinds = self.codes.translate(_KINDS)
        counts = {name: kinds.count(kind) for kind, name in enumerate(STATES)}
        block = largest_block(self.free, seats_per_row=self.show.seats_per_row)
        return Summary(total=len(kinds), largest_block=block, **counts)

    @property
    def free(self) -> list[int]:
        """The numbers of the available seats."""
        return [number for number, code in enumerate(self.codes, 1) if code == AVAILABLE]

    @property
    def rows(self) -> list[SeatRow]:
        """The rows, with all seats or with those that have changed."""
        per_row = self.show.seats_per_row
        rows: dict[int, list[Seat]] = {}
        for seat in self.seats():
            rows.setdefault((seat.seat_number - 1) // per_row, []).append(seat)
        return [SeatRow(row_label(row), seats) for row, seats in rows.items()]

    def seats(self) -> Iterable[Seat]:
        """Give all seats in the order of their numbers, or those that have changed."""
        labels = labels_of(len(self.codes), self.show.seats_per_row)
        numbers = range(1, len(self.codes) + 1) if self.changed is None else sorted(self.changed)
        for number in numbers:
            code = self.codes[number - 1]
            yield Seat(number, labels[number - 1], STATES[code & ~_MINE], bool(code & _MINE))


_KINDS = bytes(code & ~_MINE for code in range(256))


@dataclass(frozen=True)
class SeatChanges:
    """What a stream tells."""

    version: str
    seats: list[Seat]
    next_expiry: datetime | None


def seat_map(*, show_id: int, viewer: Account | None = None, since: str | None = None) -> SeatMap:
    """Give the seats of a show, as ``viewer`` sees them: one statement, which looks at the account as well.

    :raises NotFound: there is no such show.
    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises Invalid: ``since`` is no version, or one that is still to come.
    """
    try:
        maps = _read([show_id], viewer.pk if viewer else None, since, viewer)
        if not maps:
            raise NotFound
        return maps[0]
    except (NotFound, Invalid):
        if viewer:
            user_of(viewer)  # which refuses an account that is gone, before anything else
        raise


def seat_maps(shows: Iterable[Show], *, viewer: int | None = None, since: str | None = None) -> dict[int, SeatMap]:
    """Give the seats of many shows in one statement, by the shows' numbers; ``viewer`` was looked at before."""
    return {found.show.pk: found for found in _read([show.pk for show in shows], viewer, since)}


def seat_changes(*, show_id: int, since: str | None) -> SeatChanges:
    """Give the seats of a show that have changed since a version; all of them if it is None.

    :raises NotFound: there is no such show.
    :raises Invalid: ``since`` is no version, or one that is still to come.
    """
    found = seat_map(show_id=show_id, since=since)
    return SeatChanges(found.version, list(found.seats()), found.next_expiry)


def versions_of(show_ids: Collection[int]) -> dict[int, str]:
    """Give the versions of the maps of many shows in one statement, by the shows' numbers."""
    parameters: dict[str, Any] = {"shows": [*show_ids], "now": as_text(timezone.now())}
    with connection.cursor() as cursor:
        cursor.execute(_query("show.id", *_VERSION_PARTS, count=len(show_ids)), _bound(parameters))
        return {show: _version(*parts) for show, *parts in cursor.fetchall()}


@lru_cache(maxsize=64)
def labels_of(total_seats: int, seats_per_row: int) -> list[str]:
    """Name the seats of a show, in the order of their numbers."""
    return [seat_label(number, seats_per_row) for number in range(1, total_seats + 1)]


# --- The statement ------------------------------------------------------------------------------

_SHOW = [f"show.{field.column}" for field in Show._meta.concrete_fields]
_MOVIE = [f"movie.{field.column}" for field in Movie._meta.concrete_fields]
_OF_SHOW = "FROM reservations_booking WHERE show_id = show.id"
_RAN_OUT = "status = 'held' AND expires_at <= {now}"

_VERSION_PARTS = ("{stamp}", "{lapsed}", "{unsettled}")
_PARTS = {
    # Each claim is a number: 8 for each seat, and what the seat is.
    "claims": f"""(
        SELECT {{joined_claims}} {_OF_SHOW} AND status IN ('booked', 'held', 'blocked') AND NOT ({_RAN_OUT})
    )""",
    "account_stands": """EXISTS (
        SELECT 1 FROM core_user WHERE id = %(viewer)s AND is_active AND upper(md5(password)) = %(fingerprint)s
    )""",
    "lapsed": f"(SELECT max(expires_at) {_OF_SHOW} AND {_RAN_OUT})",
    "next_expiry": f"(SELECT min(expires_at) {_OF_SHOW} AND status = 'held' AND expires_at > {{now}})",
    "changed": f"""(
        SELECT {{joined_numbers}} {_OF_SHOW} AND (
            (changed > %(stamp)s AND changed < {{given_out}})
            OR (status = 'held' AND expires_at > {{moment}} AND expires_at <= {{now}})
        )
    )""",
    "relaid": "(show.layout_changed > %(stamp)s AND show.layout_changed < {given_out})",
    "stamp": f"""{{least}}(
        {{greatest}}(
            CASE WHEN show.layout_changed < {{given_out}} THEN show.layout_changed ELSE 0 END,
            coalesce((SELECT max(changed) {_OF_SHOW} AND changed < {{given_out}}), 0)
        ),
        {{going_on}} - 1
    )""",
}
_CODE = """
    seat_number * 8 + CASE status WHEN 'booked' THEN 1 WHEN 'held' THEN 2 ELSE 3 END
    + CASE WHEN user_id = %(viewer)s THEN 4 ELSE 0 END
"""
_DIALECTS = {
    "postgresql": {
        "now": "statement_timestamp()",
        "moment": "%(moment)s",
        "joined_claims": f"string_agg(({_CODE})::text, ',')",
        "joined_numbers": "string_agg(seat_number::text, ',')",
        "given_out": "pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
        "going_on": "pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
        "least": "least",
        "greatest": "greatest",
        "unsettled": f"""(
            SELECT hashtextextended(string_agg(id || ' ' || changed, ',' ORDER BY id), show.layout_changed) {_OF_SHOW}
            AND changed >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
            AND changed < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        )""",
    },
    "sqlite": {
        "now": "%(now)s",
        "moment": "%(moment)s",
        "joined_claims": f"group_concat({_CODE})",
        "joined_numbers": "group_concat(seat_number)",
        "given_out": str(2**63 - 1),
        "going_on": str(2**63 - 1),
        "unsettled": "NULL",
        "least": "min",
        "greatest": "max",
    },
}


@lru_cache(maxsize=128)
def _query(*columns: str, count: int) -> str:
    among = "= ANY(%(shows)s)" if connection.vendor == "postgresql" else f"IN ({_placeholders(count)})"
    text = f"SELECT {', '.join(columns)} FROM catalog_show AS show"
    text += f" JOIN catalog_movie AS movie ON movie.id = show.movie_id WHERE show.id {among}"
    for parts in (_PARTS, _DIALECTS[connection.vendor]):
        for name, part in parts.items():
            text = text.replace("{" + name + "}", part)
    return text


def _placeholders(count: int) -> str:
    return ", ".join(f"%(show{place})s" for place in range(count))


def _bound(parameters: dict[str, Any]) -> dict[str, Any]:
    if connection.vendor == "postgresql":
        return parameters
    shows = parameters.pop("shows")
    return parameters | {f"show{place}": show for place, show in enumerate(shows)}


def _read(
    show_ids: Sequence[int], viewer: int | None, since: str | None, account: Account | None = None
) -> list[SeatMap]:
    stamp, moment = _parsed(since) if since is not None else (0, _EPOCH)
    parameters: dict[str, Any] = {"shows": [*show_ids], "viewer": viewer or 0}
    columns = ["{account_stands}" if account else "1", "{now}", *_VERSION_PARTS, "{next_expiry}", "{claims}"]
    columns += ["{changed}", "{relaid}"] if since is not None else []
    if since is not None:
        parameters |= {"stamp": stamp, "moment": moment}
    if account:
        parameters |= {"fingerprint": account.fingerprint}
    if connection.vendor == "sqlite":
        parameters |= {"now": as_text(timezone.now()), "moment": as_text(moment)}
    with connection.cursor() as cursor:
        cursor.execute(_query(*columns, *_SHOW, *_MOVIE, count=len(show_ids)), _bound(parameters))
        rows = cursor.fetchall()
    return [_seat_map(row, stamp, moment, asked=since is not None) for row in rows]


def _seat_map(row: Sequence[Any], stamp: int, moment: datetime, *, asked: bool) -> SeatMap:
    columns = iter(row)
    account_stands, now, newest, lapsed, unsettled, next_expiry, claims = islice(columns, 7)
    if not account_stands:
        raise AccountInactive
    numbers, relaid = islice(columns, 2) if asked else (None, None)
    show: Any = row_of(Show, [*islice(columns, len(_SHOW))])
    show.movie = row_of(Movie, [*columns])
    if asked and (stamp > newest or moment > cast(datetime, instant_of(now))):
        raise Invalid(errors={"since": ["There is no such version of the seats yet."]})
    codes = _codes(show.total_seats, claims)
    show.available_seats = codes.count(AVAILABLE)
    changed: Collection[int] | None = None
    if asked and not relaid:
        changed = {number for number in map(int, (numbers or "").split(",") if numbers else ()) if number <= len(codes)}
    version = _version(newest, lapsed, unsettled)
    return SeatMap(show, version, codes, changed, instant_of(next_expiry))


def _codes(total_seats: int, claims: str | None) -> bytes:
    codes = bytearray(total_seats)
    for claim in map(int, claims.split(",") if claims else ()):
        number, code = divmod(claim, 8)
        if number <= total_seats:  # a hold that has not been tidied away may be beyond a show that shrank
            codes[number - 1] = code
    return bytes(codes)


def _version(stamp: int, lapsed: datetime | str | None, unsettled: int | None) -> str:
    version = str(stamp)
    if ran_out := instant_of(lapsed):
        version += f"-{(ran_out - _EPOCH) // timedelta(microseconds=1)}"
    if unsettled is not None:
        version += f"~{unsettled & 0xFFFFFFFFFFFFFFFF:x}"
    return version


def _parsed(version: str) -> tuple[int, datetime]:
    match = _VERSION.fullmatch(version)
    if not match:
        raise Invalid(errors={"since": ["Give the version of a seat map, as it was told."]})
    return int(match[1]), _EPOCH + timedelta(microseconds=int(match[2] or 0))
