"""The fighters against a counter of a few lines, which is right, forgets keys, or lies: what they record is judged."""

import base64
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.fight.checker import check
from tests.fight.clients import Fighter
from tests.fight.table import Row, settle

SHOW, SEATS, CLIENTS = 7, 2, 4
CALLS = 1500  # until they stop


class Counter(ThreadingHTTPServer):
    """Sells the seats of one show over both doors; loses each tenth answer; ``lie`` spoils what it says or does."""

    daemon_threads = True

    def __init__(self, lie: str) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.lie = lie
        self.lock = threading.Lock()
        self.chance = random.Random(1)
        self.rows: list[dict[str, Any]] = []
        self.kept: dict[tuple[str, str], Any] = {}

    def book(self, who: str, seat: int, key: str | None) -> tuple[Any, bool]:
        with self.lock:
            return self._once(who, key, lambda: self._sell(who, seat))

    def _sell(self, who: str, seat: int) -> Any:
        taken = [row for row in self.rows if row["seat_number"] == seat and row["status"] == "booked"]
        if self.lie == "refuses all" and self.rows:
            return "seat_taken"
        if taken and not (self.lie == "sells twice" and self.chance.random() < 0.1):
            return "seat_taken"
        row = {"id": len(self.rows) + 1, "user": who, "show": SHOW, "seat_number": seat, "status": "booked"}
        self.rows.append(row)
        return "database_unavailable" if self.lie == "denies" and self.chance.random() < 0.5 else row

    def cancel(self, who: str, booking: int, key: str | None) -> tuple[Any, bool]:
        with self.lock:
            return self._once(who, key, lambda: self._free(who, booking))

    def _free(self, who: str, booking: int) -> Any:
        row = self.rows[booking - 1]
        if row["user"] != who:
            return "not_found"
        if row["status"] == "cancelled":
            return "already_cancelled"
        if not (self.lie == "cancels nothing" and self.chance.random() < 0.5):
            row["status"] = "cancelled"
        return {**row, "status": "cancelled"}

    def _once(self, who: str, key: str | None, deed: Callable[[], Any]) -> tuple[Any, bool]:
        if key and (who, key) in self.kept and self.lie != "forgets keys":
            return self.kept[who, key], True
        answer = deed()
        if key and answer != "database_unavailable":
            self.kept[who, key] = answer
        return answer, False

    def list(self, who: str) -> list[Any]:
        with self.lock:
            mine = [row for row in self.rows if row["user"] == who and row["status"] == "booked"]
            return [] if self.lie == "lists nothing" else mine


class Clerk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent as a whole
    server: Counter

    def do_GET(self) -> None:
        self._tell(200, self.server.list(self._who()))

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        if self.path == "/graphql/":
            self._tell_graph(told["query"], told.get("variables", {}).get("input", {}))
        else:
            key = self.headers.get("Idempotency-Key")
            if self.path.endswith("/book/"):
                answer, again = self.server.book(self._who(), told["seat_number"], key)
            else:
                answer, again = self.server.cancel(self._who(), int(self.path.split("/")[2]), key)
            self._tell(201, answer, {"Idempotent-Replayed": "true"} if again else {})

    def _tell(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        if isinstance(answer, str):
            status, answer = (503 if answer == "database_unavailable" else 409), {"code": answer}
        self._send(status, answer, headers or {})

    def _tell_graph(self, query: str, told: dict[str, Any]) -> None:
        answer: Any
        if "bookSeat" in query:
            answer, _ = self.server.book(self._who(), told["seatNumber"], told.get("idempotencyKey"))
        elif "cancelBooking" in query:
            booking = int(base64.b64decode(told["bookingId"]).decode().split(":")[1])
            answer, _ = self.server.cancel(self._who(), booking, told.get("idempotencyKey"))
        else:
            answer = {"nodes": [_node(row) for row in self.server.list(self._who())]}
        if answer == "database_unavailable":
            self._send(503, {"data": None, "errors": [{"extensions": {"code": answer}}]}, {})
        elif isinstance(answer, str):
            self._send(200, {"data": {"result": {"code": answer}}}, {})
        else:
            self._send(200, {"data": {"result": answer if "nodes" in answer else _node(answer)}}, {})

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        if self.server.chance.random() < 0.1:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
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


def _node(row: dict[str, Any]) -> dict[str, Any]:
    show = {"databaseId": row["show"]}
    status = row["status"].upper()
    return {"databaseId": row["id"], "seatNumber": row["seat_number"], "status": status, "show": show}


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


def fought(lie: str, *, keys: bool) -> tuple[list[Fighter], bool, list[str]]:
    """Fight for a while; tell whether the history can be explained, and what else was wrong."""
    stop = threading.Event()
    with a_counter(lie) as counter:
        seats = [(SHOW, seat) for seat in range(1, SEATS + 1)]
        fighters = [
            Fighter(number, counter.server_address[1], seats, stop, seed=1, keys=keys)
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
        start = time.monotonic_ns()
        rows = [
            Row(row["id"], int(row["user"]), SHOW, row["seat_number"], row["status"] == "booked")
            for row in counter.rows
        ]
    calls = [call for fighter in fighters for call in fighter.calls]
    history, faults = settle(calls, rows, start=start, end=time.monotonic_ns())
    faults += [fault for fighter in fighters for fault in fighter.faults]
    return fighters, check(history) == [], faults


@pytest.mark.parametrize("keys", [False, True], ids=["without keys", "with keys"])
def test_an_honest_counter_is_believed(keys: bool) -> None:
    fighters, explained, faults = fought("", keys=keys)
    assert explained
    assert faults == []
    unknown = sum(call.outcome == "unknown" for fighter in fighters for call in fighter.calls)
    assert unknown > 10
    for count in ("insisted", "sent again"):
        assert (sum(fighter.counts[count] for fighter in fighters) > 3) == keys


@pytest.mark.parametrize("lie", ["sells twice", "refuses all", "cancels nothing", "lists nothing"])
def test_a_lie_is_found(lie: str) -> None:
    _, explained, _ = fought(lie, keys=False)
    assert not explained


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
