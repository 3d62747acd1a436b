"""A simulated fight: a service that is right, clients whose answers get lost, and requests that arrive late.

Time is simulated too, so a thousand fights take seconds, and a seed repeats one exactly. The service does each call at
one instant. So there is an explanation for what the clients recorded and for its table, and the judge must find it.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.fight.history import HOLD_SECONDS, OK, UNKNOWN, Call
from tests.fight.table import BOOKINGS, LIVE, HoldRow, Row, Table

MS = 10**6
SHOW = 7
STAFF = 0  # the number of the client who blocks seats

Outcome = tuple[str, dict[str, Any]]  # as in a call, and what else the answer says, by the names of its fields


@dataclass
class SimulatedHold:
    client: int
    seats: tuple[int, ...]
    created: int
    expires: int
    left: int
    """How many of its seats were not moved to."""
    is_released: bool = False


@dataclass
class SimulatedService:
    """The seats of one show in one row, and what each verb does to them."""

    seats: range
    now: int = 0
    claims: list[Row] = field(default_factory=list)
    holds: list[SimulatedHold] = field(default_factory=list)

    def do(self, call: Call) -> Outcome:
        outcome: Outcome = getattr(self, f"_{call.verb}")(call)
        return outcome

    def table(self) -> Table:
        holds = [
            HoldRow(number, hold.client, SHOW, len(hold.seats), hold.created, hold.is_released)
            for number, hold in enumerate(self.holds, start=1)
        ]
        return Table(self.claims, holds, self.now, self.now + MS)

    # --- Seats --------------------------------------------------------------------------------

    def _on(self, seat: int) -> Row | None:
        return next((claim for claim in self.claims if claim.seat == seat and claim.status in LIVE), None)

    def _is_held(self, claim: Row) -> bool:
        return claim.status == "held" and self._hold_of(claim).expires > self.now

    def _hold_of(self, claim: Row) -> SimulatedHold:
        return self.holds[(claim.hold or 0) - 1]

    def _status(self, seat: int, client: int | None = None) -> str:
        """Tell what a seat is for a client who wants it; what the client holds can be had."""
        claim = self._on(seat)
        if claim is None or (claim.status == "held" and not self._is_held(claim)):
            return "available"
        return "available" if claim.status == "held" and claim.client == client else claim.status

    def _change(self, claim: Row, **changes: Any) -> Row:
        changed = replace(claim, **changes)
        self.claims[claim.id - 1] = changed
        return changed

    def _take(self, call: Call, seat: int, status: str, hold: int | None = None, reason: str = "") -> Row:
        """Write a claim; that of a hold which has run out, or of one's own, is turned into the new one."""
        there = self._on(seat)
        if there and status == "blocked":
            self._change(there, status="freed", hold=None)
            there = None
        if there and status == "booked" and self._is_held(there):
            hold = there.hold
        if there is None:
            there = Row(len(self.claims) + 1, call.client, SHOW, seat, status)
            self.claims.append(there)
        about = {"client": call.client, "status": status, "hold": hold, "created": self.now, "reason": reason}
        return self._change(there, **about)

    def _refusal(self, call: Call, client: int | None) -> Outcome | None:
        missing = [seat for seat in call.seats if self._status(seat, client) != "available"]
        if not missing:
            return None
        if len(call.seats) == 1 and call.verb in ("book", "move"):
            codes = {"booked": "seat_taken", "held": "seat_held", "blocked": "seat_blocked"}
            return codes[self._status(missing[0], client)], {}
        return "seats_unavailable", {"facts": {"seat_numbers": missing}}

    def _choose(self, call: Call, client: int | None) -> Outcome:
        """Give the seats that are named, or the best so many; or why they are not to be had."""
        if not call.best:
            return self._refusal(call, client) or (OK, {"seats": call.seats})
        runs = "".join("x" if self._status(seat) == "available" else " " for seat in self.seats)
        if all(self._status(seat) in ("booked", "blocked") for seat in self.seats):
            return "show_full", {}
        if (place := runs.find("x" * call.best)) < 0:
            return "no_adjacent_seats", {"facts": {"largest_block": max(map(len, runs.split(" ")))}}
        return OK, {"seats": tuple(self.seats[place : place + call.best])}

    # --- Verbs --------------------------------------------------------------------------------

    def _book(self, call: Call) -> Outcome:
        outcome, about = self._choose(call, call.client)
        if outcome == OK:
            about["bookings"] = {seat: self._take(call, seat, "booked").id for seat in about["seats"]}
        return outcome, about

    def _hold(self, call: Call) -> Outcome:
        outcome, about = self._choose(call, None)
        if outcome == OK:
            about |= {"hold": len(self.holds) + 1, "expires": self.now + HOLD_SECONDS * 1000 * MS}
            self.holds.append(
                SimulatedHold(call.client, about["seats"], self.now, about["expires"], len(about["seats"]))
            )
            for seat in about["seats"]:
                self._take(call, seat, "held", about["hold"])
        return outcome, about

    def _confirm(self, call: Call) -> Outcome:
        refusal, hold, held = self._look_at_hold(call)
        if refusal and (refusal != "hold_confirmed" or not self._booked_of(call)):
            return ("hold_expired" if refusal == "hold_confirmed" else refusal), {}
        for claim in held:
            self._change(claim, status="booked", created=self.now)
        told = {claim.seat: claim.id for claim in self._booked_of(call) if claim.seat in hold.seats}
        return OK, {"bookings": told}

    def _extend(self, call: Call) -> Outcome:
        refusal, hold, _ = self._look_at_hold(call)
        if refusal:
            return refusal, {}
        hold.expires = max(hold.expires, self.now + HOLD_SECONDS * 1000 * MS)
        return OK, {"expires": hold.expires}

    def _release(self, call: Call) -> Outcome:
        refusal, hold, held = self._look_at_hold(call)
        if refusal:
            return refusal, {}
        hold.is_released = True
        for claim in held:
            self._change(claim, status="freed")
        return OK, {}

    def _look_at_hold(self, call: Call) -> tuple[str, SimulatedHold, list[Row]]:
        """Give the code of a refusal, if any, the hold, and the claims that it still has."""
        hold = self.holds[(call.hold or 0) - 1]
        held = [claim for claim in self.claims if claim.hold == call.hold and self._is_held(claim)]
        if hold.is_released:
            return "not_found", hold, held
        if held:
            return "", hold, held
        return ("hold_confirmed" if len(self._booked_of(call)) == hold.left else "hold_expired"), hold, held

    def _booked_of(self, call: Call) -> list[Row]:
        return [claim for claim in self.claims if claim.hold == call.hold and claim.status in BOOKINGS]

    def _cancel(self, call: Call) -> Outcome:
        booking = self.claims[(call.booking or 0) - 1]
        if booking.status == "cancelled":
            return "already_cancelled", {}
        self._change(booking, status="cancelled")
        return OK, {}

    def _move(self, call: Call) -> Outcome:
        booking, (target,) = self.claims[(call.booking or 0) - 1], call.seats
        if booking.status == "cancelled":
            return "already_cancelled", {}
        if booking.seat == target:
            return OK, {}
        if refusal := self._refusal(call, call.client):
            return refusal
        if there := self._on(target):
            is_own = there.client == call.client
            self._hold_of(there).left -= is_own
            self._change(there, status="freed", hold=there.hold if is_own else None)
        self._change(booking, seat=target)
        return OK, {}

    def _block(self, call: Call) -> Outcome:
        if refusal := self._refusal(call, None):
            return refusal
        for seat in call.seats:
            self._take(call, seat, "blocked", reason=call.facts["reason"])
        return OK, {}

    def _unblock(self, call: Call) -> Outcome:
        claim = self._on(call.seats[0])
        if claim is None or claim.status != "blocked":
            return "not_found", {}
        self._change(claim, status="freed")
        return OK, {}

    # --- Looks --------------------------------------------------------------------------------

    def _bookings(self, call: Call) -> Outcome:
        mine = [claim for claim in self.claims if (claim.client, claim.status) == (call.client, "booked")]
        return OK, {"seen": {claim.seat: claim.id for claim in mine}}

    def _holds(self, call: Call) -> Outcome:
        mine = [claim for claim in self.claims if claim.client == call.client and self._is_held(claim)]
        return OK, {"seen": {claim.seat: claim.hold for claim in mine}}

    def _map(self, call: Call) -> Outcome:
        seen = {}
        for seat in self.seats:
            claim, status = self._on(seat), self._status(seat)
            seen[seat] = status, status in ("booked", "held") and claim is not None and claim.client == call.client
        return OK, {"seen": seen}


@dataclass
class SimulatedClient:
    """A client, one call at a time, and the bookings and holds that it has heard of."""

    number: int
    chance: random.Random
    seats: range
    bookings: set[int] = field(default_factory=set)
    holds: dict[int, tuple[int, ...]] = field(default_factory=dict)
    ended: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Holds that it has asked to confirm or to release."""
    to_unblock: list[int] = field(default_factory=list)

    def next_call(self, now: int) -> Call:
        return self._call_of_staff(now) if self.number == STAFF else self._call_of_customer(now)

    def _call_of_staff(self, now: int) -> Call:
        if self.to_unblock:
            return Call(STAFF, "unblock", SHOW, now, seats=(self.to_unblock[0],))
        return Call(STAFF, "block", SHOW, now, seats=self._some_of(self.seats), facts={"reason": f"Broken at {now}"})

    def _call_of_customer(self, now: int) -> Call:
        verbs = ["book"] * 4 + ["hold"] * 3 + ["bookings", "holds", "map"]
        verbs += (["cancel"] * 5 + ["move"] * 3) if self.bookings else []
        verbs += (["confirm"] * 3 + ["release", "extend", "book held"] * 2) if self.holds else []
        verbs += ["ended"] if self.ended else []
        verb = self.chance.choice(verbs)
        call = Call(self.number, verb, SHOW, now)
        if verb in ("book", "hold"):
            if self.chance.random() < 0.2:
                call.best = self.chance.randint(1, 2)
            else:
                call.seats = self._some_of(self.seats)
        elif verb in ("cancel", "move"):
            call.booking = self.chance.choice(sorted(self.bookings))
            call.seats = (self.chance.choice(self.seats),) if verb == "move" else ()
        elif verb == "book held":
            call.verb, call.seats = "book", self._some_of(self.chance.choice([*self.holds.values()]))
        elif verb == "ended":
            call.verb = self.chance.choice(["confirm", "extend", "release"])
            call.hold = self.chance.choice([*self.ended])
        elif verb in ("confirm", "release", "extend"):
            call.hold = self.chance.choice([*self.holds])
            if verb != "extend":
                self.ended[call.hold] = self.holds.pop(call.hold)
        return call

    def _some_of(self, seats: range | tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(self.chance.sample(seats, self.chance.randint(1, min(2, len(seats))))))

    def learn(self, call: Call) -> None:
        """Take note of an answer, or that there was none."""
        if call.verb == "block" and call.outcome in (OK, UNKNOWN):
            self.to_unblock = [*call.seats]
        elif call.verb == "unblock" and call.outcome in (OK, "not_found"):
            self.to_unblock.pop(0)
        elif call.outcome == OK and call.verb in ("book", "confirm"):
            self.bookings |= {*call.bookings.values()}
        elif call.outcome == OK and call.verb == "bookings":
            self.bookings |= {*call.seen.values()}
        elif call.outcome == OK and call.verb == "hold" and call.hold:
            self.holds[call.hold] = call.seats
        elif call.outcome == OK and call.verb == "holds":
            for hold in {*call.seen.values()} - self.ended.keys():
                self.holds.setdefault(hold, tuple(seat for seat, it in call.seen.items() if it == hold))


class Simulation:
    """Clients call a service until they have made so many calls; ``lost`` of the answers are lost."""

    def __init__(self, chance: random.Random, service: SimulatedService, *, customers: int, calls: int, lost: float):
        self.chance = chance
        self.service = service
        self.most_calls = calls
        self.lost = lost
        self.clients = [SimulatedClient(number, chance, service.seats) for number in range(customers + 1)]
        # A first read of the map names every seat, so that the checker knows them all.
        self.calls = [Call(1, "map", SHOW, 0, 1, OK, seen=dict.fromkeys(service.seats, ("available", False)))]
        self.steps: list[tuple[int, int, Callable[[], object]]] = []  # what happens when
        self.made = 0

    def run(self) -> tuple[list[Call], Table]:
        for client in self.clients:
            self._later(1, 20, partial(self._begin, client))
        while self.steps:
            moment, _, step = heapq.heappop(self.steps)
            self.service.now = moment
            step()
        return self.calls, self.service.table()

    def _later(self, least: int, most: int, step: Callable[[], object]) -> None:
        """Do something after some milliseconds, at a moment of its own."""
        self.made += 1
        moment = self.service.now + self.chance.randint(least, most) * MS + self.made
        heapq.heappush(self.steps, (moment, self.made, step))

    def _begin(self, client: SimulatedClient) -> None:
        if len(self.calls) > self.most_calls:
            return
        call = client.next_call(self.service.now)
        self.calls.append(call)
        if not call.writes or self.chance.random() >= self.lost:
            self._later(1, 8, partial(self._arrive, client, call))
            return
        if self.chance.random() < 0.65:  # or else it does not arrive
            self._later(1, self.chance.choice([8, 150]), partial(self.service.do, call))
        self._later(1, 6, partial(self._end, client, call))

    def _arrive(self, client: SimulatedClient, call: Call) -> None:
        outcome, about = self.service.do(call)
        self._later(1, 6, partial(self._answer, client, call, outcome, about))

    def _answer(self, client: SimulatedClient, call: Call, outcome: str, about: dict[str, Any]) -> None:
        call.outcome, call.end = outcome, self.service.now
        call.facts |= about.pop("facts", {})
        for name, value in about.items():
            setattr(call, name, value)
        self._end(client, call)

    def _end(self, client: SimulatedClient, call: Call) -> None:
        client.learn(call)
        wait = self.chance.choice([0, 1, 3, 10, 200, 600])
        self._later(wait, wait, partial(self._begin, client))
