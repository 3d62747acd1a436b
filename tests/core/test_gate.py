"""The gate: what a request passes before a thread takes it up. Floods and faults over HTTP are in tests/faults."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from core.errors import RequestTimeout
from core.server import gate as module
from core.server.gate import Gate, Lane, Overloaded

Events = list[dict[str, Any]]


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate(threads=1)
    yield gate
    for lane in gate._lanes.values():
        lane.close()


class Answer:
    def __init__(self, sent: Events) -> None:
        self.status = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.content = sent[1]["body"]

    def json(self) -> Any:
        return json.loads(self.content)


def ask(gate: Gate, path: str, *events: dict[str, Any], method: str = "GET", headers: Any = (), wait: float = 5) -> Any:
    return asyncio.run(asyncio.wait_for(_ask(gate, path, *events, method=method, headers=headers), wait))


async def _ask(gate: Gate, path: str, *events: dict[str, Any], method: str = "GET", headers: Any = ()) -> Any:
    coming = list(events or [{"type": "http.request", "body": b""}])
    sent: Events = []

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        await asyncio.Event().wait()  # nothing more comes
        raise AssertionError

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"testserver"), *headers], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await gate(scope, receive, send)
    return Answer(sent) if sent else None


def test_answers_as_django_does(gate: Gate) -> None:
    answer = ask(gate, "/livez")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["x-request-id"]


def test_serves_files_whole(gate: Gate) -> None:
    answer = ask(gate, "/static/graphql_api/graphiql.css")
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.content


@pytest.mark.django_db(transaction=True)
def test_sets_cookies(gate: Gate) -> None:
    assert "csrftoken" in ask(gate, "/admin/login/").headers["set-cookie"]


class TestBodies:
    def test_may_come_in_pieces(self, gate: Gate) -> None:
        pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in (b"{", b'"a"')]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"8")]
        answer = ask(
            gate, "/logout", *pieces, {"type": "http.request", "body": b": 1}"}, method="POST", headers=headers
        )
        assert (answer.status, answer.json()["errors"]) == (400, {"refresh": ["This field is required."]})

    def test_are_bounded(self, gate: Gate) -> None:
        endless = [{"type": "http.request", "body": b"x" * 10_000, "more_body": True}] * 8
        answer = ask(gate, "/login", *endless, method="POST")
        assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")

    def test_must_come_in_time(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(RequestTimeout, "seconds", 0.05)
        answer = ask(gate, "/login", {"type": "http.request", "body": b"{", "more_body": True}, method="POST")
        assert (answer.status, answer.json()["code"]) == (408, "request_timeout")
        assert answer.headers["x-request-id"]

    def test_that_never_come_hold_no_thread(self, gate: Gate) -> None:
        async def slow_and_quick() -> Any:
            slow = [
                asyncio.create_task(_ask(gate, "/login", {"type": "http.request", "body": b"{", "more_body": True}))
                for _ in range(100)
            ]
            await asyncio.sleep(0)
            answer = await _ask(gate, "/swagger/")
            for task in slow:
                task.cancel()
            return answer

        assert asyncio.run(asyncio.wait_for(slow_and_quick(), 5)).status == 200

    def test_of_clients_that_leave_are_dropped(self, gate: Gate) -> None:
        assert ask(gate, "/login", {"type": "http.disconnect"}, method="POST") is None


def at_once(lane: Lane, works: list[Callable[[], Any]]) -> list[Any]:
    async def run() -> list[Any]:
        futures: list[Awaitable[Any]] = []
        for work in works:
            try:
                futures.append(lane.take(work))
            except Overloaded as refused:
                futures.append(asyncio.sleep(0, refused))
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(run())


class TestLane:
    @pytest.fixture
    def lane(self) -> Iterator[Lane]:
        lane = Lane("test", 1)
        yield lane
        lane.close()

    def test_is_first_come_first_served(self, lane: Lane) -> None:
        served: list[int] = []
        at_once(lane, [lambda n=n: served.append(n) for n in range(50)])
        assert served == list(range(50))

    def test_passes_faults_on(self, lane: Lane) -> None:
        def fail() -> None:
            raise ValueError("a fault")

        first, second = at_once(lane, [fail, lambda: "fine"])
        assert isinstance(first, ValueError)
        assert second == "fine"

    def test_refuses_beyond_its_length(self, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_WAITING", 3)
        holding = threading.Event()
        lane._queue.put(lambda: holding.wait(5))  # type: ignore[func-returns-value,arg-type,return-value]
        threading.Timer(0.1, holding.set).start()
        outcomes = at_once(lane, [lambda: "done"] * 5)
        assert outcomes[:3] == ["done"] * 3
        assert all(isinstance(outcome, Overloaded) for outcome in outcomes[3:])

    def test_refuses_what_would_be_answered_too_late(self, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "LONGEST_WAIT", 0.05)
        done: list[int] = []

        def work() -> None:
            time.sleep(0.15)
            done.append(1)

        outcomes = at_once(lane, [work, work])
        assert outcomes[0] is None
        assert isinstance(outcomes[1], Overloaded)
        assert done == [1]


class TestLanes:
    @pytest.mark.parametrize(
        ("path", "body", "lane"),
        [
            ("livez", b"", "health"),
            ("readyz", b"", "readiness"),
            ("login", b"", "hashes"),
            ("signup", b"", "hashes"),
            ("token", b"", "hashes"),
            ("graphql", b"mutation { login }", "hashes"),
            ("graphql", rb"mutation { l\u006fgin }", "hashes"),
            ("graphql", b"mutation { bookSeat }", "answers"),
            ("shows/1/book", b"login", "answers"),
            ("movies", b"", "answers"),
        ],
    )
    def test_are_chosen_by_what_takes_long(self, path: str, body: bytes, lane: str) -> None:
        assert module._lane_of(path, body) == lane

    def test_leave_health_to_be_told_when_all_else_waits(self, gate: Gate) -> None:
        holding = threading.Event()
        for name in ("answers", "readiness", "hashes"):
            gate._lanes[name]._queue.put(lambda: holding.wait(5))  # type: ignore[func-returns-value,arg-type,return-value]
        try:
            assert ask(gate, "/livez", wait=2).status == 200
        finally:
            holding.set()


@pytest.mark.parametrize("path", ["/movies/", "/graphql/"])
def test_refuses_in_the_words_of_the_door(gate: Gate, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise Overloaded

    monkeypatch.setattr(Lane, "take", refuse)
    answer = ask(gate, path)
    words = "Too many ask at once. Nothing happened; try again."
    told = {"code": "overloaded", "detail": words, "retry_after": 1}
    if path == "/graphql/":
        error = {"message": words, "extensions": {"code": "overloaded", "retry_after": 1}}
        told = {"data": None, "errors": [error]}
    assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, told, "1")


class TestLocks:
    def test_are_waited_for_without_a_thread(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        tries: list[float] = []
        get_response = gate.get_response

        def missing(request: Any) -> Any:
            tries.append(time.monotonic())
            response = get_response(request)
            module.lock_was_missed.set(len(tries) < 3)
            return response

        monkeypatch.setattr(gate, "get_response", missing)
        assert ask(gate, "/livez").status == 200
        assert len(tries) == 3
        assert tries[2] - tries[1] > tries[1] - tries[0] > 0.04

    def test_are_not_waited_for_for_ever(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "SECONDS_FOR_A_LOCK", 0.3)
        get_response = gate.get_response

        def missing(request: Any) -> Any:
            response = get_response(request)
            module.lock_was_missed.set(True)
            return response

        monkeypatch.setattr(gate, "get_response", missing)
        started = time.monotonic()
        assert ask(gate, "/livez").status == 200  # what was answered last
        assert time.monotonic() - started < 2


def test_parts_from_its_clients_when_it_is_replaced(gate: Gate) -> None:
    assert "connection" not in ask(gate, "/livez").headers
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        gate._part()
        with pytest.raises(ConnectionRefusedError):  # nobody else has this socket; a successor would
            socket.create_connection(address)
    assert ask(gate, "/livez").headers["connection"] == "close"


def test_lets_another_origin_read_its_refusals(gate: Gate, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise Overloaded

    monkeypatch.setattr(Lane, "take", refuse)
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    allowed = ask(gate, "/movies/", headers=[(b"origin", b"https://shop.example")])
    other = ask(gate, "/movies/", headers=[(b"origin", b"https://elsewhere.example")])
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    assert "Retry-After" in allowed.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers
