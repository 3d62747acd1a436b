"""What the table says when the fight is over: it decides the unknown, and contradicts what was promised.

Bookings, holds and blocked seats stay as rows when they are over. So whatever was done has left its trace, and a call
of unknown outcome either finds its rows here or was never done; a group finds all its rows or none. Only of a move and
of an extension there may be no trace: those stay unknown, and the checker tries both.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.fight.history import HOLD_SECONDS, NOTHING_HAPPENED, OK, UNKNOWN, WRITES, Call

APART = 5_000_000  # nanoseconds that a moment in the table may be off, by the clock that calls are timed by
LIVE = ("booked", "held", "blocked")
BOOKINGS = ("booked", "cancelled")


@dataclass(frozen=True)
class Row:
    """A claim on a seat."""

    id: int
    client: int
    show: int
    seat: int
    status: str
    hold: int | None = None
    created: int = 0
    """By ``time.monotonic_ns``."""
    reason: str = ""

    def __str__(self) -> str:
        kind = "booking" if self.status in BOOKINGS else f"{self.status} claim"
        return f"{kind} {self.id} (client {self.client}, show {self.show}, seat {self.seat})"


@dataclass(frozen=True)
class HoldRow:
    id: int
    client: int
    show: int
    size: int
    created: int
    is_released: bool

    def __str__(self) -> str:
        return f"hold {self.id} (client {self.client}, show {self.show}, {self.size} seats)"


@dataclass(frozen=True)
class Table:
    """What was read, and between which moments."""

    rows: list[Row]
    holds: list[HoldRow] = field(default_factory=list)
    start: int = 0
    end: int = 0


def settle(calls: list[Call], table: Table) -> tuple[list[Call], list[str]]:
    """Give the history with the unknown decided and the table as its last look, and what the table contradicts."""
    settled = _Settled(calls, table)
    settled.holds()
    settled.bookings()
    settled.cancellings()
    settled.releases()
    settled.unblocks()
    settled.blocks()
    settled.lost()
    settled.sold_twice()
    return [*settled.history, *_looks(calls, table)], settled.faults


class _Settled:
    def __init__(self, calls: list[Call], table: Table) -> None:
        self.calls = calls
        self.table = table
        known = [call for call in calls if call.outcome not in NOTHING_HAPPENED and call.outcome != UNKNOWN]
        untraced = [call for call in calls if call.outcome == UNKNOWN and call.verb in ("move", "extend")]
        self.history = [*known, *untraced]
        self.known = known
        self.unknown = sorted((call for call in calls if call.outcome == UNKNOWN), key=lambda call: call.start)
        self.faults: list[str] = []

    # --- What no answer told of ---------------------------------------------------------------

    def holds(self) -> None:
        """Find for each hold that no answer told of the call that made it."""
        told = {call.hold for call in self.known if call.verb == "hold" and call.outcome == OK}
        asked = [call for call in self.unknown if call.verb == "hold"]
        for row in self.table.holds:
            if row.id in told:
                continue
            seats = {self._first_seat(claim) for claim in self.table.rows if claim.hold == row.id}
            seen = self._seen_by([call for call in self.known if row.id in (call.hold, *_holds_seen(call))])
            likely = _likeliest_first(asked, row.created)
            made = [call for call in likely if _may_have_held(call, row, seats) and call.start <= seen]
            if not made:
                self.faults.append(self._denied(row))
                continue
            asked.remove(made[0])
            expires = row.created + HOLD_SECONDS * 10**9
            about = {"hold": row.id, "seats": made[0].seats or tuple(sorted(seats)), "expires": expires}
            self.history.append(replace(made[0], outcome=OK, end=seen, **about))

    def bookings(self) -> None:
        """Find for each booking that no answer told of the call that made it.

        Of one client's calls that fit, the one that began last before the booking was made is taken: whichever it
        really was, it was on its way at that moment, and there is no more to explain.
        """
        told: dict[int, list[Call]] = defaultdict(list)
        for call in self.known:
            for booking in call.bookings.values():
                told[booking].append(call)
        rows = [row for row in self.table.rows if row.status in BOOKINGS]
        left = [row for row in rows if all(_only_repeats(call, row) for call in told[row.id])]
        left.sort(key=lambda row: row.created)
        asked = [call for call in self.unknown if call.verb in ("book", "confirm")]
        while left:
            row = left[0]
            fitting = ((call, self._made_by(call, row, left)) for call in _likeliest_first(asked, row.created))
            call, made = next((found for found in fitting if found[1]), (None, [row]))
            left = [other for other in left if other not in made]
            if call is None:
                if not any(row.created + APART >= other.start for other in told[row.id]):
                    self.faults.append(self._denied(row))
                continue
            asked.remove(call)
            bookings = {self._first_seat(other): other.id for other in made}
            end = min(self._booking_seen_by(other.id) for other in made)
            seats = call.seats or tuple(sorted(bookings))
            self.history.append(replace(call, bookings=bookings, seats=seats, outcome=OK, end=end))

    def _made_by(self, call: Call, row: Row, rows: list[Row]) -> list[Row]:
        """Give the bookings that a call has made if it has made this one: as many as it asked for, or none."""
        begun = min(row.created + APART, self._booking_seen_by(row.id))
        if (call.client, call.show) != (row.client, row.show) or call.start > begun:
            return []
        together = [other for other in rows if (other.client, other.show) == (row.client, row.show)]
        if call.verb == "confirm":
            return [other for other in together if other.hold == call.hold] if row.hold == call.hold else []
        if not call.best and self._first_seat(row) not in call.seats:
            return []
        together.sort(key=lambda other: other.created - row.created, reverse=True)
        nearest = {self._first_seat(other): other for other in together}
        wanted = (
            sorted(nearest.values(), key=lambda other: other.created) if call.best else map(nearest.get, call.seats)
        )
        made = [other for other in wanted if other][: _size(call)]
        return made if len(made) == _size(call) else []

    def _first_seat(self, row: Row) -> int:
        """Tell where a booking was before anybody moved it: where it was told of, or seen first."""
        if row.status not in BOOKINGS:
            return row.seat
        told = [
            (call.start, seat)
            for call in self.known
            for seat, booking in (call.bookings if call.verb != "bookings" else call.seen).items()
            if booking == row.id
        ]
        moved = [call for call in self.calls if call.verb == "move" and call.booking == row.id]
        return min(told)[1] if told and moved else row.seat

    def _denied(self, row: Row | HoldRow) -> str:
        """Contradict what every answer denied, and name the calls that were on their way when it was made."""
        then = [
            call.told(row.created)
            for call in self.calls
            if (call.client, call.show) == (row.client, row.show)
            and call.verb in WRITES
            and call.start - APART <= row.created <= call.until + APART
        ]
        return "\n".join([f"The table has {row}, which every answer denied; the client's calls at that time:", *then])

    def cancellings(self) -> None:
        """Find for each cancelled booking the call that did it, and contradict those that say they did."""
        cancels = _by_number(self.calls, "cancel")
        for row in self.table.rows:
            if row.status not in BOOKINGS:
                continue
            if any(call.outcome == OK for call in cancels[row.id]):
                if row.status == "booked":
                    self.faults.append(f"The table has {row} alive, whose cancelling was confirmed.")
            elif row.status == "cancelled":
                refused = [call for call in cancels[row.id] if call.outcome == "already_cancelled"]
                self._settle_first(cancels[row.id], self._seen_by(refused), f"The table has {row} cancelled")

    def releases(self) -> None:
        """Find for each hold that was released the call that did it, and contradict those that say they did."""
        releases = _by_number(self.calls, "release")
        for row in self.table.holds:
            if any(call.outcome == OK for call in releases[row.id]):
                if not row.is_released:
                    self.faults.append(f"The table has {row} unreleased, whose release was confirmed.")
            elif row.is_released:
                gone = [call for call in self.known if call.hold == row.id and call.outcome == "not_found"]
                self._settle_first(releases[row.id], self._seen_by(gone), f"The table has {row} released")

    def _settle_first(self, calls: list[Call], seen: int, found: str) -> None:
        """Say that the first call of unknown outcome did it, before it was seen."""
        unknown = [call for call in calls if call.outcome == UNKNOWN and call.start <= seen]
        if unknown:
            self.history.append(replace(unknown[0], outcome=OK, end=seen))
        else:
            self.faults.append(f"{found}, which nobody can have done.")

    def blocks(self) -> None:
        """Find what each blocking has left: its reason is its own."""
        seats: dict[str, set[int]] = defaultdict(set)
        for row in self.table.rows:
            if row.reason:
                seats[row.reason].add(row.seat)
        for call in self.calls:
            if call.verb == "block":
                found = seats.get(call.facts.get("reason", ""), set())
                if found and call.outcome == UNKNOWN:
                    self.history.append(replace(call, outcome=OK, end=self._blocks_seen_by(call)))
                if found != (set(call.seats) if call.outcome == OK or (found and call.outcome == UNKNOWN) else set()):
                    self.faults.append(f"The table has seats {sorted(found)} of {call.told(call.start)}")

    def _blocks_seen_by(self, call: Call) -> int:
        """Tell when a blocking was done at the latest: a seat was unblocked more often than others can have blocked it.

        One unblocking alone does not show that: it may have undone what another blocking did.
        """
        seen = []
        for seat in call.seats:
            about = [other for other in self.calls if other.show == call.show and seat in other.seats]
            others = [it for it in about if it.verb == "block" and it.outcome in (OK, UNKNOWN) and it is not call]
            unblocks = [it for it in self.history if _is_unblock(it, call.show, seat) and it.outcome == OK]
            seen += [
                it
                for it in unblocks
                if sum(other.until <= it.until for other in unblocks) > sum(other.start <= it.until for other in others)
            ]
        return self._seen_by(seen)

    def unblocks(self) -> None:
        """Find for each unblocking that no answer told of a call that may have done it.

        A row tells of each. Whichever of the calls without an answer did the first of them, the first of these calls
        had begun by then; and when the second was done, the second had. So that many of the calls are done once each,
        from when they began to when an answer shows that so many were done, and all others are not done.
        """
        freed = Counter((row.show, row.seat) for row in self.table.rows if row.reason and row.status == "freed")
        asked = {(call.show, call.seats[0]) for call in self.calls if call.verb == "unblock"}
        for show, seat in sorted({*freed, *asked}):
            told = sum(_is_unblock(call, show, seat) and call.outcome == OK for call in self.known)
            unknown = [call for call in self.unknown if _is_unblock(call, show, seat)]
            done = freed[show, seat] - told
            if done < 0:
                self.faults.append(f"The table has seat {seat} of show {show} blocked, whose unblocking was confirmed.")
            elif done > len(unknown):
                self.faults.append(f"The table has seat {seat} of show {show} unblocked, which nobody can have done.")
            for number, call in enumerate(unknown[: max(0, done)], start=1):
                self.history.append(replace(call, outcome=OK, end=self._unblocked_by(show, seat, number)))

    def _unblocked_by(self, show: int, seat: int, number: int) -> int:
        """Tell when the seat had been unblocked so many times without an answer at the latest.

        That is when an answer shows it unblocked, although so many more blockings were over than unblockings that an
        answer tells of had begun.
        """
        about = [call for call in self.known if call.show == show and seat in call.seats]
        blocks = [call for call in about if call.verb == "block" and call.outcome == OK]
        unblocks = [call for call in about if call.verb == "unblock" and call.outcome == OK]
        not_blocked = [call for call in about if call.verb == "unblock" and call.outcome == "not_found"]
        return self._seen_by(
            answer
            for answer in (*blocks, *not_blocked)
            if sum(call.until < answer.start for call in blocks) - sum(call.start <= answer.until for call in unblocks)
            >= number
        )

    # --- When it was done at the latest -----------------------------------------------------------

    def _seen_by(self, answers: Iterable[Call]) -> int:
        """Tell when it had been seen: in one of these answers, or in the table."""
        return min([self.table.end, *(call.until for call in answers)])

    def _booking_seen_by(self, booking: int) -> int:
        return self._seen_by(call for call in self.known if call.booking == booking or booking in _bookings_seen(call))

    # --- What was promised ------------------------------------------------------------------------

    def lost(self) -> None:
        """Contradict what was told of bookings and holds that are not there, or are others."""
        table = {row.id: row for row in self.table.rows if row.status in BOOKINGS}
        holds = {row.id: row for row in self.table.holds}
        moved = {call.booking for call in self.calls if call.verb == "move" and call.outcome in (OK, UNKNOWN)}
        told: set[int] = set()
        for call in self.known:
            for seat, booking in call.bookings.items():
                row = table.get(booking)
                if row is None:
                    self.faults.append(f"Booking {booking} of seat {seat} was confirmed, and is not in the table.")
                elif (row.client, row.show) != (call.client, call.show) or (row.seat != seat and booking not in moved):
                    self.faults.append(
                        f"Client {call.client} was told of booking {booking} of seat {seat}; it is {row}."
                    )
                if booking in told and call.verb == "book":
                    self.faults.append(f"Booking {booking} was the answer to two calls.")
                if call.verb == "book":
                    told.add(booking)
            if call.verb == "hold" and call.outcome == OK and (held := holds.get(call.hold or 0)) is None:
                self.faults.append(f"Hold {call.hold} was told of, and is not in the table.")
            elif call.verb == "hold" and call.outcome == OK and held and held.size != len(call.seats):
                self.faults.append(f"Client {call.client} was told of {len(call.seats)} seats of {held}.")

    def sold_twice(self) -> None:
        holders: dict[tuple[int, int], list[Row]] = defaultdict(list)
        for row in self.table.rows:
            if row.status in LIVE:
                holders[row.show, row.seat].append(row)
        self.faults += [
            f"Seat {seat} of show {show} is claimed {len(claims)} times: {', '.join(map(str, claims))}."
            for (show, seat), claims in sorted(holders.items())
            if len(claims) > 1
        ]


def _looks(calls: list[Call], table: Table) -> list[Call]:
    seen: dict[int, dict[int, tuple[str, int]]] = {show: {} for show in sorted({call.show for call in calls})}
    for row in table.rows:
        if row.status in LIVE and row.show in seen:
            number = {"booked": row.id, "held": row.hold or 0}.get(row.status, 0)
            seen[row.show][row.seat] = row.status, number
    return [Call(0, "read", show, table.start, table.end, OK, seen=it) for show, it in seen.items()]


def _is_unblock(call: Call, show: int, seat: int) -> bool:
    return call.verb == "unblock" and call.show == show and seat in call.seats


def _size(call: Call) -> int:
    return call.best or len(call.seats)


def _likeliest_first(calls: list[Call], created: int) -> list[Call]:
    """Order them: the last that began before the moment, then the earlier ones, then those that began just after."""
    return sorted(calls, key=lambda call: (call.start > created, -call.start))


def _may_have_held(call: Call, row: HoldRow, seats: set[int]) -> bool:
    if (call.client, call.show, _size(call)) != (row.client, row.show, row.size):
        return False
    return call.start <= row.created + APART and (bool(call.best) or seats <= set(call.seats))


def _only_repeats(call: Call, row: Row) -> bool:
    """Tell whether it tells of a booking that was made before: a confirming tells of all that the hold has become."""
    return call.verb == "confirm" and row.created < call.start


def _holds_seen(call: Call) -> Iterable[int]:
    return call.seen.values() if call.verb == "holds" else ()


def _bookings_seen(call: Call) -> Iterable[int]:
    return call.seen.values() if call.verb == "bookings" else ()


def _by_number(calls: list[Call], verb: str) -> dict[int, list[Call]]:
    """Sort the calls of a verb by their booking or hold, and each one's by their start."""
    found: dict[int, list[Call]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: call.start):
        if call.verb == verb:
            found[call.booking or call.hold or 0].append(call)
    return found
