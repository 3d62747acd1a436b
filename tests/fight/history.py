"""What was asked, what was answered, and when: the records that the checker judges."""

from dataclasses import dataclass

OK = "ok"
UNKNOWN = "unknown"

# Refusals that promise that nothing happened, and tell nothing of the seat.
NOTHING_HAPPENED = frozenset(
    {"busy", "database_unavailable", "overloaded", "throttled", "not_authenticated", "token_not_valid"}
)

SILENT = 2**63 - 1  # when the answer comes that never came


@dataclass
class Call:
    """One call about one seat.

    ``book`` and ``cancel`` are what clients want done. ``look`` is one seat of a client's own list of live bookings,
    with the booking that was listed for it, or None. ``read`` is one seat of the table, in the same way.
    """

    client: int
    verb: str
    show: int
    seat: int
    start: int
    """By ``time.monotonic_ns``, before the first byte was sent."""
    end: int | None = None
    """After the last byte of the answer; None where none came, so that it may be done at any time from its start."""
    booking: int | None = None
    outcome: str = UNKNOWN
    """``ok``, the code of a refusal, or ``unknown``."""
    door: str = ""

    @property
    def until(self) -> int:
        return SILENT if self.end is None else self.end

    @property
    def writes(self) -> bool:
        """Tell whether it changes who has the seat, or may have done so."""
        return self.verb in ("book", "cancel") and self.outcome in (OK, UNKNOWN)

    def told(self, since: int) -> str:
        """Tell it in one line, with times in milliseconds from ``since``."""
        began = f"{(self.start - since) / 1e6:10.3f}"
        ended = f"{(self.end - since) / 1e6:10.3f}" if self.end is not None else " " * 7 + "..."
        who = "the table" if self.verb == "read" else f"client {self.client}"
        return f"{began} to {ended} ms  {who:9}  {self._told()}{f'  ({self.door})' if self.door else ''}"

    def _told(self) -> str:
        if self.verb == "read":
            return f"read: booking {self.booking} has the seat" if self.booking else "read: the seat is free"
        if self.verb == "look":
            return f"look: has it, as booking {self.booking}" if self.booking else "look: does not have it"
        which = f" booking {self.booking}" if self.booking is not None else ""
        if self.verb == "book":
            return f"book: {self.outcome}{',' if which else ''}{which}"
        return f"cancel{which}: {self.outcome}"
