"""Is a history linearizable: is there one order of its calls, each between its start and its end, that explains all?

Each seat is judged for itself, as a register that is free or held by one booking. The search goes through the calls'
starts and ends in the order of time, and keeps every state that the seat may be in: who holds it, and which of the
calls on their way have been done already. Where a call ends, it must have been done; states in which it cannot have
been are given up. When none is left, that call's answer is a lie.

What changes nothing is done at the first moment that allows it, since nothing is gained by waiting; only bookings and
cancellations branch. So the states are few, however long the history is.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, combinations

from tests.fight.history import NOTHING_HAPPENED, UNKNOWN, Call

FREE = 0
SOMEBODY = -1  # a booking that the calls of a window do not mention

_State = tuple[int, int]  # who holds the seat; a bit for each call on its way that is done
_OVERLAP = 4  # calls that a window may cut through
_FEW = 400  # calls of which each is tried


@dataclass(frozen=True)
class Violation:
    """A seat whose history has no order, and the fewest calls that show it."""

    show: int
    seat: int
    call: Call
    window: list[Call]

    def __str__(self) -> str:
        since = self.window[0].start
        lines = [
            f"Seat {self.seat} of show {self.show}: no order of these calls explains the answer marked with >,",
            "whatever was before them.",
        ]
        for call in self.window:
            lines.append(f"{'>' if call is self.call else ' '} {call.told(since)}")
        return "\n".join(lines)


def check(calls: Iterable[Call]) -> list[Violation]:
    """Judge each seat; give the first violation of each that has one."""
    seats: dict[tuple[int, int], list[Call]] = defaultdict(list)
    for call in calls:
        if call.outcome not in NOTHING_HAPPENED and not (call.outcome == UNKNOWN and not call.writes):
            seats[call.show, call.seat].append(call)
    found = (_judge(show, seat, history) for (show, seat), history in sorted(seats.items()))
    return [violation for violation in found if violation]


def _judge(show: int, seat: int, history: list[Call]) -> Violation | None:
    history.sort(key=lambda call: call.start)
    unexplained = _Search(history).first_unexplained()
    if unexplained is None:
        return None
    return Violation(show, seat, unexplained, _fewest(history, unexplained))


class _Search:
    """The states that a seat may be in, from one end or start of a call to the next.

    With ``since`` it begins in the middle of a history, with every state that could be there; with ``until`` it stops
    before the end.
    """

    def __init__(self, history: list[Call], *, since: int | None = None, until: int | None = None) -> None:
        self.history = history
        self.owner = {call.booking: call.client for call in history if call.verb == "book" and call.booking}
        self.booked_by = {call.booking: index for index, call in enumerate(history) if _books(call) and call.booking}
        self.bits: dict[int, int] = {}  # of each call on its way, by its index
        self.free_bits: list[int] = []
        self.ended: set[int] = set()
        self.states: set[_State] = {(FREE, 0)}
        self.events = self._events(range(len(history)))
        if since is not None:
            self._begin_at(since)
        if until is not None:
            self.events = [event for event in self.events if event[0] <= until]

    def first_unexplained(self) -> Call | None:
        for _, ends, index in self.events:
            if not ends:
                self._start(index)
            elif not self._end(index):
                return self.history[index]
        return None

    def _events(self, indices: Iterable[int]) -> list[tuple[int, bool, int]]:
        """Order the starts and ends; of the same moment starts come first, since such calls may overlap."""
        events = []
        for index in indices:
            call = self.history[index]
            events.append((call.start, False, index))
            if call.end is not None:
                events.append((call.end, True, index))
        return sorted(events)

    def _begin_at(self, since: int) -> None:
        """Allow every holder, and that of the calls cut through any were done before."""
        later = [index for index, call in enumerate(self.history) if call.start >= since]
        cut = [
            index
            for index, call in enumerate(self.history)
            if call.start < since and call.until >= since and call.writes
        ]
        self.ended = {index for index, call in enumerate(self.history) if call.until < since}
        bits = [self._take_bit(index) for index in cut]
        holders = {FREE, SOMEBODY, *(call.booking for call in self.history if call.booking and call.until >= since)}
        done = chain.from_iterable(combinations(bits, size) for size in range(len(bits) + 1))
        self.states = {(holder, sum(some)) for some in done for holder in holders}
        self.events = [event for event in self._events([*cut, *later]) if event[0] >= since]

    def _take_bit(self, index: int) -> int:
        bit = self.free_bits.pop() if self.free_bits else 1 << len(self.bits)
        self.bits[index] = bit
        return bit

    def _start(self, index: int) -> None:
        self._take_bit(index)
        if not self.history[index].writes:
            self.states = {self._done_where_it_can_be(state, [index]) for state in self.states}

    def _end(self, index: int) -> bool:
        """Keep the states in which the call has been done, and tell whether there are any."""
        bit = self.bits[index]
        kept = {state for state in self.states if state[1] & bit}
        seen = self.states - kept
        ahead = list(seen)
        while ahead:
            for state in self._next(ahead.pop()):
                if state[1] & bit:
                    kept.add(state)
                elif state not in seen:
                    seen.add(state)
                    ahead.append(state)
        self.states = {(holder, done & ~bit) for holder, done in kept}
        del self.bits[index]
        self.free_bits.append(bit)
        self.ended.add(index)
        return bool(kept)

    def _next(self, state: _State) -> Iterable[_State]:
        """Do one of the bookings and cancellations on their way, and then whatever can only look."""
        holder, done = state
        for index, bit in self.bits.items():
            call = self.history[index]
            if done & bit or not call.writes:
                continue
            if call.verb == "book" and holder == FREE:
                # A booking that nobody ever saw has a number all the same.
                after = call.booking or -2 - index
            elif call.verb == "cancel" and holder == call.booking:
                after = FREE
            else:
                continue
            yield self._done_where_it_can_be((after, done | bit), self.bits)

    def _done_where_it_can_be(self, state: _State, indices: Iterable[int]) -> _State:
        holder, done = state
        for index in indices:
            call = self.history[index]
            if not call.writes and not done & self.bits[index] and self._is_true(call, holder, done):
                done |= self.bits[index]
        return holder, done

    def _is_true(self, call: Call, holder: int, done: int) -> bool:
        """Tell whether the answer is right at a moment when the seat is held like this."""
        match call.verb, call.outcome:
            case "book", "seat_taken" | "show_full":
                return holder != FREE
            case "cancel", "already_cancelled":
                return holder != call.booking and self._was_booked(call.booking, done)
            case "look", _ if call.booking is None:
                return self.owner.get(holder) != call.client
            case "look" | "read", _:
                return holder == (call.booking or FREE)
        # Nothing else is true of one's own booking, nor of a seat that exists in a show that has not begun.
        return False

    def _was_booked(self, booking: int | None, done: int) -> bool:
        index = self.booked_by.get(booking)
        if index is None:
            return False
        return index in self.ended or bool(done & self.bits.get(index, 0))


def _books(call: Call) -> bool:
    return call.verb == "book" and call.writes


def _fewest(history: list[Call], unexplained: Call) -> list[Call]:
    """Find the latest beginning from which there still is no order, and leave out what only looks and is not needed."""
    until = unexplained.until
    since = _latest_beginning(history, unexplained)
    window = [call for call in history if call.start <= until and (since is None or _has_part(call, since))]
    # Of what was before, only who had booked what is still of interest.
    kept = [call for call in history if _books(call) or any(call is other for other in window)]
    if len(window) > _FEW:
        return window
    for call in window[:]:
        # Without an answer there is less to explain; without a booking there would be another history.
        fewer = [other for other in kept if other is not call]
        if call is unexplained or call.writes:
            continue
        if _Search(fewer, since=since, until=until).first_unexplained():
            kept = fewer
            window.remove(call)
    return window


def _latest_beginning(history: list[Call], unexplained: Call) -> int | None:
    """Give the latest moment after which there is no order whatever was before it; None if all is needed."""
    until = unexplained.until
    beginnings = sorted({call.start for call in history if call.start <= unexplained.start})
    writes = [call for call in history if call.writes]
    beginnings = [since for since in beginnings if _cut_through(writes, since) <= _OVERLAP]

    def has_an_order(since: int) -> bool:
        return _Search(history, since=since, until=until).first_unexplained() is None

    # Whoever sees more of a history has more to explain: where there is no order, there is none from earlier on either.
    first_with_an_order = bisect_left(beginnings, True, key=has_an_order)
    return beginnings[first_with_an_order - 1] if first_with_an_order else None


def _cut_through(writes: list[Call], since: int) -> int:
    return sum(call.start < since <= call.until for call in writes)


def _has_part(call: Call, since: int) -> bool:
    return call.start >= since or (call.writes and call.until >= since)
