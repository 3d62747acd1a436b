"""Connections over a real socket: deadlines, limits, the end of a worker, and what is taken from uvicorn."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core.server import connection as module
from core.server.connection import Connection

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Story = Callable[[Callable[[], Awaitable[Any]], uvicorn.Server], Awaitable[None]]


class App:
    """Answers after a moment, and notes that its streams were to end."""

    def __init__(self) -> None:
        self.streams = self
        self.has_ended = False

    def end(self) -> None:
        self.has_ended = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def serve(story: Story, app: Any = None) -> None:
    async def run() -> None:
        config = uvicorn.Config(app or App(), port=0, http=Connection, lifespan="off", log_config=None, ws="none")
        config.proxy_headers = False
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        writers: list[asyncio.StreamWriter] = []

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return reader, writer

        await story(connect, server)
        for writer in writers:
            writer.close()
        server.should_exit = True
        await serving
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 10))


@pytest.mark.parametrize("sent", [b"", REQUEST[:20]])
def test_without_whole_headers_it_is_closed_in_time(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_FOR_HEADERS", 0.2)

    async def story(connect: Any, server: Any) -> None:
        reader, writer = await connect()
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 1) == b""

    serve(story)


def test_between_requests_it_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_FOR_HEADERS", 0.2)

    async def story(connect: Any, server: Any) -> None:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(REQUEST)
            assert b"200 OK" in await reader.readuntil(b"ok")
            await asyncio.sleep(0.4)

    serve(story)


def test_beyond_the_limit_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)

    async def story(connect: Any, server: Any) -> None:
        (first, writer), (second, _) = await connect(), await connect()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(second.readexactly(1), 1)
        writer.write(REQUEST)
        assert b"200 OK" in await first.readuntil(b"ok")

    serve(story)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + 400_000 * b"x",
        b"GET / HTTP/1.1\r\nX: " + 400_000 * b"x",
        b"GET / HTTP/1.1\r\n" + 100_000 * b"X: x\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + 400_000 * b"x",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + 400_000 * b"x",
    ],
    ids=["path", "header", "headers", "trailer", "chunk"],
)
def test_more_than_64_kilobytes_beside_the_body_are_refused(sent: bytes) -> None:
    async def story(connect: Any, server: Any) -> None:
        reader, writer = await connect()
        writer.write(sent)
        with suppress(ConnectionError):  # the rest of what was sent is not read
            answer = await asyncio.wait_for(reader.read(), 1)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")

    serve(story)


def test_a_long_body_and_many_requests_on_one_connection_are_not_refused() -> None:
    async def story(connect: Any, server: Any) -> None:
        reader, writer = await connect()
        for _ in range(20):
            writer.write(b"POST / HTTP/1.1\r\nX: " + 10_000 * b"x" + b"\r\nContent-Length: 100000\r\n\r\n")
            writer.write(100_000 * b"x")
            assert b"200 OK" in await reader.readuntil(b"ok")

    serve(story)


def test_before_the_worker_stops__requests_on_their_way_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()

    async def story(connect: Any, server: Any) -> None:
        idle, silent, busy = [await connect() for _ in range(3)]
        idle[1].write(REQUEST)
        await idle[0].readuntil(b"ok")
        busy[1].write(REQUEST)
        await asyncio.sleep(0.02)
        server.should_exit = True
        await asyncio.sleep(0.3)
        assert app.has_ended
        with pytest.raises(OSError, match="Connect"):  # new ones go to other workers
            await connect()
        for late in (idle, silent):
            late[1].write(REQUEST)
        for reader, _ in (idle, silent, busy):
            answer = await asyncio.wait_for(reader.read(), 2)  # to the end of the connection
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert b"connection: close" in answer

    serve(story, app)


def test_overrides_methods_that_uvicorn_has() -> None:
    overridden = {name for name, value in vars(Connection).items() if callable(value) and not name.startswith("_")}
    assert overridden == {
        *("connection_made", "connection_lost", "data_received", "shutdown"),
        *("on_message_begin", "on_headers_complete", "on_body", "on_message_complete"),
    }
    assert overridden <= vars(HttpToolsProtocol).keys()
