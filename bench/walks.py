"""What the clients ask for, one after the other: the walks through the seats, and what comes after an answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bench.doors import Graph, Rest

Ask = Callable[[int, int, str], bytes]
"""Makes a request of a show, a place in it, and a token."""

A = TypeVar("A", bound="Asker")


class Asker:
    """What the clients ask for."""

    def next(self, client: int) -> bytes | None:
        """Give a client's next request; None where there is none left."""
        raise NotImplementedError

    def answered(self, client: int, answer: str, numbers: Sequence[int]) -> None:
        """Hear which answer a client got, and the bookings or the hold that it names."""


@dataclass(frozen=True)
class Walk:
    """A way through the places of neighbouring shows: from show to show, or through one show after the other."""

    first_show: int
    shows: int
    places: int
    """Of a show: its seats, or its groups of seats."""
    one_by_one: bool = False

    def place(self, step: int) -> tuple[int, int] | None:
        """Give the show and the place of a step; None behind the last."""
        if step >= self.shows * self.places:
            return None
        if self.one_by_one:
            return self.first_show + step // self.places, 1 + step % self.places
        return self.first_show + step % self.shows, 1 + step // self.shows


@dataclass
class Together(Asker):
    """All clients share one walk, so that each place is asked for once."""

    ask: Ask
    walk: Walk
    tokens: Sequence[str]
    step: int = 0

    def next(self, client: int) -> bytes | None:
        place = self.walk.place(self.step)
        if place is None:
            return None
        self.step += 1
        return self.ask(*place, self.tokens[self.step % len(self.tokens)])


@dataclass
class Rivals(Asker):
    """Each client takes the same walk, so that all of them want each place."""

    ask: Ask
    walk: Walk
    tokens: Sequence[str]
    steps: dict[int, int] = field(default_factory=dict)

    def next(self, client: int) -> bytes | None:
        step = self.steps.get(client, 0)
        self.steps[client] = step + 1
        place = self.walk.place(step)
        return place and self.ask(*place, self.tokens[client % len(self.tokens)])


@dataclass
class Again(Asker):
    """Everybody sends the same few requests over and over."""

    requests: Sequence[bytes]

    def next(self, client: int) -> bytes | None:
        return self.requests[client % len(self.requests)]


@dataclass
class Rebooking(Asker):
    """Each client books a seat of its own, cancels it, and books it again."""

    door: Rest | Graph
    show: int
    tokens: Sequence[str]
    booked: dict[int, int] = field(default_factory=dict)

    def next(self, client: int) -> bytes | None:
        token = self.tokens[client % len(self.tokens)]
        booking = self.booked.get(client)
        return self.door.cancel(booking, token) if booking else self.door.book(self.show, client + 1, token)

    def answered(self, client: int, answer: str, numbers: Sequence[int]) -> None:
        self.booked.pop(client, None)
        if answer == "booked":
            self.booked[client] = numbers[0]


@dataclass
class HoldAndConfirm(Asker):
    """Each client holds a seat that nobody else wants, confirms it, and goes on to the next."""

    door: Rest | Graph
    walk: Walk
    tokens: Sequence[str]
    step: int = 0
    held: dict[int, int] = field(default_factory=dict)

    def next(self, client: int) -> bytes | None:
        token = self.tokens[client % len(self.tokens)]
        if hold := self.held.pop(client, None):
            return self.door.confirm(hold, token)
        place = self.walk.place(self.step)
        self.step += 1
        return place and self.door.hold(*place, token)

    def answered(self, client: int, answer: str, numbers: Sequence[int]) -> None:
        if answer == "held":
            self.held[client] = numbers[0]


@dataclass
class Moving(Asker):
    """Each client books a seat, and moves on and on through so many seats of its own."""

    door: Rest | Graph
    show: int
    seats: int
    tokens: Sequence[str]
    booked: dict[int, int] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)

    def next(self, client: int) -> bytes | None:
        token = self.tokens[client % len(self.tokens)]
        step = self.steps[client] = self.steps.get(client, -1) + 1
        seat = 1 + client * self.seats + step % self.seats
        booking = self.booked.get(client)
        return self.door.move(booking, seat, token) if booking else self.door.book(self.show, seat, token)

    def answered(self, client: int, answer: str, numbers: Sequence[int]) -> None:
        if answer == "booked":
            self.booked[client] = numbers[0]


@dataclass
class Noting(Together):
    """All clients share one walk; it is noted when each place was answered for."""

    asked: dict[int, tuple[int, int]] = field(default_factory=dict)
    answers: dict[tuple[int, int], float] = field(default_factory=dict)
    """By show and place; of the clock that all processes share."""

    def next(self, client: int) -> bytes | None:
        self.asked[client] = self.walk.place(self.step) or (0, 0)
        return super().next(client)

    def answered(self, client: int, answer: str, numbers: Sequence[int]) -> None:
        if answer == "booked":
            self.answers[self.asked[client]] = time.perf_counter()
