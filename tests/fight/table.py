"""What the table says when the fight is over: it decides the unknown, and contradicts what was promised.

A booking that was cancelled stays as a row. So whatever was done has left its trace, and a call of unknown outcome
either finds its row here or was never done.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.fight.history import NOTHING_HAPPENED, OK, UNKNOWN, Call


@dataclass(frozen=True)
class Row:
    id: int
    client: int
    show: int
    seat: int
    live: bool

    def __str__(self) -> str:
        return f"booking {self.id} (client {self.client}, show {self.show}, seat {self.seat})"


def settle(calls: list[Call], rows: list[Row], *, start: int, end: int) -> tuple[list[Call], list[str]]:
    """Give the history with the unknown decided and the table as its last read, and what the table contradicts.

    ``start`` and ``end`` are when the table was read.
    """
    table = {row.id: row for row in rows}
    history = [call for call in calls if call.outcome not in NOTHING_HAPPENED and call.outcome != UNKNOWN]
    bookings, denied = _claimed(calls, history, table, end)
    cancels, undone = _cancelled(calls, history, table, end)
    history += [*bookings, *cancels, *_reads(calls, rows, start, end)]
    return history, [*denied, *_lost(calls, table), *undone, *_sold_twice(rows)]


def _claimed(calls: list[Call], history: list[Call], table: dict[int, Row], end: int) -> tuple[list[Call], list[str]]:
    """Find for each row that no answer told of the call of unknown outcome that made it.

    Of one client's calls for one seat the earliest made the earliest row: whatever really happened, this leaves no
    more to explain, since an earlier call may be done at every moment that a later one may.
    """
    unclaimed: dict[tuple[int, int, int], list[Call]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: call.start, reverse=True):
        if call.verb == "book" and call.outcome == UNKNOWN:
            unclaimed[call.client, call.show, call.seat].append(call)
    confirmed = {call.booking: call for call in history if call.verb == "book" and call.outcome == OK and call.booking}
    made, faults = [], []
    for row, begun in _untold(table, confirmed, end):
        asked = unclaimed[row.client, row.show, row.seat]
        seen = _seen_by("book", row.id, history, end)
        if asked and asked[-1].start <= min(begun, seen):
            made.append(replace(asked.pop(), booking=row.id, outcome=OK, end=seen))
        else:
            faults.append(_made_by_nobody(row, calls))
    return made, faults


def _untold(table: dict[int, Row], confirmed: dict[int, Call], end: int) -> list[tuple[Row, int]]:
    """Give the rows that no answer told of, and when each was begun at the latest.

    Numbers are given in turn, so that is before the answer that told of a later one.
    """
    untold = []
    begun = end
    for row in sorted(table.values(), key=lambda row: row.id, reverse=True):
        if row.id in confirmed:
            begun = min(begun, confirmed[row.id].until)
        else:
            untold.append((row, begun))
    return untold[::-1]


def _made_by_nobody(row: Row, calls: list[Call]) -> str:
    denied = [
        call
        for call in calls
        if (call.verb, call.client, call.show, call.seat) == ("book", row.client, row.show, row.seat)
        and call.outcome not in (OK, UNKNOWN)
    ]
    codes = ", ".join(sorted({call.outcome for call in denied})) or "none"
    return f"The table has {row}, which every answer denied; the client's refusals for this seat: {codes}."


def _cancelled(calls: list[Call], history: list[Call], table: dict[int, Row], end: int) -> tuple[list[Call], list[str]]:
    """Find for each cancelled row the call that did it, and contradict those that say they did."""
    cancels: dict[int, list[Call]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: call.start):
        if call.verb == "cancel" and call.booking:
            cancels[call.booking].append(call)
    done, faults = [], []
    for row in table.values():
        if any(call.outcome == OK for call in cancels[row.id]):
            if row.live:
                faults.append(f"The table has {row} alive, whose cancelling was confirmed.")
        elif not row.live:
            seen = _seen_by("cancel", row.id, history, end)
            unknown = [call for call in cancels[row.id] if call.outcome == UNKNOWN and call.start <= seen]
            if unknown:
                done.append(replace(unknown[0], outcome=OK, end=seen))
            else:
                faults.append(f"The table has {row} cancelled, which nobody can have done.")
    return done, faults


def _seen_by(verb: str, booking: int, history: Iterable[Call], end: int) -> int:
    """Tell when it was done at the latest: when somebody had seen it, in an answer or in the table."""
    return min([end, *(other.until for other in history if _shows_that_done(verb, booking, other))])


def _shows_that_done(verb: str, booking: int, other: Call) -> bool:
    if other.booking != booking or other.verb == "book":
        return False
    return verb == "book" or other.outcome == "already_cancelled"


def _reads(calls: list[Call], rows: list[Row], start: int, end: int) -> list[Call]:
    holders: dict[tuple[int, int], list[int | None]] = defaultdict(list)
    for row in rows:
        if row.live:
            holders[row.show, row.seat].append(row.id)
    return [
        Call(client=0, verb="read", show=show, seat=seat, booking=booking, start=start, end=end, outcome=OK)
        for show, seat in sorted({(call.show, call.seat) for call in calls})
        for booking in holders[show, seat] or [None]
    ]


def _lost(calls: list[Call], table: dict[int, Row]) -> list[str]:
    faults = []
    told: set[int] = set()
    for call in calls:
        if call.verb != "book" or call.outcome != OK or call.booking is None:
            continue
        row = table.get(call.booking)
        if row is None:
            faults.append(f"Booking {call.booking} of seat {call.seat} was confirmed, and is not in the table.")
        elif (row.client, row.show, row.seat) != (call.client, call.show, call.seat):
            faults.append(f"Client {call.client} was told of booking {call.booking} of seat {call.seat}; it is {row}.")
        if call.booking in told:
            faults.append(f"Booking {call.booking} was the answer to two calls.")
        told.add(call.booking)
    return faults


def _sold_twice(rows: list[Row]) -> list[str]:
    holders: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        if row.live:
            holders[row.show, row.seat].append(row)
    return [
        f"Seat {seat} of show {show} is sold {len(sold)} times: {', '.join(map(str, sold))}."
        for (show, seat), sold in sorted(holders.items())
        if len(sold) > 1
    ]
