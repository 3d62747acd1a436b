"""Who calls: fighters, who each have an account and do everything that a customer can, and staff who block seats."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.fight.doors import DOORS, Answer, Door, Request, RestDoor, ToldHold
from tests.fight.history import HOLD_SECONDS, NOTHING_HAPPENED, OK, TOLERANCE, UNKNOWN, Call, by_the_monotonic_clock
from tests.fight.line import PASSWORD, Line, NotSent, Unanswered, ask_json

INSISTENCE = 20  # seconds for an answer to a call with a key, however often it is sent
MOST_AT_ONCE = 3  # seats
TELLABLE = NOTHING_HAPPENED | {"outcome_unknown"}  # what a status of 500 or more may tell

Place = tuple[int, int]  # a show, a seat


class Client(threading.Thread):
    """One client; ``calls`` is its part of the history, ``faults`` is what no history would show."""

    def __init__(
        self, name: str, number: int, port: int, shows: dict[int, list[int]], stop: threading.Event, seed: int
    ):
        super().__init__(name=name)
        self.number = number
        self.shows = shows  # the numbers of their seats
        self.stop = stop
        self.chance = random.Random(f"{seed}:{number}")
        self.line = Line(port)
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()

    def sign_up(self) -> None:
        account = {"username": self.name, "password": PASSWORD}
        self.user = int(ask_json(self.line.port, "POST", "/signup", account)["id"])
        self._log_in()

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._step()
            except (NotSent, Unanswered, OSError):
                self.stop.wait(self.chance.uniform(0.02, 0.1))
            except Exception as fault:
                # An answer of another shape, most likely; the fight goes on, and is lost.
                self.faults.append(f"{self.name} stumbled: {fault!r}")
        self.line.close()

    def _step(self) -> None:
        raise NotImplementedError

    def _call(self, verb: str, show: int, door: Door, request: Request, **about: Any) -> tuple[Call, Answer | None]:
        """Send a request and record the call; with a key, insist on an answer."""
        self.line.connected()  # or else nothing was called
        cut_after = self.chance.uniform(0, 0.004) if self.chance.random() < 0.02 else None
        call = Call(self.number, verb, show, time.monotonic_ns(), door=door.name, **about)
        self.calls.append(call)
        answer = self._try(door, request, cut_after)
        if request.key and (answer is None or answer.outcome == UNKNOWN):
            answer = self._insist(door, request)
        if answer is None or answer.outcome == UNKNOWN:
            return call, None
        call.outcome = answer.outcome
        call.end = time.monotonic_ns()
        call.facts |= answer.facts
        call.bookings = {told.seat: told.id for told in answer.bookings} if verb in ("book", "confirm") else {}
        if any(told.show != show for told in (*answer.bookings, *answer.holds)):
            self.faults.append(f"{call.told(call.start)}: answered for another show, {answer}.")
        return call, answer

    def _insist(self, door: Door, request: Request) -> Answer | None:
        """Send it until it is answered. That nothing happened is said of the last time, not of the first."""
        deadline = time.monotonic() + INSISTENCE
        while time.monotonic() < deadline:
            time.sleep(self.chance.uniform(0.02, 0.1))
            self.counts["insisted"] += 1
            answer = self._try(door, request)
            if answer and answer.outcome not in (UNKNOWN, *NOTHING_HAPPENED):
                return answer
        return None

    def _try(self, door: Door, request: Request, cut_after: float | None = None) -> Answer | None:
        self.counts["cuts"] += cut_after is not None
        try:
            answer = self.line.ask(door, request, cut_after=cut_after)
        except (NotSent, Unanswered):
            return None
        self._after(self._count(answer))
        return answer

    def _look(self, door: Door, request: Request) -> tuple[int, Answer | None]:
        """Ask for what changes nothing; tell when it was asked."""
        start = time.monotonic_ns()
        answer = self._count(self.line.ask(door, request))
        if answer.outcome != OK:
            self._after(answer)
            return start, None
        return start, answer

    def _saw(self, verb: str, show: int, start: int, door: Door, seen: dict[int, Any]) -> None:
        self.calls.append(Call(self.number, verb, show, start, time.monotonic_ns(), OK, seen=seen, door=door.name))

    def _count(self, answer: Answer) -> Answer:
        self.counts[f"{answer.status} {answer.code or answer.outcome}"] += 1
        if answer.code == "internal_error" or (answer.status >= 500 and answer.code not in TELLABLE):
            self.faults.append(f"{self.name} was answered {answer.status} {answer.code}.")
        return answer

    def _after(self, answer: Answer) -> None:
        if answer.status == 401:
            self._log_in()
        elif answer.outcome in NOTHING_HAPPENED:
            self.stop.wait(0.02)

    def _log_in(self) -> None:
        account = {"username": self.name, "password": PASSWORD}
        self.line.token = ask_json(self.line.port, "POST", "/login", account)["access"]


@dataclass
class Known:
    """What a fighter knows of its bookings and holds, each with its show; of bookings also the seat."""

    live: dict[int, Place] = field(default_factory=dict)
    gone: dict[int, Place] = field(default_factory=dict)
    held: dict[int, ToldHold] = field(default_factory=dict)
    over: dict[int, ToldHold] = field(default_factory=dict)
    unsure: bool = False
    """Whether a booking or a hold of its own may be there that it does not know, or may be elsewhere."""


class Fighter(Client):
    """A customer who does everything, through either door."""

    def __init__(
        self,
        number: int,
        port: int,
        shows: dict[int, list[int]],
        stop: threading.Event,
        *,
        seed: int,
        keys: bool = True,
    ) -> None:
        super().__init__(f"fighter{number}", number, port, shows, stop, seed)
        self.keys = keys
        self.known = Known()
        self.maps: dict[int, tuple[str, dict[int, Any]]] = {}  # the last of each show
        self.answered: list[tuple[Door, Request, Answer]] = []  # with a key, to be sent again

    # --- What to do next ----------------------------------------------------------------------

    def _step(self) -> None:
        roll = self.chance.random()
        if self.answered and roll < 0.03:
            self._send_again()
        elif roll < 0.1:
            self.chance.choice([self._look_at_bookings, self._look_at_holds, self._look_at_map])()
        elif self.known.unsure and roll < 0.4:
            self._look_at_bookings()
            self._look_at_holds()
            self.known.unsure = False
        else:
            self._choose()()

    def _choose(self) -> Callable[[], None]:
        """Prefer to give back what is there already, so that the seats change hands."""
        known = self.known
        choices: list[tuple[int, Callable[[], None]]] = [(4, self._book), (4, self._hold)]
        if known.live:
            choices += [(8 * len(known.live), self._cancel), (3, self._move)]
        if known.held:
            choices += [
                (4, self._confirm),
                (3, self._release),
                (2, self._extend),
                (2, self._book_held),
                (2, self._leave),
            ]
        if known.gone or known.over:
            choices.append((1, self._ask_for_what_is_over))
        weights, verbs = zip(*choices, strict=True)
        (verb,) = self.chance.choices(verbs, weights)
        return verb  # type: ignore[no-any-return]

    def _wish(self) -> tuple[int, dict[str, Any]]:
        """Wish for some seats by their numbers, or for the best."""
        show = self.chance.choice(list(self.shows))
        if self.chance.random() < 0.15:
            return show, {"best": self.chance.randint(1, MOST_AT_ONCE)}
        return show, {"seat_numbers": self.chance.sample(self.shows[show], self.chance.randint(1, MOST_AT_ONCE))}

    # --- Verbs ------------------------------------------------------------------------------------

    def _book(self) -> None:
        show, wish = self._wish()
        if self.chance.random() < 0.5:
            wish = {"seat_number": self.chance.choice(self.shows[show])}
        self._book_as(show, wish)

    def _book_held(self) -> None:
        """Book some of the seats that it holds, which leave the hold."""
        hold = self.chance.choice(list(self.known.held.values()))
        seats = self.chance.sample(hold.seats, self.chance.randint(1, len(hold.seats)))
        single = len(seats) == 1 and self.chance.random() < 0.5
        self._book_as(hold.show, {"seat_number": seats[0]} if single else {"seat_numbers": seats})

    def _book_as(self, show: int, wish: dict[str, Any]) -> None:
        door, key = self._door(), self._key()
        call, answer = self._do("book", show, door, door.book(show, wish, key), **_asked(wish))
        if answer and call.outcome == OK:
            call.seats = call.seats or tuple(sorted(call.bookings))
            self._note_bookings(call, answer, wish)

    def _hold(self) -> None:
        show, wish = self._wish()
        door, key = self._door(), self._key()
        call, answer = self._do("hold", show, door, door.hold(show, wish, key), **_asked(wish))
        if answer and call.outcome == OK:
            (told,) = answer.holds
            call.hold, call.expires = told.id, _instant(told.expires_at)
            call.seats = call.seats or tuple(sorted(told.seats))
            self.known.held[told.id] = told
            self._check(call, told.seats == _wanted(wish, told.seats), answer)

    def _confirm(self) -> None:
        self._confirm_this(self.chance.choice(list(self.known.held.values())))

    def _confirm_this(self, hold: ToldHold) -> None:
        door, key = self._door(), self._key()
        call, answer = self._do("confirm", hold.show, door, door.confirm(hold.id, key), hold=hold.id)
        self._end(hold)
        if answer and call.outcome == OK:
            for told in answer.bookings:
                if told.id not in self.known.gone and told.status == "booked":
                    self.known.live.setdefault(told.id, (told.show, told.seat))
            # Those that were moved since are told where they are now.
            call.bookings = {seat: booking for seat, booking in call.bookings.items() if seat in hold.seats}

    def _extend(self) -> None:
        self._extend_this(self.chance.choice(list(self.known.held.values())))

    def _extend_this(self, hold: ToldHold) -> None:
        door, key = self._door(), self._key()
        call, answer = self._do("extend", hold.show, door, door.extend(hold.id, key), hold=hold.id)
        if answer and call.outcome == OK:
            (told,) = answer.holds
            call.expires = _instant(told.expires_at)
            latest = (call.end or 0) + HOLD_SECONDS * 10**9 + TOLERANCE
            self._check(call, told.id == hold.id and call.expires <= latest, answer)

    def _release(self) -> None:
        self._release_this(self.chance.choice(list(self.known.held.values())))

    def _release_this(self, hold: ToldHold) -> None:
        door, key = self._door(), self._key()
        self._do("release", hold.show, door, door.release(hold.id, key), hold=hold.id)
        self._end(hold)

    def _leave(self) -> None:
        """Forget a hold, which runs out."""
        self._end(self.chance.choice(list(self.known.held.values())))

    def _end(self, hold: ToldHold) -> None:
        self.known.held.pop(hold.id, None)
        self.known.over[hold.id] = hold

    def _cancel(self) -> None:
        self._cancel_this(*self.chance.choice(list(self.known.live.items())))

    def _cancel_this(self, booking: int, at: Place) -> None:
        door, key = self._door(), self._key()
        call, answer = self._do("cancel", at[0], door, door.cancel(booking, key), booking=booking)
        if call.outcome in (OK, "already_cancelled"):
            self.known.live.pop(booking, None)
            self.known.gone[booking] = at
        if answer and call.outcome == OK:
            (told,) = answer.bookings
            self._check(call, (told.id, told.status) == (booking, "cancelled"), answer)

    def _move(self) -> None:
        self._move_this(*self.chance.choice(list(self.known.live.items())))

    def _move_this(self, booking: int, at: Place) -> None:
        show, seat = at
        target = self.chance.choice([other for other in self.shows[show] if other != seat])
        door, key = self._door(), self._key()
        call, answer = self._do("move", show, door, door.move(booking, target, key), seats=(target,), booking=booking)
        if answer and call.outcome == OK:
            (told,) = answer.bookings
            self.known.live[booking] = show, target
            self._check(call, (told.id, told.seat, told.status) == (booking, target, "booked"), answer)

    def _ask_for_what_is_over(self) -> None:
        verbs: list[Callable[[], None]] = []
        if self.known.gone:
            booking, at = self.chance.choice(list(self.known.gone.items()))
            verbs += [lambda: self._cancel_this(booking, at), lambda: self._move_this(booking, at)]
        if self.known.over:
            hold = self.chance.choice(list(self.known.over.values())[-5:])
            verbs += [
                lambda: self._confirm_this(hold),
                lambda: self._extend_this(hold),
                lambda: self._release_this(hold),
            ]
        self.chance.choice(verbs)()

    # --- Looks ------------------------------------------------------------------------------------

    def _look_at_bookings(self) -> None:
        """Read the list of live bookings; and learn of those that no answer told of, and where they are."""
        door = self._door()
        start, answer = self._look(door, door.bookings())
        if answer is None:
            return
        listed: dict[int, dict[int, int]] = {show: {} for show in self.shows}
        for told in answer.bookings:
            if told.seat in listed[told.show] or told.id in listed[told.show].values():
                self.faults.append(f"{self.name} was listed two bookings of a seat, or one booking twice: {answer}.")
            listed[told.show][told.seat] = told.id
            if told.id not in self.known.gone:
                self.known.live[told.id] = told.show, told.seat
        for show, seen in listed.items():
            self._saw("bookings", show, start, door, seen)

    def _look_at_holds(self) -> None:
        """Read the list of live holds; and learn of those that no answer told of."""
        door = self._door()
        start, answer = self._look(door, door.holds())
        if answer is None:
            return
        listed: dict[int, dict[int, int]] = {show: {} for show in self.shows}
        for told in answer.holds:
            listed[told.show] |= dict.fromkeys(told.seats, told.id)
            if told.id not in self.known.over:
                self.known.held.setdefault(told.id, told)
        for show, seen in listed.items():
            self._saw("holds", show, start, door, seen)

    def _look_at_map(self) -> None:
        """Read a seat map, or what has changed since the last one."""
        door, show = self._door(), self.chance.choice(list(self.shows))
        version, seats = self.maps.get(show, ("", {}))
        if self.chance.random() < 0.3:
            version, seats = "", {}
        start, answer = self._look(door, door.seat_map(show, version))
        if answer is None:
            return
        seats = seats | answer.seats
        self.maps[show] = answer.version, seats
        self._saw("map", show, start, door, seats)

    # --- Keys, and what is checked at once ------------------------------------------------------

    def _do(self, verb: str, show: int, door: Door, request: Request, **about: Any) -> tuple[Call, Answer | None]:
        call, answer = self._call(verb, show, door, request, **about)
        if answer is None:
            self.known.unsure = True
        elif request.key and answer.outcome not in NOTHING_HAPPENED:
            self.answered = [*self.answered[-9:], (door, request, answer)]
        return call, answer

    def _send_again(self) -> None:
        """Send a request with a key once more, long after its answer: it must do nothing, and be answered the same.

        What was booked or held may be gone since.
        """
        door, request, first = self.chance.choice(self.answered)
        again = self._count(self.line.ask(door, request))
        if again.outcome in (UNKNOWN, *NOTHING_HAPPENED):
            self._after(again)
            return
        self.counts["sent again"] += 1
        if _which(again) != _which(first) or (door.name == "rest" and not again.replayed):
            self.faults.append(f"{self.name} sent {request} again: first {first}, then {again}.")

    def _note_bookings(self, call: Call, answer: Answer, wish: dict[str, Any]) -> None:
        for told in answer.bookings:
            self.known.live[told.id] = told.show, told.seat
        seats = tuple(told.seat for told in answer.bookings)
        self._check(call, seats == _wanted(wish, seats), answer)
        self._check(call, all(told.status == "booked" for told in answer.bookings), answer)

    def _check(self, call: Call, is_as_asked: bool, answer: Answer) -> None:
        if not is_as_asked:
            self.faults.append(f"{call.told(call.start)}: answered with {answer}.")

    def _door(self) -> Door:
        return self.chance.choice(DOORS)

    def _key(self) -> str | None:
        return f"{self.number}-{self.chance.getrandbits(64):x}" if self.keys and self.chance.random() < 0.5 else None


class Warden(Client):
    """Staff who block seats for a moment, always one client alone, so that it knows which are blocked."""

    door = RestDoor()

    def __init__(
        self, number: int, port: int, shows: dict[int, list[int]], stop: threading.Event, *, seed: int
    ) -> None:
        super().__init__("warden", number, port, shows, stop, seed)
        self.to_unblock: list[Place] = []

    def _step(self) -> None:
        if self.to_unblock:
            self._unblock()
        else:
            self._block()
        self.stop.wait(self.chance.uniform(0.01, 0.2))

    def _block(self) -> None:
        show = self.chance.choice(list(self.shows))
        seats = tuple(sorted(self.chance.sample(self.shows[show], self.chance.randint(1, 2))))
        reason = f"Broken, {len(self.calls)}"  # by which the table tells what this call has done
        request = self.door.block(show, seats, reason)
        call, _ = self._call("block", show, self.door, request, seats=seats, facts={"reason": reason})
        if call.outcome in (OK, UNKNOWN):
            self.to_unblock = [(show, seat) for seat in seats]

    def _unblock(self) -> None:
        """Ask until it is answered: a second answer tells what became of the first call."""
        show, seat = self.to_unblock[0]
        call, _ = self._call("unblock", show, self.door, self.door.unblock(show, seat), seats=(seat,))
        if call.outcome in (OK, "not_found"):
            self.to_unblock.pop(0)


def _asked(wish: dict[str, Any]) -> dict[str, Any]:
    """Tell what a call asks for, as it is recorded."""
    if "best" in wish:
        return {"best": wish["best"]}
    return {"seats": tuple(sorted(wish.get("seat_numbers", [wish.get("seat_number")])))}


def _wanted(wish: dict[str, Any], given: tuple[int, ...]) -> tuple[int, ...]:
    """Tell which seats the answer should have; of the best, any that are side by side."""
    if "best" in wish:
        return tuple(range(min(given), min(given) + wish["best"]))
    return tuple(_asked(wish)["seats"])


def _instant(written: str) -> int:
    return by_the_monotonic_clock(datetime.fromisoformat(written))


def _which(answer: Answer) -> Any:
    bookings = [(told.id, told.show, told.seat) for told in answer.bookings]
    return answer.outcome, bookings, answer.holds, answer.facts
