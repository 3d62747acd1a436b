"""The seats of a show as a register: what each call does to them, and when an answer is true of them.

A seat is free, held by a hold until a moment, booked by a booking, or blocked. A hold that runs out leaves its seats
``lapsed``: free for everybody else, while whoever asked to confirm, extend or release it before that moment may still
be heard if nobody was faster, since the service judges by the clock first and commits afterwards.

A call acts on all its seats at one instant or on none, so the seats of a show are one register, not one each.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations, groupby
from typing import NamedTuple

from tests.fight.history import HOLD_SECONDS, OK, TOLERANCE, UNKNOWN, Call


class Seat(NamedTuple):
    status: str
    number: int = 0
    """Of the booking or the hold."""
    expires: int = 0

    def __str__(self) -> str:
        kind = {"booked": " (booking", "held": " (hold", "lapsed": " (hold"}.get(self.status)
        return f"{self.status}{kind} {self.number})" if kind else self.status


FREE = Seat("free")
BLOCKED = Seat("blocked")

Seats = tuple[Seat, ...]
WasDone = Callable[[Iterable[int]], bool]
"""Tells whether any of these calls, by their indices, has been done."""


class Register:
    """What the calls of one show mean. Its state is a tuple of seats, in the order of ``numbers``."""

    def __init__(self, history: list[Call]) -> None:
        """Take a history that is ``completed``."""
        self.history = history
        self.numbers = sorted({seat for call in history for seat in (*call.seats, *call.bookings, *call.seen)})
        self.place = {number: place for place, number in enumerate(self.numbers)}
        self.owner: dict[int, int] = {}  # who made a booking
        self.holder: dict[int, int] = {}  # who made a hold
        self.seats_of: dict[int, tuple[int, ...]] = {}  # of a hold
        self.making: dict[tuple[int, int], list[int]] = defaultdict(list)  # calls, by hold and when it then runs out
        self.telling: dict[tuple[str, int], list[int]] = defaultdict(list)  # calls, by what they did to what
        self.taken_by: dict[tuple[str, int, int], list[int]] = defaultdict(list)  # calls, by verb, client and seat
        for index, call in enumerate(history):
            if call.writes:
                self._note(index, call)

    def _note(self, index: int, call: Call) -> None:
        for seat, booking in call.bookings.items():
            self.owner[booking] = call.client
            self.telling["booking", booking].append(index)
            self.taken_by[call.verb, call.client, seat].append(index)
        if call.verb == "move":
            self.telling["move", call.booking or 0].append(index)
            self.taken_by["move", call.client, call.seats[0]].append(index)
        if call.hold is not None:
            self.telling[call.verb, call.hold].append(index)
            if call.verb in ("hold", "extend"):
                self.making[call.hold, call.expires or 0].append(index)
            if call.verb == "hold":
                self.holder[call.hold], self.seats_of[call.hold] = call.client, call.seats

    def seats_of_call(self, call: Call) -> set[int]:
        """Tell which seats a call may be about."""
        named = {*call.seats, *call.bookings, *call.seen, *self.seats_of.get(call.hold or 0, ())}
        places = [self.history[index] for index in self.telling["booking", call.booking or 0]]
        places += [self.history[index] for index in self.telling["move", call.booking or 0]]
        named |= {seat for place in places for seat in (*place.seats, *place.bookings)}
        return named or set(self.numbers)

    def consulted_by(self, index: int) -> Iterator[int]:
        """Give the other calls on which the answer of this one depends: whether they were done.

        It names each that ``is_true`` or ``after`` asks ``was_done`` about, but for the moments at which holds run out
        that ``_held`` asks about.
        """
        call = self.history[index]
        hold = call.hold or 0
        match call.verb, call.outcome:
            case "confirm", "ok" | "unknown":
                asked = [it for booking in call.bookings.values() for it in self.telling["booking", booking]]
                yield from (it for it in asked if it != index)
            case _, "already_cancelled":
                yield from self.telling["booking", call.booking or 0]
            case _, "hold_expired":
                yield from (*self.telling["expire", hold], *self._taking(["move"], hold))
            case _, "hold_confirmed":
                yield from (*self.telling["confirm", hold], *self._taking(["book", "move"], hold))
            case _, "not_found":
                yield from self.telling["release", hold]

    def _taking(self, verbs: list[str], hold: int) -> Iterator[int]:
        """Give the calls by which the holder took seats of the hold one by one."""
        for seat in self.seats_of.get(hold, ()):
            for verb in verbs:
                yield from self.taken_by[verb, self.holder.get(hold, 0), seat]

    # --- What a call does -------------------------------------------------------------------

    def after(self, call: Call, state: Seats, was_done: WasDone) -> Iterable[Seats]:
        """Give the states that it may lead to; none, if it can't be done at this moment."""
        match call.verb:
            case "book":
                return self._take(state, call, {seat: Seat("booked", it) for seat, it in call.bookings.items()})
            case "hold":
                return self._hold(call, state, was_done)
            case "block":
                return self._take(state, call, dict.fromkeys(call.seats, BLOCKED))
            case "unblock":
                return self._put(state, dict.fromkeys(call.seats, FREE)) if self._all(state, call, "blocked") else ()
            case "cancel":
                return self._put(state, dict.fromkeys(self._seats_of_booking(state, call.booking), FREE))
            case "move":
                return self._move(state, call)
            case "confirm":
                return self._confirm(call, state, was_done)
            case "extend":
                return self._put(state, dict.fromkeys(self._still_held(state, call), self._held(call, was_done)))
            case "release":
                return self._put(state, dict.fromkeys(self._still_held(state, call), FREE))
            case "expire":
                return self._expire(state, call)
        raise ValueError(call.verb)

    def _take(self, state: Seats, call: Call, wanted: dict[int, Seat]) -> Iterable[Seats]:
        if all(self._can_be_had(state, seat, call) for seat in wanted):
            return self._put(state, wanted)
        return ()

    def _hold(self, call: Call, state: Seats, was_done: WasDone) -> Iterator[Seats]:
        held = self._held(call, was_done)
        others = [number for number in self.numbers if number not in call.seats]
        # Which seats the service chose is not always known.
        for more in combinations(others, max(0, call.best - len(call.seats))):
            yield from self._take(state, call, dict.fromkeys((*call.seats, *more), held))

    def _held(self, call: Call, was_done: WasDone) -> Seat:
        hold, expires = call.hold or 0, call.expires or 0
        has_run_out = was_done(
            index for index in self.telling["expire", hold] if self.history[index].expires == expires
        )
        return Seat("lapsed" if has_run_out else "held", hold, expires)

    def _move(self, state: Seats, call: Call) -> Iterable[Seats]:
        (target,) = call.seats
        left = self._seats_of_booking(state, call.booking)
        if target in left:
            return (state,)
        if not left or not self._can_be_had(state, target, call):
            return ()
        return self._put(state, {**dict.fromkeys(left, FREE), target: Seat("booked", call.booking or 0)})

    def _confirm(self, call: Call, state: Seats, was_done: WasDone) -> Iterable[Seats]:
        made, held = call.bookings, self._still_held(state, call)
        if not made.keys() >= set(held):
            return ()
        # Some of its seats may have been booked before, one by one; or all, when it is confirmed once more.
        if all(was_done(self.telling["booking", made[seat]]) for seat in made if seat not in held):
            return (state,) if not held else self._put(state, {seat: Seat("booked", made[seat]) for seat in held})
        return ()

    def _expire(self, state: Seats, call: Call) -> Iterable[Seats]:
        held = Seat("held", call.hold or 0, call.expires or 0)
        if held in state:
            return (tuple(held._replace(status="lapsed") if seat == held else seat for seat in state),)
        return () if call.end is None else (state,)

    def _put(self, state: Seats, changes: dict[int, Seat]) -> Iterable[Seats]:
        if not changes:
            return ()
        seats = list(state)
        for number, seat in changes.items():
            seats[self.place[number]] = seat
        return (tuple(seats),)

    def is_idle(self, call: Call, state: Seats, was_done: WasDone) -> bool:
        """Tell whether it can't do anything any more, whenever it is done: what it is about was there, and is gone."""
        if call.verb == "expire":
            made = self.making[call.hold or 0, call.expires or 0]
            return Seat("held", call.hold or 0, call.expires or 0) not in state and all(was_done([it]) for it in made)
        if call.end is not None:
            return False
        if call.verb == "move":
            return not self._seats_of_booking(state, call.booking) and was_done(
                self.telling["booking", call.booking or 0]
            )
        if call.verb == "extend":
            there = any(seat.number == call.hold and seat.status in ("held", "lapsed") for seat in state)
            return not there and was_done(self.telling["hold", call.hold or 0])
        return False

    # --- When an answer is true -----------------------------------------------------------------

    def is_true(self, call: Call, state: Seats, was_done: WasDone) -> bool:
        """Tell whether a refusal, or what a look saw, is right at this moment."""
        match call.outcome:
            case "seat_taken":
                return self._all(state, call, "booked")
            case "seat_blocked":
                return self._all(state, call, "blocked")
            case "seat_held":
                return self._all(state, call, "held") and not self._can_be_had(state, call.seats[0], call)
            case "seats_unavailable":
                missing = [seat for seat in call.seats if not self._can_be_had(state, seat, call)]
                return missing == call.facts["seat_numbers"]
            case "show_full":
                return all(seat.status in ("booked", "blocked") for seat in state)
            case "no_adjacent_seats":
                return largest_block(state) == call.facts["largest_block"]
            case "too_many_held":
                return len(self._holds(state, call.client)) == call.facts["held"]
            case "already_cancelled":
                there = self._seats_of_booking(state, call.booking)
                return not there and was_done(self.telling["booking", call.booking or 0])
            case "hold_expired":
                is_over = was_done(self.telling["expire", call.hold or 0])
                # Of a hold whose seats were all moved to there is nothing to tell when it is confirmed.
                is_gone = call.verb == "confirm" and self._each_was(["move"], call.hold or 0, was_done)
                return (is_over or is_gone) and not self._has(state, call.hold)
            case "hold_confirmed":
                return self._was_used_up(call.hold or 0, was_done) and not self._has(state, call.hold)
            case "not_found" if call.verb == "unblock":
                return not self._all(state, call, "blocked")
            case "not_found":
                return was_done(self.telling["release", call.hold or 0])
            case "ok":
                return self._sees(call, state)
        # Nothing else is true of what is one's own, nor of a seat that exists in a show that has not begun.
        return False

    def _sees(self, call: Call, state: Seats) -> bool:
        match call.verb:
            case "bookings":
                return call.seen == {
                    number: seat.number
                    for number, seat in zip(self.numbers, state, strict=True)
                    if seat.status == "booked" and self.owner.get(seat.number) == call.client
                }
            case "holds":
                return call.seen == self._holds(state, call.client)
            case "map":
                return all(self._shown(state[self.place[seat]], call.client) == it for seat, it in call.seen.items())
            case "read":
                return all(
                    _written(seat) == call.seen.get(number) or (seat.status == "lapsed" and number not in call.seen)
                    for number, seat in zip(self.numbers, state, strict=True)
                )
        return False

    def _shown(self, seat: Seat, client: int) -> tuple[str, bool]:
        """Tell a seat as the map shows it to a client."""
        if seat.status == "booked":
            return "booked", self.owner.get(seat.number) == client
        if seat.status == "held":
            return "held", self.holder.get(seat.number) == client
        return ("blocked" if seat.status == "blocked" else "available"), False

    def _holds(self, state: Seats, client: int) -> dict[int, int]:
        return {
            number: seat.number
            for number, seat in zip(self.numbers, state, strict=True)
            if seat.status == "held" and self.holder.get(seat.number) == client
        }

    def _was_used_up(self, hold: int, was_done: WasDone) -> bool:
        """Tell whether it was confirmed, or its seats were booked or moved to one by one."""
        return was_done(self.telling["confirm", hold]) or self._each_was(["book", "move"], hold, was_done)

    def _each_was(self, verbs: list[str], hold: int, was_done: WasDone) -> bool:
        client, seats = self.holder.get(hold, 0), self.seats_of.get(hold, ())
        return bool(seats) and all(
            was_done(index for verb in verbs for index in self.taken_by[verb, client, seat]) for seat in seats
        )

    # --- What both look at ----------------------------------------------------------------------

    def _can_be_had(self, state: Seats, number: int, call: Call) -> bool:
        seat = state[self.place[number]]
        if seat.status == "held" and call.verb in ("book", "move"):
            return self.holder.get(seat.number) == call.client
        return seat.status in ("free", "lapsed")

    def _all(self, state: Seats, call: Call, status: str) -> bool:
        return all(state[self.place[number]].status == status for number in call.seats)

    def _has(self, state: Seats, hold: int | None) -> bool:
        return any(seat.status == "held" and seat.number == hold for seat in state)

    def _seats_of_booking(self, state: Seats, booking: int | None) -> list[int]:
        return [
            number
            for number, seat in zip(self.numbers, state, strict=True)
            if seat.status == "booked" and seat.number == booking
        ]

    def _still_held(self, state: Seats, call: Call) -> list[int]:
        """Give the seats of the call's hold, unless it had run out when it was asked for."""
        return [
            number
            for number, seat in zip(self.numbers, state, strict=True)
            if seat.number == call.hold
            and (seat.status == "held" or (seat.status == "lapsed" and _began_in_time(call, seat)))
        ]


def largest_block(state: Seats) -> int:
    """Tell the longest run of seats that can be had; the shows of the fight have one row."""
    runs = groupby(state, key=lambda seat: seat.status in ("free", "lapsed"))
    return max((len(list(run)) for free, run in runs if free), default=0)


def completed(history: list[Call]) -> list[Call]:
    """Add the moments at which holds run out, and name the bookings and holds that nobody ever saw."""
    calls = [_named(index, call) for index, call in enumerate(history)]
    seats_of = {call.hold: call.seats for call in calls if call.verb == "hold"}
    for index, call in enumerate(calls):
        if call.verb == "confirm" and call.outcome == UNKNOWN and not call.bookings:
            calls[index] = replace(call, bookings=_unseen(index, seats_of.get(call.hold, ())))
    moments = {
        (call.hold, call.expires): _expiry(call) for call in calls if call.verb in ("hold", "extend") and call.writes
    }
    return [*calls, *moments.values()]


def _named(index: int, call: Call) -> Call:
    if call.outcome != UNKNOWN:
        return call
    if call.verb == "book" and not call.bookings:
        return replace(call, bookings=_unseen(index, call.seats))
    if call.verb in ("hold", "extend"):
        named = call.expires if call.expires is not None else -index - 1
        return replace(call, hold=-index - 1 if call.hold is None else call.hold, expires=named)
    return call


def _unseen(index: int, seats: Iterable[int]) -> dict[int, int]:
    return {seat: -100 * (index + 1) - place for place, seat in enumerate(seats)}


def _expiry(call: Call) -> Call:
    """Say when a hold runs out; where no answer told of it, at some time, but not before it may."""
    moment = call.expires if call.expires is not None else 0
    about = {"verb": "expire", "show": call.show, "outcome": OK, "hold": call.hold, "expires": call.expires}
    if moment >= 0:
        return Call(0, start=moment - TOLERANCE, end=moment + TOLERANCE, **about)  # type: ignore[arg-type]
    return Call(0, start=call.start + HOLD_SECONDS * 10**9 - TOLERANCE, **about)  # type: ignore[arg-type]


def _began_in_time(call: Call, seat: Seat) -> bool:
    return seat.expires < 0 or call.start <= seat.expires + TOLERANCE


def _written(seat: Seat) -> tuple[str, int] | None:
    """Tell a seat as the table has it."""
    if seat.status == "free":
        return None
    return ("held" if seat.status == "lapsed" else seat.status), seat.number
