"""The ASGI application in this process. Floods and failures over HTTP are in tests/faults."""

import asyncio
import json
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from core import hashers
from core.errors import Busy, LockNotAvailable, Overloaded, RequestTimeout
from core.server import application as module
from core.server import refusals
from core.server.application import Application
from core.server.pool import WorkerPool
from core.server.streams import EventStream
from tests.core.test_streams import Source

Events = list[dict[str, Any]]


@pytest.fixture
def application() -> Iterator[Application]:
    application = Application(threads=1)
    yield application
    application.close()


class Answer:
    def __init__(self, sent: Events) -> None:
        self.status = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.content = sent[1]["body"]

    def json(self) -> Any:
        return json.loads(self.content)


def ask(
    application: Application,
    path: str,
    *events: dict[str, Any],
    method: str = "GET",
    headers: Any = (),
    wait: float = 5,
) -> Any:
    return asyncio.run(asyncio.wait_for(_ask(application, path, *events, method=method, headers=headers), wait))


async def _ask(
    application: Application, path: str, *events: dict[str, Any], method: str = "GET", headers: Any = ()
) -> Any:
    coming = list(events or [{"type": "http.request", "body": b""}])
    sent: Events = []

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        await asyncio.Event().wait()  # nothing more comes
        raise AssertionError

    async def send(event: Any) -> None:
        sent.append(event)

    path, _, query = path.partition("?")
    await application(scope_of(path, method, headers) | {"query_string": query.encode("latin1")}, receive, send)
    return Answer(sent) if sent else None


def scope_of(path: str, method: str = "GET", headers: Any = ()) -> dict[str, Any]:
    return {
        "type": "http", "method": method, "path": path, "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"testserver"), *headers], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip


def test_answers_as_django_does(application: Application) -> None:
    answer = ask(application, "/livez")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["x-request-id"]


def test_serves_files_whole(application: Application) -> None:
    answer = ask(application, "/static/graphql_api/graphiql.css")
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.content


def test_query_that_is_not_utf8__is_invalid(application: Application) -> None:
    answer = ask(application, "/movies/?search=\xff")
    assert (answer.status, answer.json()["code"]) == (400, "invalid")


@pytest.mark.django_db(transaction=True)
def test_sets_cookies(application: Application) -> None:
    assert "csrftoken" in ask(application, "/admin/login/").headers["set-cookie"]


class TestBodies:
    def test_may_come_in_pieces(self, application: Application) -> None:
        pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in (b"{", b'"a"')]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"8")]
        answer = ask(
            application, "/logout", *pieces, {"type": "http.request", "body": b": 1}"}, method="POST", headers=headers
        )
        assert (answer.status, answer.json()["errors"]) == (400, {"refresh": ["This field is required."]})

    def test_are_bounded(self, application: Application) -> None:
        endless = [{"type": "http.request", "body": b"x" * 10_000, "more_body": True}] * 8
        answer = ask(application, "/login", *endless, method="POST")
        assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")

    def test_must_come_in_time(self, application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(RequestTimeout, "seconds", 0.05)
        answer = ask(application, "/login", {"type": "http.request", "body": b"{", "more_body": True}, method="POST")
        assert (answer.status, answer.json()["code"]) == (408, "request_timeout")
        assert answer.headers["x-request-id"]

    def test_that_never_come_hold_no_thread(self, application: Application) -> None:
        async def slow_and_quick() -> Any:
            slow = [
                asyncio.create_task(
                    _ask(application, "/login", {"type": "http.request", "body": b"{", "more_body": True})
                )
                for _ in range(100)
            ]
            await asyncio.sleep(0)
            answer = await _ask(application, "/swagger/")
            for task in slow:
                task.cancel()
            return answer

        assert asyncio.run(asyncio.wait_for(slow_and_quick(), 5)).status == 200

    def test_of_clients_that_leave_are_dropped(self, application: Application) -> None:
        assert ask(application, "/login", {"type": "http.disconnect"}, method="POST") is None


class TestPools:
    @pytest.mark.parametrize(
        ("path", "pool"),
        [
            ("/livez", "health"),
            ("/api/livez/", "health"),
            ("/readyz", "readiness"),
            ("/login", "requests"),
            ("/graphql/", "requests"),
            ("/shows/1/book/", "requests"),
            ("/nowhere", "requests"),
        ],
    )
    def test_are_declared_by_the_views(self, path: str, pool: str) -> None:
        assert module._route(path)[0] == pool

    def test_long_paths_take_little_memory(self, application: Application) -> None:
        module._route.cache_clear()
        for number in range(3):
            ask(application, "/" + 60_000 * "x" + str(number))
        assert module._route.cache_info().currsize == 1

    def test_health_is_answered_while_all_else_waits(self, application: Application) -> None:
        holding = threading.Event()

        async def ask_while_busy() -> Any:
            busy = [application.pools[name].run(holding.wait) for name in ("requests", "readiness")]
            answer = await _ask(application, "/livez")
            holding.set()
            await asyncio.gather(*busy)
            return answer

        assert asyncio.run(asyncio.wait_for(ask_while_busy(), 2)).status == 200


@pytest.fixture(autouse=True)
def _nothing_was_logged() -> None:
    refusals._last_lines.clear()


class TestRefusals:
    @pytest.fixture(autouse=True)
    def _overloaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> Any:
            raise Overloaded

        monkeypatch.setattr(WorkerPool, "run", refuse)

    @pytest.mark.parametrize("path", ["/movies/", "/graphql/"])
    def test_can_be_read_by_clients_of_both_doors(self, application: Application, path: str) -> None:
        answer = ask(application, path)
        message, facts = str(Overloaded()), {"code": "overloaded", "retry_after": 1}
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {
            **facts,
            "detail": message,
            "data": None,
            "errors": [{"message": message, "extensions": facts}],
        }

    def test_can_be_read_by_another_origin(self, application: Application, settings: Any) -> None:
        settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
        allowed = ask(application, "/movies/", headers=[(b"origin", b"https://shop.example")])
        other = ask(application, "/movies/", headers=[(b"origin", b"https://elsewhere.example")])
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        assert "Retry-After" in allowed.headers["access-control-expose-headers"]
        assert "access-control-allow-origin" not in other.headers

    def test_are_logged_once_a_second_with_their_number(
        self, application: Application, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(20):
            ask(application, "/movies/")
        monkeypatch.setattr(refusals, "SECONDS_PER_LINE", 0)
        ask(application, "/movies/")
        assert [record.message for record in caplog.records] == ["refused: overloaded"] * 2
        assert [record.facts["unlogged"] for record in caplog.records] == [0, 19]  # type: ignore[attr-defined]


def refusing(refusal: Exception | None) -> HttpResponse:
    response = HttpResponse(b"refused" if refusal else b"done", headers={"X-Request-ID": "x"})
    response.refusal = refusal  # type: ignore[attr-defined]
    return response


class TestLocks:
    def test_are_waited_for_without_a_thread(self, application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
        attempts: list[float] = []

        def get_response(request: HttpRequest) -> HttpResponse:
            attempts.append(time.monotonic())
            return refusing(LockNotAvailable() if len(attempts) < 3 else None)

        monkeypatch.setattr(application, "get_response", get_response)
        assert ask(application, "/movies/").content == b"done"
        assert len(attempts) == 3
        assert attempts[2] - attempts[1] > attempts[1] - attempts[0] > 0.04

    def test_are_not_waited_for_for_ever(
        self, application: Application, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(module, "SECONDS_FOR_A_LOCK", 0.3)
        monkeypatch.setattr(application, "get_response", lambda request: refusing(LockNotAvailable()))
        started = time.monotonic()
        assert ask(application, "/movies/").content == b"refused"
        assert time.monotonic() - started < 2
        assert [record.message for record in caplog.records] == ["refused: busy"]

    @pytest.mark.parametrize("refusal", [None, Busy()])
    def test_other_answers_are_not_tried_again(
        self, application: Application, monkeypatch: pytest.MonkeyPatch, refusal: Exception | None
    ) -> None:
        attempts: list[int] = []

        def get_response(request: HttpRequest) -> HttpResponse:
            attempts.append(1)
            return refusing(refusal)

        monkeypatch.setattr(application, "get_response", get_response)
        ask(application, "/movies/")
        assert len(attempts) == 1


class TestHashing:
    @pytest.fixture(autouse=True)
    def _one_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hashers, "_hashing", None)
        hashers.limit_hashing_threads()

    def test_one_thread_hashes__another_waits_and_a_third_is_refused_at_once(self) -> None:
        order: list[str] = []

        def hash_next() -> None:
            with hashers.hashing_slot():
                order.append("second")

        second = threading.Thread(target=hash_next)
        with hashers.hashing_slot():
            second.start()
            time.sleep(0.1)
            with pytest.raises(LockNotAvailable), hashers.hashing_slot():
                order.append("third")
            order.append("first")
        second.join()
        assert order == ["first", "second"]

    def test_one_that_waits_too_long_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hashers, "SECONDS_TO_WAIT", 0.01)
        with hashers.hashing_slot(), pytest.raises(LockNotAvailable), hashers.hashing_slot():
            raise AssertionError("unreachable")
        with hashers.hashing_slot():  # it is free again
            pass

    @pytest.mark.django_db(transaction=True)
    def test_login_while_another_hashes__waits_and_others_are_served(self, application: Application) -> None:
        body = b'{"username": "nobody", "password": "whatever"}'
        event = {"type": "http.request", "body": body}
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

        async def log_in_while_hashing() -> Any:
            with hashers.hashing_slot():
                login = asyncio.create_task(_ask(application, "/login", event, method="POST", headers=headers))
                await asyncio.sleep(0.2)
                assert (await _ask(application, "/swagger/")).status == 200
                assert not login.done()
            return await login

        assert asyncio.run(log_in_while_hashing()).json()["code"] == "no_active_account"


def test_streams_wait_in_no_thread(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [Source() for _ in range(20)]
    coming = iter(pieces)
    monkeypatch.setattr(application, "get_response", lambda request: EventStream(b"first", next(coming)))

    async def story() -> None:
        sent: list[list[Any]] = [[] for _ in pieces]
        gone = asyncio.Event()

        def client(number: int) -> Coroutine[Any, Any, None]:
            events = [{"type": "http.request", "body": b""}]

            async def receive() -> Any:
                if events:
                    return events.pop()
                await gone.wait()
                return {"type": "http.disconnect"}

            async def send(event: Any) -> None:
                sent[number].append(event)

            return application(scope_of("/graphql/"), receive, send)

        tasks = [asyncio.create_task(client(number)) for number in range(len(pieces))]
        while not all(len(events) == 2 for events in sent):  # all at once, with one thread
            await asyncio.sleep(0.01)
        headers = dict(sent[0][0]["headers"])
        assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert headers[b"cache-control"] == b"no-store"
        assert b"content-length" not in headers
        gone.set()
        await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(story(), 10))
    assert all(each.is_closed for each in pieces)


def test_streams_beyond_the_limit_are_refused(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.server.streams.MAX_STREAMS", 0)
    source = Source()
    monkeypatch.setattr(application, "get_response", lambda request: EventStream(b"first", source))
    answer = ask(application, "/graphql/")
    assert (answer.status, answer.json()["errors"][0]["extensions"]["code"]) == (503, "overloaded")
    assert source.is_closed
