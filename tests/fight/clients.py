"""The fighters: each has an account, and books and cancels a few seats through either door until it is told to stop."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.fight.doors import DOORS, Answer, Door, Request
from tests.fight.history import NOTHING_HAPPENED, OK, UNKNOWN, Call

PASSWORD = "correct horse battery staple"
PATIENCE = 15  # seconds for an answer
INSISTENCE = 20  # seconds for an answer to a call with a key, however often it is sent

Seat = tuple[int, int]  # its show, its number


class NotSent(Exception):
    """Nobody listens: the server has not heard of the request."""


class Unanswered(Exception):
    """The connection was lost, or cut, after the request was sent."""


@dataclass
class Line:
    """A connection that is kept from request to request, and opened anew when it is lost."""

    port: int
    token: str = ""
    connection: http.client.HTTPConnection | None = None

    def ask(self, door: Door, request: Request, *, cut_after: float | None = None) -> Answer:
        """Send a request; with ``cut_after`` close the connection so many seconds later, without reading.

        :raises NotSent: nothing has happened.
        :raises Unanswered: anything may have happened.
        """
        connection = self._connected()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        if request.key:
            headers["Idempotency-Key"] = request.key
        try:
            body = None if request.body is None else json.dumps(request.body)
            connection.request(request.method, request.path, body, headers)
            if cut_after is not None:
                time.sleep(cut_after)
                raise ConnectionAbortedError
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as fault:
            self.close()
            raise Unanswered from fault
        try:
            return door.answer(response.status, response.headers, content)
        except (ValueError, KeyError, TypeError) as fault:
            raise ValueError(f"{response.status} {content[:500]!r} in answer to {request}") from fault

    def _connected(self) -> http.client.HTTPConnection:
        if self.connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            try:
                connection.connect()
            except OSError as fault:
                raise NotSent from fault
            self.connection = connection
        return self.connection

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


def ask_json(port: int, method: str, path: str, body: Any, token: str = "") -> Any:
    """Ask for something that must be had, while nothing fights yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request(method, path, json.dumps(body), headers)
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    assert response.status < 300, f"{method} {path}: {response.status} {told}"
    return told


@dataclass
class Known:
    """What a client knows of its bookings."""

    live: dict[int, Seat] = field(default_factory=dict)
    gone: dict[int, Seat] = field(default_factory=dict)
    unsure: bool = False
    """Whether a booking of its own may be there that it does not know."""


class Fighter(threading.Thread):
    """One client; ``calls`` is its part of the history, ``faults`` is what no history would show."""

    def __init__(self, number: int, port: int, seats: list[Seat], stop: threading.Event, *, seed: int, keys: bool):
        super().__init__(name=f"fighter {number}")
        self.number = number
        self.seats = seats
        self.stop = stop
        self.keys = keys
        self.chance = random.Random(f"{seed}:{number}")
        self.line = Line(port)
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self.known = Known()
        self.answered: list[tuple[Door, Request, Answer]] = []  # with a key, to be sent again

    def sign_up(self) -> None:
        account = {"username": f"fighter{self.number}", "password": PASSWORD}
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
                self.faults.append(f"Client {self.number} stumbled: {fault!r}")
        self.line.close()

    # --- What to do next ---

    def _step(self) -> None:
        known, roll = self.known, self.chance.random()
        if self.answered and roll < 0.03:
            self._send_again()
        elif roll < (0.3 if known.unsure else 0.08):
            self._look()
        elif known.gone and roll > 0.96:
            self._cancel(*self.chance.choice(list(known.gone.items())))
        elif known.live and (len(known.live) > 1 or self.chance.random() < 0.5):
            self._cancel(*self.chance.choice(list(known.live.items())))
        else:
            self._book()

    def _book(self) -> None:
        show, seat = self.chance.choice(self.seats)
        door, key = self._door(), self._key()
        request = door.book(show, seat, key)
        call, answer = self._call("book", show, seat, door, request, insist=key is not None)
        if call.outcome == UNKNOWN:
            self.known.unsure = True
        elif call.outcome == OK and answer:
            (told,) = answer.bookings
            call.booking = told.id
            self.known.live[told.id] = show, seat
            if (told.show, told.seat) != (show, seat) or told.status != "booked":
                self.faults.append(f"{call.told(call.start)}: answered with {told}.")

    def _cancel(self, booking: int, at: Seat) -> None:
        door, key = self._door(), self._key()
        request = door.cancel(booking, key)
        call, answer = self._call("cancel", *at, door, request, booking=booking, insist=key is not None)
        if call.outcome in (OK, "already_cancelled"):
            self.known.live.pop(booking, None)
            self.known.gone[booking] = at
        if call.outcome == OK and answer:
            (told,) = answer.bookings
            if (told.id, told.show, told.seat, told.status) != (booking, *at, "cancelled"):
                self.faults.append(f"{call.told(call.start)}: answered with {told}.")

    def _look(self) -> None:
        """Read the list of live bookings, which is a look at each seat; and learn of those that no answer told of."""
        door = self._door()
        start = time.monotonic_ns()
        answer = self._count(self.line.ask(door, door.bookings()))
        end = time.monotonic_ns()
        if answer.outcome != OK:
            self._after(answer)
            return
        listed: dict[Seat, list[int]] = {}
        for told in answer.bookings:
            listed.setdefault((told.show, told.seat), []).append(told.id)
            if told.id not in self.known.gone:
                self.known.live.setdefault(told.id, (told.show, told.seat))
        for show, seat in self.seats:
            for booking in listed.get((show, seat), [None]):
                self.calls.append(Call(self.number, "look", show, seat, start, end, booking, OK, door.name))
        self.known.unsure = False

    def _send_again(self) -> None:
        """Send a request with a key once more, long after its answer: it must book nothing, and be answered the same.

        The booking may have been cancelled since.
        """
        door, request, first = self.chance.choice(self.answered)
        again = self._count(self.line.ask(door, request))
        if again.outcome in (UNKNOWN, *NOTHING_HAPPENED):
            self._after(again)
            return
        self.counts["sent again"] += 1
        if _which(again) != _which(first) or (door.name == "rest" and not again.replayed):
            self.faults.append(f"Client {self.number} sent {request} again: first {first}, then {again}.")

    def _door(self) -> Door:
        return self.chance.choice(DOORS)

    def _key(self) -> str | None:
        return f"{self.number}-{self.chance.getrandbits(64):x}" if self.keys and self.chance.random() < 0.5 else None

    # --- How it is done ---

    def _call(
        self,
        verb: str,
        show: int,
        seat: int,
        door: Door,
        request: Request,
        *,
        booking: int | None = None,
        insist: bool = False,
    ) -> tuple[Call, Answer | None]:
        """Send a request and record the call; ``insist`` on an answer, if none comes."""
        self.line._connected()  # or else nothing was called
        cut_after = self.chance.uniform(0, 0.004) if self.chance.random() < 0.02 else None
        call = Call(self.number, verb, show, seat, time.monotonic_ns(), booking=booking, door=door.name)
        self.calls.append(call)
        answer = self._try(door, request, cut_after)
        if insist and (answer is None or answer.outcome == UNKNOWN):
            answer = self._insist(door, request)
        if answer is not None and answer.outcome != UNKNOWN:
            call.outcome = answer.outcome
            call.end = time.monotonic_ns()
            if insist and answer.outcome not in NOTHING_HAPPENED:
                self.answered = [*self.answered[-9:], (door, request, answer)]
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

    def _count(self, answer: Answer) -> Answer:
        self.counts[f"{answer.status} {answer.code or answer.outcome}"] += 1
        if answer.status == 500:
            self.faults.append(f"Client {self.number} was answered 500 {answer.code}.")
        return answer

    def _after(self, answer: Answer) -> None:
        if answer.status == 401:
            self._log_in()
        elif answer.outcome in NOTHING_HAPPENED:
            self.stop.wait(0.02)

    def _log_in(self) -> None:
        account = {"username": f"fighter{self.number}", "password": PASSWORD}
        self.line.token = ask_json(self.line.port, "POST", "/login", account)["access"]


def _which(answer: Answer) -> tuple[str, list[tuple[int, int, int]]]:
    return answer.outcome, [(told.id, told.show, told.seat) for told in answer.bookings]
