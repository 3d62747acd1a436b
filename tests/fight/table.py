"""What the table says when the fight is over: it decides the unknown, and contradicts what was promised.

Bookings, holds and blocked seats stay as rows when they are over. So whatever was done has left its trace, and a call
of unknown outcome either finds its rows here or was never done; a group finds all its rows or none. Only of a move and
of an extension there may be no trace: those stay unknown, and the checker tries both.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.fight.assignment import assign
from tests.fight.history import HOLD_SECONDS, NOTHING_HAPPENED, OK, TOLERANCE, UNKNOWN, WRITES, Call

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
        self.hold_seen_by: dict[int, int] = defaultdict(lambda: table.end)  # in an answer, or in the table
        self.booking_seen_by: dict[int, int] = defaultdict(lambda: table.end)
        self.first_seats: dict[int, int] = {}  # of bookings: where they were told of, or seen first
        self.seats_of_hold: dict[int, set[int]] = defaultdict(set)  # as far as nobody has taken them over since
        self._look_through()

    def _look_through(self) -> None:
        """Note when bookings and holds were seen, and what their seats were."""
        for call in self.known:
            for hold in (call.hold, *_holds_seen(call)):
                if hold is not None:
                    self.hold_seen_by[hold] = min(call.until, self.hold_seen_by[hold])
            for booking in (call.booking, *call.bookings.values(), *_bookings_seen(call)):
                if booking is not None:
                    self.booking_seen_by[booking] = min(call.until, self.booking_seen_by[booking])
        moved = {call.booking for call in self.calls if call.verb == "move"}
        for call in sorted(self.known, key=lambda call: call.start):
            for seat, booking in (call.seen if call.verb == "bookings" else call.bookings).items():
                if booking in moved:
                    self.first_seats.setdefault(booking, seat)
        for row in self.table.rows:
            if row.hold is not None:
                self.seats_of_hold[row.hold].add(self._first_seat(row))

    # --- What no answer told of ---------------------------------------------------------------

    def holds(self) -> None:
        """Find for each hold that no answer told of the call that made it."""
        told = {call.hold for call in self.known if call.verb == "hold" and call.outcome == OK}
        asked = [call for call in self.unknown if call.verb == "hold"]
        rows = [row for row in self.table.holds if row.id not in told]
        for call, (row,) in assign(rows, asked, lambda call, row, _: [row] if self._may_have_held(call, row) else []):
            if call is None:
                self.faults.append(self._denied(row))
                continue
            makers = [other for other in asked if self._may_have_held(other, row)]
            end = self.hold_seen_by[row.id]
            held = replace(call, hold=row.id, outcome=OK, start=_earliest_start(makers, row.created, end), end=end)
            held.expires = row.created + HOLD_SECONDS * 10**9
            if call.best or any(other.seats != call.seats for other in makers):
                # Another call may have made it, of other seats; others may have taken over seats that it had.
                held.seats, held.best = tuple(sorted(self.seats_of_hold[row.id])), row.size
            self.history.append(held)

    def _may_have_held(self, call: Call, row: HoldRow) -> bool:
        if (call.client, call.show, _size(call)) != (row.client, row.show, row.size):
            return False
        if call.start > min(row.created + APART, self.hold_seen_by[row.id]):
            return False
        return bool(call.best) or self.seats_of_hold[row.id] <= set(call.seats)

    def bookings(self) -> None:
        """Find for each booking that no answer told of the call that made it.

        If several may have made the bookings of a group, and asked for different seats, it is not known that they were
        made by one call, at one instant: then each is said to be made by a call of its own. So is a booking that a
        confirming tells of, if another call may have made it before.
        """
        told: dict[int, list[Call]] = defaultdict(list)
        for call in self.known:
            for booking in call.bookings.values():
                told[booking].append(call)
        asked = [call for call in self.unknown if call.verb in ("book", "confirm")]
        # A confirming tells of all that the hold has become, also of what was booked before by another call.
        rows = [
            row
            for row in self.table.rows
            if row.status in BOOKINGS and all(call.verb == "confirm" for call in told[row.id])
        ]
        optional = {row.id for row in rows if any(call.start <= row.created + APART for call in told[row.id])}
        for maker, made in assign(rows, asked, self._made_by, optional=optional):
            makers = [call for call in asked if any(self._may_have_booked(call, row) for row in made)]
            if maker is None and made[0].id not in optional:
                self.faults.append(self._denied(made[0]))
            elif maker is not None and _ask_for_the_same(makers):
                self.history.append(self._booked(maker, makers, made))
            elif makers:
                single = replace(makers[0], verb="book", seats=(), best=0, hold=None)
                self.history += [self._booked(single, makers, [row]) for row in made]

    def _booked(self, call: Call, makers: list[Call], rows: list[Row]) -> Call:
        """Say that a call made these bookings, when one of those that may have made them did."""
        bookings = {self._first_seat(row): row.id for row in rows}
        end = min(self.booking_seen_by[row.id] for row in rows)
        start = _earliest_start(makers, max(row.created for row in rows), end)
        seats = call.seats or tuple(sorted(bookings))
        return replace(call, outcome=OK, bookings=bookings, seats=seats, start=start, end=end)

    def _may_have_booked(self, call: Call, row: Row) -> bool:
        begun = min(row.created + APART, self.booking_seen_by[row.id])
        if (call.client, call.show) != (row.client, row.show) or call.start > begun:
            return False
        if call.verb == "confirm":
            return row.hold == call.hold
        return bool(call.best) or self._first_seat(row) in call.seats

    def _made_by(self, call: Call, row: Row, rows: list[Row]) -> list[Row]:
        """Give the bookings that a call has made if it has made this one: as many as it asked for, or none."""
        if not self._may_have_booked(call, row):
            return []
        # Made at one instant: none was seen before another one was made.
        together = [
            other
            for other in rows
            if self._may_have_booked(call, other)
            and other.created - APART <= self.booking_seen_by[row.id]
            and row.created - APART <= self.booking_seen_by[other.id]
        ]
        if call.verb == "confirm":
            return together
        together.sort(key=lambda other: other.created, reverse=True)
        first_of_seat = {self._first_seat(other): other for other in together}
        groups = [call.seats]
        if call.best:  # side by side, with this one among them
            seat = self._first_seat(row)
            groups = [tuple(range(start, start + call.best)) for start in range(seat - call.best + 1, seat + 1)]
        found = [[first_of_seat[seat] for seat in seats] for seats in groups if first_of_seat.keys() >= {*seats}]
        return min(found, key=lambda made: max(other.created for other in made), default=[])

    def _first_seat(self, row: Row) -> int:
        """Tell where a booking was before anybody moved it."""
        return self.first_seats.get(row.id, row.seat) if row.status in BOOKINGS else row.seat

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


def _earliest_start(makers: list[Call], created: int, end: int) -> int:
    """Tell when what was created at that moment, by the clock of the database, can have been done at the earliest."""
    return min(end, max(created - TOLERANCE, min(maker.start for maker in makers)))


def _ask_for_the_same(calls: list[Call]) -> bool:
    """Tell whether all would make the same bookings; which are the best seats depends on the moment."""
    wanted = {(call.verb, call.hold, call.seats) for call in calls}
    return len(calls) == 1 or (len(wanted) == 1 and not calls[0].best)


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
