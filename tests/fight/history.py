"""What was asked, what was answered, and when: the records that the checker judges."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OK = "ok"
UNKNOWN = "unknown"

# Refusals that promise that nothing happened, and tell nothing of the seats.
NOTHING_HAPPENED = frozenset(
    {"busy", "database_unavailable", "overloaded", "throttled", "not_authenticated", "token_not_valid"}
)

WRITES = frozenset({"book", "cancel", "move", "hold", "confirm", "extend", "release", "block", "unblock", "expire"})
LOOKS = frozenset({"bookings", "holds", "map", "read"})

HOLD_SECONDS = 1
LONGEST_HOLD = 3  # seconds, from the first

TOLERANCE = 50_000_000
"""How far a hold may be seen to run out from the moment that its answer told, in nanoseconds. That moment is by the
clock of the database, which is the clock of this machine, while calls are timed by the monotonic one: this allows for
what the two are read apart, for what a time is rounded, and for the clock being set right meanwhile."""


def by_the_monotonic_clock(instant: datetime) -> int:
    """Tell a moment of the wall's clock by ``time.monotonic_ns``; of several tries the least disturbed one."""
    readings = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(5)]
    before, now, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return int(instant.timestamp() * 10**6) * 1000 - now + (before + after) // 2


SILENT = 2**63 - 1  # when the answer comes that never came


@dataclass
class Call:
    """One call about the seats of one show.

    What clients look at is a call as well: ``bookings`` and ``holds`` are their own lists, ``map`` is the seat map, and
    ``read`` is the table when all is over. That a hold runs out, ``expire``, is a call that nobody makes.
    """

    client: int
    verb: str
    show: int
    start: int
    """By ``time.monotonic_ns``, before the first byte was sent."""
    end: int | None = None
    """After the last byte of the answer; None where none came, so that it may be done at any time from its start."""
    outcome: str = UNKNOWN
    """``ok``, the code of a refusal, or ``unknown``."""
    seats: tuple[int, ...] = ()
    """Asked for, or given: of a move the one that is moved to."""
    best: int = 0
    """How many seats were asked for, where the service was to choose them."""
    booking: int | None = None
    """Which is cancelled or moved."""
    hold: int | None = None
    """Which was made, or is confirmed, extended or released; of ``expire`` the one that runs out."""
    expires: int | None = None
    """When the hold runs out after this call, by ``time.monotonic_ns``."""
    bookings: dict[int, int] = field(default_factory=dict)
    """The bookings that were made, by their seats."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The facts of a refusal."""
    seen: dict[int, Any] = field(default_factory=dict)
    """What a look saw on the seats: bookings, holds, or (status, whether it is mine)."""
    door: str = ""

    @property
    def until(self) -> int:
        return SILENT if self.end is None else self.end

    @property
    def writes(self) -> bool:
        """Tell whether it changes who has a seat, or may have done so."""
        return self.verb in WRITES and self.outcome in (OK, UNKNOWN)

    def told(self, since: int) -> str:
        """Tell it in one line, with times in milliseconds from ``since``."""
        began = f"{(self.start - since) / 1e6:10.3f}"
        ended = f"{(self.end - since) / 1e6:10.3f}" if self.end is not None else " " * 7 + "..."
        who = {"read": "the table", "expire": "the clock"}.get(self.verb, f"client {self.client}")
        return f"{began} to {ended} ms  {who:9}  {self._told()}{f'  ({self.door})' if self.door else ''}"

    def _told(self) -> str:
        if self.verb in LOOKS:
            what = ", ".join(f"{seat}: {_shown(seen)}" for seat, seen in sorted(self.seen.items())) or "nothing"
            return f"{self.verb}: {what}"
        asked = [
            f"seats {', '.join(map(str, self.seats))}" if len(self.seats) > 1 else "",
            f"seat {self.seats[0]}" if len(self.seats) == 1 else "",
            f"the best {self.best}" if self.best else "",
            f"booking {self.booking}" if self.booking else "",
            f"hold {self.hold}" if self.hold else "",
        ]
        made = [f"seat {seat} is booking {booking}" for seat, booking in sorted(self.bookings.items())]
        facts = [f"{name} {fact}" for name, fact in self.facts.items()]
        asking = " ".join([self.verb, ", ".join(part for part in asked if part)]).strip()
        return f"{asking}: {', '.join([self.outcome, *made, *facts])}"


def _shown(seen: Any) -> str:
    return " ".join(str(part) for part in seen if part) if isinstance(seen, tuple) else str(seen)
