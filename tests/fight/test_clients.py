"""The fighters against a counter of a few lines, which is right, forgets keys, or lies: what they record is judged."""

import base64
import json
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.fight.checker import check
from tests.fight.clients import Fighter
from tests.fight.doors import camel, snake
from tests.fight.history import HOLD_SECONDS
from tests.fight.table import BOOKINGS, HoldRow, Row, Table, settle

SHOW, SEATS, CLIENTS = 7, 4, 4
CALLS = 1500  # until they stop


class Counter(ThreadingHTTPServer):
    """Sells and holds the seats of one show over both doors; loses each tenth answer; ``lie`` spoils what it does."""

    daemon_threads = True

    def __init__(self, lie: str) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.lie = lie
        self.lock = threading.Lock()
        self.chance = random.Random(1)
        self.claims: list[Any] = []
        self.holds: list[Any] = []
        self.kept: dict[tuple[str, str], Any] = {}

    def do(self, verb: str, who: str, number: int, told: dict[str, Any], key: str | None) -> tuple[Any, bool]:
        """Do it, or tell its outcome again: what was given, or the code and facts of a refusal."""
        with self.lock:
            if key and (who, key) in self.kept and self.lie != "forgets keys":
                return self.kept[who, key], True
            answer = getattr(self, f"_{verb}")(who, number, told)
            if self.lie == "denies" and verb == "book" and self.chance.random() < 0.3:
                return {"code": "database_unavailable"}, False
            if key:
                self.kept[who, key] = answer
            return answer, False

    def _book(self, who: str, number: int, told: dict[str, Any]) -> Any:
        seats = self._chosen(who, told, own=True)
        if isinstance(seats, dict):
            return seats
        claims = []
        for seat in seats:
            held = self._on(seat)
            claim = self._claim(who, seat, "booked")
            if held:
                self.claims.remove(held)
                claim |= {"id": held["id"], "hold": held["hold"] if held["user"] == who else None}
            claims.append(claim)
        told_of = [dict(claim) for claim in claims]
        return told_of[0] if "seat_number" in told else told_of

    def _hold(self, who: str, number: int, told: dict[str, Any]) -> Any:
        seats = self._chosen(who, told, own=False)
        if isinstance(seats, dict):
            return seats
        hold = {"id": len(self.holds) + 1, "user": who, "until": time.time() + HOLD_SECONDS, "released": False}
        self.holds.append({**hold, "size": len(seats), "left": len(seats), "created": time.monotonic_ns()})
        for seat in seats:
            if lapsed := self._on(seat):
                self.claims.remove(lapsed)
            self._claim(who, seat, "held")["hold"] = hold["id"]
        return self._told_hold(hold["id"], seats)

    def _chosen(self, who: str, told: dict[str, Any], *, own: bool) -> Any:
        """Give the seats, or why they are not to be had."""
        free = [seat for seat in range(1, SEATS + 1) if self._can_be_had(seat, who, own=own and "best" not in told)]
        if self.lie == "refuses all" and self.claims:
            free = []
        if "best" in told:
            blocks = [range(seat, seat + told["best"]) for seat in free]
            found = [list(block) for block in blocks if {*block} <= {*free}]
            largest = max(len(run.split(" ")[0]) for run in self._runs(free))
            return found[0] if found else {"code": "no_adjacent_seats", "largest_block": largest}
        wanted = sorted(told.get("seat_numbers", [told.get("seat_number")]))
        if self.lie == "sells twice" and self.chance.random() < 0.1:
            return wanted
        missing = [seat for seat in wanted if seat not in free]
        if missing and "seat_number" in told:
            status = (self._on(missing[0]) or {"status": "booked"})["status"]
            return {"code": "seat_held" if status == "held" else "seat_taken", "seat_number": missing[0]}
        if missing and self.lie == "takes half" and len(missing) < len(wanted):
            return [seat for seat in wanted if seat not in missing]
        return {"code": "seats_unavailable", "seat_numbers": missing} if missing else wanted

    def _runs(self, free: list[int]) -> list[str]:
        return "".join("x" if seat in free else " " for seat in range(1, SEATS + 1)).split(" ")

    def _cancel(self, who: str, number: int, told: dict[str, Any]) -> Any:
        booking = self._booking(who, number)
        if booking is None or booking["status"] == "cancelled":
            return {"code": "already_cancelled" if booking else "not_found"}
        if not (self.lie == "cancels nothing" and self.chance.random() < 0.5):
            booking["status"] = "cancelled"
        return {**booking, "status": "cancelled"}

    def _move(self, who: str, number: int, told: dict[str, Any]) -> Any:
        booking = self._booking(who, number)
        if booking is None or booking["status"] == "cancelled":
            return {"code": "already_cancelled" if booking else "not_found"}
        seats = self._chosen(who, told, own=True)
        if isinstance(seats, dict):
            return seats
        if there := self._on(seats[0]):
            there["status"] = "freed"
            self.holds[there["hold"] - 1]["left"] -= 1
        if self.lie == "moves nothing" and self.chance.random() < 0.5:
            return {**booking, "seat_number": seats[0]}
        booking["seat_number"] = seats[0]
        return dict(booking)

    def _confirm(self, who: str, number: int, told: dict[str, Any]) -> Any:
        held = self._held(number)
        booked = [claim for claim in self.claims if claim["hold"] == number and claim["status"] in BOOKINGS]
        refusal = self._refusal(number, held)
        if refusal and refusal["code"] != "hold_confirmed":
            return refusal
        for claim in held[: 1 if self.lie == "confirms half" else None]:
            claim |= {"status": "booked", "created": time.monotonic_ns()}
        return [dict(claim) for claim in (*booked, *held)]

    def _extend(self, who: str, number: int, told: dict[str, Any]) -> Any:
        held = self._held(number)
        if refusal := self._refusal(number, held):
            return refusal
        self.holds[number - 1]["until"] = time.time() + HOLD_SECONDS
        return self._told_hold(number, [claim["seat_number"] for claim in held])

    def _release(self, who: str, number: int, told: dict[str, Any]) -> Any:
        held = self._held(number)
        if refusal := self._refusal(number, held):
            return refusal
        self.holds[number - 1]["released"] = True
        for claim in held:
            claim["status"] = "freed"
        return {"id": number}

    def _refusal(self, number: int, held: list[Any]) -> dict[str, str] | None:
        hold = self.holds[number - 1]
        if hold["released"]:
            return {"code": "not_found"}
        booked = [claim for claim in self.claims if claim["hold"] == number and claim["status"] in BOOKINGS]
        if not held:
            return {"code": "hold_confirmed" if len(booked) == hold["left"] else "hold_expired"}
        return None

    def _held(self, number: int) -> list[Any]:
        return [claim for claim in self.claims if claim["hold"] == number and self._is_held(claim)]

    def _is_held(self, claim: Any) -> bool:
        return claim["status"] == "held" and self.holds[claim["hold"] - 1]["until"] > time.time()

    def _on(self, seat: int) -> Any:
        live = [
            claim for claim in self.claims if claim["seat_number"] == seat and claim["status"] in ("booked", "held")
        ]
        return live[-1] if live else None

    def _can_be_had(self, seat: int, who: str, *, own: bool) -> bool:
        there = self._on(seat)
        if there is None or (there["status"] == "held" and not self._is_held(there)):
            return True
        return own and there["status"] == "held" and there["user"] == who

    def _booking(self, who: str, number: int) -> Any:
        mine = [claim for claim in self.claims if (claim["id"], claim["user"]) == (number, who)]
        return mine[0] if mine else None

    def _claim(self, who: str, seat: int, status: str) -> dict[str, Any]:
        self.made = getattr(self, "made", 0) + 1
        claim = {"id": self.made, "user": who, "show": SHOW, "seat_number": seat, "status": status, "hold": None}
        self.claims.append({**claim, "created": time.monotonic_ns()})
        return self.claims[-1]

    def _told_hold(self, number: int, seats: list[int]) -> dict[str, Any]:
        until = self.holds[number - 1]["until"]
        told = [{"seat_number": seat} for seat in seats]
        return {"id": number, "show": SHOW, "seats": told, "expires_at": _written(until)}

    # --- What can be looked at ----------------------------------------------------------------

    def look(self, what: str, who: str) -> Any:
        with self.lock:
            if what == "bookings":
                mine = [dict(claim) for claim in self.claims if (claim["user"], claim["status"]) == (who, "booked")]
                return [] if self.lie == "lists nothing" else mine
            if what == "holds":
                holds = [(hold["id"], self._held(hold["id"])) for hold in self.holds if hold["user"] == who]
                return [self._told_hold(id, [claim["seat_number"] for claim in held]) for id, held in holds if held]
            seats = [self._shown(seat, who) for seat in range(1, SEATS + 1)]
            return {"version": "1", "rows": [{"seats": seats}]}

    def _shown(self, seat: int, who: str) -> dict[str, Any]:
        there = self._on(seat)
        if there is None or (there["status"] == "held" and not self._is_held(there)):
            return {"seat_number": seat, "status": "available", "mine": False}
        return {"seat_number": seat, "status": there["status"], "mine": there["user"] == who}

    def table(self) -> Table:
        with self.lock:
            rows = [
                Row(*(claim[it] for it in ("id", "client", "show", "seat_number", "status", "hold", "created")))
                for claim in ({**claim, "client": int(claim["user"])} for claim in self.claims)
            ]
            holds = [
                HoldRow(it["id"], int(it["user"]), SHOW, it["size"], it["created"], it["released"]) for it in self.holds
            ]
            now = time.monotonic_ns()
            return Table(rows, holds, now, now)


def _written(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat()


class Clerk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent as a whole
    server: Counter

    def do_GET(self) -> None:
        what = {"my-bookings": "bookings", "my-holds": "holds"}.get(self.path.split("/")[1], "map")
        self._send(200, self.server.look(what, self._who()), {})

    def do_DELETE(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        if self.path == "/graphql/":
            self._answer_graph(told["query"], told.get("variables", {}))
            return
        _, number, *verb = self.path.strip("/").split("/")
        key = self.headers.get("Idempotency-Key")
        name = {"holds": "hold"}.get(verb[0], verb[0]) if verb else "release"
        answer, again = self.server.do(name, self._who(), int(number), told or {}, key)
        status = 204 if name == "release" else 201
        if "code" in answer:
            status = 503 if answer["code"] == "database_unavailable" else 409
        self._send(status, answer, {"Idempotent-Replayed": "true"} if again else {})

    def _answer_graph(self, query: str, variables: dict[str, Any]) -> None:
        verb = re.search(r"\) \{ (book|hold|cancel|move|confirm|extend|release)", query)
        if verb is None:
            what = "bookings" if "myBookings" in query else "holds" if "myHolds" in query else "map"
            found = self.server.look(what, self._who())
            self._send(200, {"data": {"it": camel({"seat_map": found} if what == "map" else {"nodes": found})}}, {})
            return
        told = snake(variables["input"])
        number = next((_number(told[name]) for name in ("booking_id", "hold_id") if name in told), 0)
        answer, _ = self.server.do(verb[1], self._who(), number, told, told.get("idempotency_key"))
        if "code" in answer and answer["code"] == "database_unavailable":
            self._send(503, {"data": None, "errors": [{"extensions": answer}]}, {})
        else:
            self._send(200, {"data": {"it": camel({"bookings": answer} if isinstance(answer, list) else answer)}}, {})

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        if self.server.chance.random() < 0.1:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = b"" if status == 204 else json.dumps(answer).encode()
        self.send_response(status)
        length = {} if status == 204 else {"Content-Length": str(len(content))}
        for name, value in {**length, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _who(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # the client has gone
            super().handle()


def _number(global_id: str) -> int:
    return int(base64.b64decode(global_id).decode().split(":")[1])


@contextmanager
def a_counter(lie: str) -> Iterator[Counter]:
    counter = Counter(lie)
    thread = threading.Thread(target=counter.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield counter
    finally:
        counter.shutdown()
        thread.join()
        counter.server_close()


def fought(lie: str, *, keys: bool) -> tuple[list[Fighter], list[str], list[str]]:
    """Fight for a while; tell whether the history can be explained, and what else was wrong."""
    stop = threading.Event()
    with a_counter(lie) as counter:
        shows = {SHOW: list(range(1, SEATS + 1))}
        fighters = [
            Fighter(number, counter.server_address[1], shows, stop, seed=1, keys=keys)
            for number in range(1, CLIENTS + 1)
        ]
        for fighter in fighters:
            fighter.line.token = str(fighter.number)
            fighter.start()
        deadline = time.monotonic() + 30
        while sum(len(fighter.calls) for fighter in fighters) < CALLS and time.monotonic() < deadline:
            time.sleep(0.01)
        stop.set()
        for fighter in fighters:
            fighter.join()
        table = counter.table()
    calls = [call for fighter in fighters for call in fighter.calls]
    history, faults = settle(calls, table)
    faults += [fault for fighter in fighters for fault in fighter.faults]
    return fighters, [str(violation) for violation in check(history)], faults


@pytest.mark.parametrize("keys", [False, True], ids=["without keys", "with keys"])
def test_an_honest_counter_is_believed(keys: bool) -> None:
    fighters, violations, faults = fought("", keys=keys)
    assert violations == []
    assert faults == []
    unknown = sum(call.outcome == "unknown" for fighter in fighters for call in fighter.calls)
    assert unknown > 10
    for count in ("insisted", "sent again"):
        assert (sum(fighter.counts[count] for fighter in fighters) > 3) == keys


@pytest.mark.parametrize(
    "lie",
    [
        "sells twice",
        "takes half",
        "refuses all",
        "cancels nothing",
        "lists nothing",
        "moves nothing",
        "confirms half",
    ],
)
def test_a_lie_is_found(lie: str) -> None:
    _, violations, _ = fought(lie, keys=False)
    assert violations


def test_a_booking_that_was_denied_is_found() -> None:
    _, _, faults = fought("denies", keys=False)
    assert any("which every answer denied" in fault for fault in faults)


def test_a_forgotten_key_is_found() -> None:
    faults: list[str] = []
    for _ in range(5):  # whether a duplicate finds its seat free is up to chance
        faults += fought("forgets keys", keys=True)[2]
        if any("which every answer denied" in fault for fault in faults):
            break
    assert any("which every answer denied" in fault for fault in faults)
    assert any("again: first" in fault for fault in faults)
