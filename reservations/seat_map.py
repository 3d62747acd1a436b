"""Seat maps: the state of every seat, and changes between maps.

The version of a map is the map itself: the states of all seats, compressed, as text. What has changed since a version
is the difference between two maps. So nothing has to be recorded when a seat changes, no order of transactions and no
clock can hide a change, and a version means the same to every process, also after a database was restored.
"""

import base64
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from django.db import connection

from catalog.models import MAX_SEATS, Movie, Show, row_label, seat_label
from core.accounts import user_of
from core.errors import AccountInactive, Invalid, NotFound
from core.models import Account
from reservations.seat_selection import largest_block

STATES = ("available", "booked", "held", "blocked")
AVAILABLE = 0
MINE = 4  # is added to the state of the viewer's own seats
_WITHOUT_MINE = bytes(code & ~MINE for code in range(256))  # for bytes.translate


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat of a map."""

    seat_number: int
    label: str
    status: str
    """``available``, ``held``, ``booked`` or ``blocked``."""
    mine: bool
    """Whether the viewer has booked or holds it."""


@dataclass(frozen=True)
class SeatRow:
    """A row of seats; with its name."""

    row: str
    seats: list[Seat]


@dataclass(frozen=True)
class Summary:
    """The number of seats in each state."""

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
    codes: bytes
    """A byte for each seat: the index of its state in ``STATES``, plus ``MINE`` for the viewer's own."""
    changed: Collection[int] | None = None
    """The seats that have changed since an earlier map; None stands for all seats."""

    @cached_property
    def version(self) -> str:
        compressor = zlib.compressobj(strategy=zlib.Z_RLE)  # ten times as fast as the default, and as small
        return base64.urlsafe_b64encode(compressor.compress(self.state) + compressor.flush()).decode()

    @cached_property
    def state(self) -> bytes:
        """The content of the version: seats in a row, then the codes."""
        return bytes([self.show.seats_per_row]) + self.codes

    def changes_since(self, earlier: bytes | None) -> "SeatMap":
        """Keep the seats that differ from an earlier state.

        All seats do, if there is no earlier state or its layout differs.
        """
        now = self.state
        if earlier is None or len(earlier) != len(now) or earlier[0] != now[0]:
            return self
        return replace(self, changed={seat for seat in range(1, len(now)) if earlier[seat] != now[seat]})

    @cached_property
    def summary(self) -> Summary:
        states = self.codes.translate(_WITHOUT_MINE)
        counts = {name: states.count(state) for state, name in enumerate(STATES)}
        block = largest_block(self.free, seats_per_row=self.show.seats_per_row)
        return Summary(total=len(states), largest_block=block, **counts)

    @property
    def free(self) -> list[int]:
        """The numbers of the available seats."""
        return [number for number, code in enumerate(self.codes, 1) if code == AVAILABLE]

    @property
    def rows(self) -> list[SeatRow]:
        """The rows, with all seats or with those that have changed."""
        rows: dict[int, list[Seat]] = {}
        for seat in self.seats():
            rows.setdefault((seat.seat_number - 1) // self.show.seats_per_row, []).append(seat)
        return [SeatRow(row_label(row), seats) for row, seats in rows.items()]

    def seats(self) -> Iterator[Seat]:
        """Give the seats in order: all, or those that have changed."""
        labels = labels_of(len(self.codes), self.show.seats_per_row)
        numbers = range(1, len(self.codes) + 1) if self.changed is None else sorted(self.changed)
        for number in numbers:
            code = self.codes[number - 1]
            yield Seat(number, labels[number - 1], STATES[code & ~MINE], bool(code & MINE))


def read_version(version: str | None) -> bytes | None:
    """Give the state of the map that has this version.

    :raises Invalid: it is no version of a map.
    """
    if version is None:
        return None
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(base64.b64decode(version, b"-_", validate=True), 2 + MAX_SEATS)
    except (ValueError, zlib.error):
        content = b""
    if not content or not decompressor.eof or decompressor.unused_data:  # cut off, too long, or more behind it
        raise Invalid(errors={"since": ["This is not the version of a seat map. Read the whole map again."]})
    return content


def seat_map(*, show_id: int, viewer: Account | None = None, since: str | None = None) -> SeatMap:
    """Read the seats of a show as ``viewer`` sees them.

    One statement reads them and checks the account.

    :raises NotFound: there is no such show.
    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises Invalid: ``since`` is no version of a map.
    """
    try:
        earlier = read_version(since)
        pk, fingerprint = (viewer.pk, viewer.fingerprint) if viewer else (None, None)
        maps = read_seat_maps([show_id], viewer=pk, fingerprint=fingerprint)
        if show_id not in maps:
            raise NotFound
    except (Invalid, NotFound):
        if viewer:
            user_of(viewer)  # raises AccountInactive, which comes first
        raise
    return maps[show_id].changes_since(earlier)


def seat_maps(shows: Iterable[Show], *, viewer: int | None = None, since: str | None = None) -> dict[int, SeatMap]:
    """Read the seats of many shows in one statement, by show id.

    The viewer's account was checked before.

    :raises Invalid: ``since`` is no version of a map.
    """
    earlier = read_version(since)
    maps = read_seat_maps([show.pk for show in shows], viewer=viewer)
    return {show_id: each.changes_since(earlier) for show_id, each in maps.items()}


@lru_cache(maxsize=64)
def labels_of(total_seats: int, seats_per_row: int) -> list[str]:
    """Name the seats of a show, in the order of their numbers."""
    return [seat_label(number, seats_per_row) for number in range(1, total_seats + 1)]


# --- The statement ------------------------------------------------------------------------------

# A claim is sent as one number, 8 * seat + code: a tenth of the text that its columns are.
_CLAIM = f"""
    seat_number * 8 + CASE status WHEN 'booked' THEN 1 WHEN 'held' THEN 2 ELSE 3 END
    + CASE WHEN user_id = %(viewer)s THEN {MINE} ELSE 0 END
"""
_STATEMENT = """
    SELECT
        show.id, show.movie_id, show.screen_name, show.date_time, show.total_seats, show.seats_per_row,
        movie.title AS movie_title, movie.duration_minutes AS movie_minutes,
        {account_is_active} AS account_is_active,
        (
            SELECT {seat_codes} FROM reservations_booking
            WHERE show_id = show.id AND status IN ('booked', 'held', 'blocked')
            AND NOT (status = 'held' AND expires_at <= {now})
        ) AS seat_codes
    FROM catalog_show AS show JOIN catalog_movie AS movie ON movie.id = show.movie_id
    WHERE show.id {among_shows}
"""
_ACCOUNT_IS_ACTIVE = """
    EXISTS (SELECT 1 FROM core_user WHERE id = %(viewer)s AND is_active AND upper(md5(password)) = %(fingerprint)s)
"""
_DIALECTS = {
    "postgresql": {
        "seat_codes": f"string_agg(({_CLAIM})::text, ',')",
        "now": "statement_timestamp()",
        "among_shows": "= ANY(%(shows)s)",
    },
    "sqlite": {
        "seat_codes": f"group_concat({_CLAIM})",
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "among_shows": "IN (SELECT value FROM json_each(%(shows)s))",
    },
}


def read_seat_maps(
    show_ids: Collection[int], *, viewer: int | None = None, fingerprint: str | None = None
) -> dict[int, SeatMap]:
    """Read whole maps in one statement, by show id.

    With a fingerprint, the statement checks the viewer's account too.

    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    """
    parameters: dict[str, Any] = {"shows": [*show_ids], "viewer": viewer or 0, "fingerprint": fingerprint}
    if connection.vendor == "sqlite":
        parameters["shows"] = str(parameters["shows"])  # as JSON
    account_is_active = _ACCOUNT_IS_ACTIVE if fingerprint else "true"
    statement = _STATEMENT.format(account_is_active=account_is_active, **_DIALECTS[connection.vendor])
    maps: dict[int, SeatMap] = {}
    shows: list[Any] = list(Show.objects.raw(statement, parameters))
    for show in shows:
        if not show.account_is_active:
            raise AccountInactive
        show.movie = Movie(pk=show.movie_id, title=show.movie_title, duration_minutes=show.movie_minutes)
        codes = bytearray(show.total_seats)
        for claim in map(int, show.seat_codes.split(",") if show.seat_codes else ()):
            number, code = divmod(claim, 8)
            if number <= show.total_seats:  # a hold may run out, and the show shrink, just now
                codes[number - 1] = code
        show.available_seats = codes.count(AVAILABLE)
        maps[show.pk] = SeatMap(show, bytes(codes))
    return maps
