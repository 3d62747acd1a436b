"""Is a history linearizable: is there one order of its calls, each between its start and its end, that explains all?

Each show is judged for itself, as one register of all its seats (tests.fight.register): so a call about several seats
acts on all of them at one instant, and a booking that moves is never on two seats nor on none. The search goes through
the calls' starts and ends in the order of time, and keeps every state that the show may be in: what its seats are, and
which of the calls on their way have been done already. Where a call ends, it must have been done; states in which it
cannot have been are given up. When none is left, that call's answer is a lie.

What changes nothing is done at the first moment that allows it, since nothing is gained by waiting; only what writes
branches. A state is dropped if another one has the same seats, and can still do whatever this one can (``_Front``). So
the states of most histories are few, however long they are.

Many overlapping calls of unknown outcome have too many orders to try. So the search counts its steps, and stops at a
bound: then the show is ``Undecided``. It is a count that is bounded, not the time, so a history has the same result on
every machine.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.fight.history import NOTHING_HAPPENED, UNKNOWN, Call
from tests.fight.register import FREE, Register, Seats, completed

_State = tuple[Seats, int]  # what the seats are; a bit for each call on its way that is done
_SHOWN = 3  # states that an explanation tells

MOST_STEPS = 2_000_000
"""The bound on the search for each show, in steps: a call tried in a state, or a state carried past a start or an end.
A fight takes about five for each call; so many take less than a minute."""


@dataclass(frozen=True)
class Violation:
    """A show whose history has no order: the answer that nothing explains, and what was before it."""

    show: int
    call: Call
    window: list[Call]
    """The calls that were on their way with it, after those which made what they found."""
    before: list[dict[int, str]]
    """What the seats may have been when it began: more than free, by their numbers."""

    def __str__(self) -> str:
        since = self.window[0].start
        return "\n".join(
            [
                f"Show {self.show}: no order of these calls explains the answer marked with >.",
                f"When it began, {self._seats_before()}.",
                *(f"{'>' if call is self.call else ' '} {call.told(since)}" for call in self.window),
            ]
        )

    def _seats_before(self) -> str:
        told = [
            ", ".join(f"seat {number} was {seat}" for number, seat in sorted(seats.items())) or "all seats were free"
            for seats in self.before[:_SHOWN]
        ]
        more = f"; or one of {len(self.before) - _SHOWN} other states" if len(self.before) > _SHOWN else ""
        return "; or ".join(told) + more


@dataclass(frozen=True)
class Undecided:
    """A show whose history has too many orders to try: neither explained nor contradicted."""

    show: int
    call: Call
    """The call at whose start or end the search stopped; all answers before its end are explained."""
    steps: int

    def __str__(self) -> str:
        return (
            f"Show {self.show}: undecided. The search stopped after {self.steps} steps, at this call:\n"
            f"  {self.call.told(self.call.start)}"
        )


def check(calls: Iterable[Call], *, most_steps: int = MOST_STEPS) -> list[Violation | Undecided]:
    """Judge each show; give the first violation of each that has one, and say which are undecided.

    ``most_steps`` is the bound on the search for each show.
    """
    shows: dict[int, list[Call]] = defaultdict(list)
    for call in calls:
        if call.outcome not in NOTHING_HAPPENED and not (call.outcome == UNKNOWN and not call.writes):
            shows[call.show].append(call)
    found = (_judge(show, history, most_steps) for show, history in sorted(shows.items()))
    return [verdict for verdict in found if verdict]


def _judge(show: int, history: list[Call], most_steps: int) -> Violation | Undecided | None:
    history = completed(history)
    search = _Search(history, most_steps)
    try:
        unexplained = search.first_unexplained()
    except _TooManySteps:
        return Undecided(show, history[search.current], most_steps)
    if unexplained is None:
        return None
    search = _Search(history, most_steps)
    search.first_unexplained(until=unexplained)
    return Violation(show, unexplained, search.window_of(unexplained), search.seats_that_are_not_free())


class _TooManySteps(Exception):
    """The search has taken as many steps as it may."""


class _Front:
    """States, without those that are dominated by another one.

    A state dominates another one with the same seats if it has done no optional call that the other has not done, has
    done each look that the other has done, and differs in nothing else: whatever the other can still do, it can do too,
    with the same effect. A call is optional if it need not be done and no answer depends on whether it was
    (``_Search._optional_calls``).
    """

    def __init__(self, optional: int, looks: int) -> None:
        self.compared = optional | looks
        self.looks = looks
        self.costs: dict[_State, list[int]] = {}  # optional calls done and looks not done, by what must be equal

    def add(self, state: _State) -> bool:
        """Add a state unless it is dominated, and drop those that it dominates; tell whether it was added."""
        seats, done = state
        flipped = done ^ self.looks
        cost = flipped & self.compared
        costs = self.costs.setdefault((seats, flipped & ~self.compared), [])
        if any(other & cost == other for other in costs):
            return False
        costs[:] = [other for other in costs if other & cost != cost] + [cost]
        return True

    def states(self) -> Iterator[_State]:
        for (seats, equal), costs in self.costs.items():
            for cost in costs:
                yield seats, (equal | cost) ^ self.looks


class _Search:
    """The states that a show may be in, from one end or start of a call to the next."""

    def __init__(self, history: list[Call], most_steps: int) -> None:
        self.history = history
        self.register = Register(history)
        self.optional = self._optional_calls()
        self.bits: dict[int, int] = {}  # of each call on its way, by its index
        self.free_bits: list[int] = []
        self.ended: set[int] = set()
        self.states: list[_State] = [((FREE,) * len(self.register.numbers), 0)]
        self.current = 0  # the call at whose start or end the search is
        self.steps_left = most_steps

    def _optional_calls(self) -> set[int]:
        """Find the calls that need not be done, and of which no answer tells whether they were.

        They are those that were never answered, and expiries: as long as the hold is not there, its expiry has no
        effect, and so can be done just before the hold is made, if at all.
        """
        consulted = {it for index in range(len(self.history)) for it in self.register.consulted_by(index)}
        return {
            index
            for index, call in enumerate(self.history)
            if call.writes and index not in consulted and (call.end is None or call.verb == "expire")
        }

    def first_unexplained(self, *, until: Call | None = None) -> Call | None:
        """Give the first call whose answer cannot be; go no further than to the start of ``until``.

        :raises _TooManySteps: the bound is reached.
        """
        for _, ends, index in self._events():
            if self.history[index] is until:
                break
            self.current = index
            if not ends:
                self._start(index)
            elif not self._end(index):
                return self.history[index]
        return None

    def _events(self) -> list[tuple[int, bool, int]]:
        """Order the starts and ends; of the same moment starts come first, since such calls may overlap."""
        events = []
        for index, call in enumerate(self.history):
            events.append((call.start, False, index))
            if call.end is not None:
                events.append((call.end, True, index))
        return sorted(events)

    def _start(self, index: int) -> None:
        self._count(len(self.states))
        self.bits[index] = self.free_bits.pop() if self.free_bits else 1 << len(self.bits)
        # A hold that is gone and now runs out as well may be what a look has waited for.
        indices = [*self.bits] if self.history[index].writes else [index]
        self.states = [self._with_what_changes_nothing(state, indices) for state in self.states]

    def _end(self, index: int) -> bool:
        """Keep the states in which the call has been done, and tell whether there are any."""
        self._count(len(self.states))
        bit = self.bits[index]
        front = self._empty_front(but=index)
        ahead = deque(state for state in self.states if front.add(state) and not state[1] & bit)
        while ahead:
            for state in self._next(ahead.popleft()):
                if front.add(state) and not state[1] & bit:
                    ahead.append(state)
        self.states = [(seats, done & ~bit) for seats, done in front.states() if done & bit]
        del self.bits[index]
        self.free_bits.append(bit)
        self.ended.add(index)
        return bool(self.states)

    def _empty_front(self, *, but: int) -> _Front:
        """Make a front for the calls on their way; the one that ends now has to be done, and so is not optional."""
        on_the_way = [(index, bit) for index, bit in self.bits.items() if index != but]
        optional = sum(bit for index, bit in on_the_way if index in self.optional)
        return _Front(optional, looks=sum(bit for index, bit in on_the_way if not self.history[index].writes))

    def _count(self, steps: int) -> None:
        self.steps_left -= steps
        if self.steps_left < 0:
            raise _TooManySteps

    def _next(self, state: _State) -> Iterator[_State]:
        """Do one of the writing calls on their way, and then whatever can only look."""
        seats, done = state
        for index, bit in self.bits.items():
            call = self.history[index]
            if done & bit or not call.writes:
                continue
            self._count(1)
            for after in self.register.after(call, seats, partial(self._was_done, done)):
                yield self._with_what_changes_nothing((after, done | bit), self.bits)

    def _with_what_changes_nothing(self, state: _State, indices: Iterable[int]) -> _State:
        """Do of these calls those that can't do anything any more, and then those that only look and are right now."""
        seats, done = state
        for index in sorted(indices, key=lambda index: not self.history[index].writes):
            call, bit = self.history[index], self.bits[index]
            can_be_done = self.register.is_idle if call.writes else self.register.is_true
            if not done & bit and can_be_done(call, seats, partial(self._was_done, done)):
                done |= bit
        return seats, done

    def _was_done(self, done: int, indices: Iterable[int]) -> bool:
        return any(index in self.ended or done & self.bits.get(index, 0) for index in indices)

    # --- What an explanation tells ------------------------------------------------------------

    def seats_that_are_not_free(self) -> list[dict[int, str]]:
        """Tell what the seats may be now, each possibility once."""
        numbers = self.register.numbers
        return [
            {number: str(seat) for number, seat in zip(numbers, seats, strict=True) if seat != FREE}
            for seats in sorted({seats for seats, _ in self.states})
        ]

    def window_of(self, unexplained: Call) -> list[Call]:
        """Give the calls on their way with it that concern the same seats, after those which made what is there now."""
        concerned = self.register.seats_of_call(unexplained)
        there = {
            (seat.status == "booked", seat.number)
            for seats, _ in self.states
            for number, seat in zip(self.register.numbers, seats, strict=True)
            if number in concerned and seat.number
        }
        window = [
            call
            for call in self.history
            if call is unexplained
            or (call.writes and call.start < unexplained.start and not there.isdisjoint(_makes(call)))
            or (_overlap(call, unexplained) and call.writes and concerned & self.register.seats_of_call(call))
        ]
        return sorted(window, key=lambda call: call.start)


def _overlap(one: Call, other: Call) -> bool:
    return one.start <= other.until and other.start <= one.until


def _makes(call: Call) -> set[tuple[bool, int]]:
    """Tell which bookings (True) and holds (False) a call made, or put where they are."""
    made = {(True, booking) for booking in call.bookings.values()}
    if call.verb == "move":
        made.add((True, call.booking or 0))
    if call.verb in ("hold", "extend"):
        made.add((False, call.hold or 0))
    return made
