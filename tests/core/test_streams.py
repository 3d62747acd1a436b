"""Streams in the event loop: what is sent, and how each of them ends."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core.errors import Overloaded
from core.server import streams as module
from core.server.streams import EventStream, Streams

START = {"type": "http.response.start", "status": 200, "headers": []}


class Source:
    """Gives what a test wants to be sent."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.is_over = False
        self.is_closed = False
        self._wake: Callable[[], None] = lambda: None

    def open(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def take(self) -> bytes | None:
        return self.waiting.pop(0) if self.waiting else None

    def close(self) -> None:
        self.is_closed = True

    def tell(self, *pieces: bytes) -> None:
        self.waiting += pieces
        self._wake()

    def end(self) -> None:
        self.is_over = True
        self._wake()


class Client:
    """Somebody who listens; and leaves, or stops reading, when told to."""

    def __init__(self, streams: Streams | None = None, until: float | None = None) -> None:
        self.streams = streams or Streams()
        self.source = Source()
        self.response = EventStream(b"first", self.source, last=b"last", until=until)
        self.sent: list[bytes] = []
        self.has_ended = False
        self._reads = asyncio.Event()
        self._reads.set()
        self._leaves = asyncio.Event()
        self.task = asyncio.create_task(self.streams.serve(self.response, START, self._receive, self._send))

    async def _receive(self) -> Any:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Any) -> None:
        await self._reads.wait()
        if event["type"] == "http.response.body":
            self.sent += [event["body"]] if event["body"] else []
            self.has_ended = not event["more_body"]

    def leave(self) -> None:
        self._leaves.set()

    def stop_reading(self) -> None:
        self._reads.clear()

    async def hears(self, count: int) -> list[bytes]:
        async with asyncio.timeout(2):
            while len(self.sent) < count:
                await asyncio.sleep(0.001)
        return self.sent

    async def ends(self, within: float = 3) -> None:
        await asyncio.wait_for(self.task, within)
        assert self.source.is_closed
        assert not self.streams._open


def live(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 10))


def test_tells_the_first_at_once_and_then_what_comes() -> None:
    async def story() -> None:
        client = Client()
        assert await client.hears(1) == [b"first"]
        client.source.tell(b"1")
        client.source.tell(b"2", b"3")
        assert await client.hears(4) == [b"first", b"1", b"2", b"3"]
        client.leave()
        await client.ends()

    live(story)


class TestEnds:
    def test_when_the_client_leaves(self) -> None:
        async def story() -> None:
            client = Client()
            await client.hears(1)
            client.leave()
            await client.ends(within=0.5)

        live(story)

    def test_when_there_is_nothing_left_to_tell(self) -> None:
        async def story() -> None:
            client = Client()
            await client.hears(1)
            client.source.end()
            await client.ends(within=0.5)
            assert client.sent == [b"first", b"last"]
            assert client.has_ended

        live(story)

    def test_when_the_token_runs_out(self) -> None:
        async def story() -> None:
            client = Client(until=time.time() + 0.5)
            await client.ends()
            assert client.sent == [b"first"]  # and no word that all has been told
            assert client.has_ended

        live(story)

    def test_when_the_worker_parts_from_its_clients(self) -> None:
        async def story() -> None:
            client = Client()
            await client.hears(1)
            client.streams.end()
            await client.ends(within=0.5)
            late = Client(client.streams)
            await late.ends(within=0.5)
            assert late.has_ended

        live(story)

    def test_when_the_client_does_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "SECONDS_TO_SEND", 0.5)

        async def story() -> None:
            client = Client()
            await client.hears(1)
            client.stop_reading()
            client.source.tell(b"1")
            await client.ends()
            assert not client.has_ended

        live(story)

    def test_also_where_the_client_left_while_it_was_sent_to(self) -> None:
        async def story() -> None:
            client = Client()
            client.stop_reading()
            client.leave()
            await asyncio.sleep(0.05)
            client._reads.set()
            await client.ends(within=0.5)

        live(story)


def test_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.5)

    async def story() -> None:
        client = Client()
        assert await client.hears(2) == [b"first", b":\n\n"]
        client.leave()
        await client.ends()

    live(story)


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STREAMS", 1)

    async def story() -> None:
        client = Client()
        late = EventStream(b"first", Source())
        client.streams.admit(late)
        await client.hears(1)
        with pytest.raises(Overloaded):
            client.streams.admit(late)
        assert late.source.is_closed  # type: ignore[attr-defined]
        client.leave()
        await client.ends()

    live(story)


def test_a_fault_ends_one_stream_and_is_not_hidden() -> None:
    async def story() -> None:
        client = Client()
        await client.hears(1)
        client.source.take = None  # type: ignore[assignment,method-assign]
        client.source.tell(b"1")
        with pytest.raises(TypeError):
            await client.task
        assert client.source.is_closed

    live(story)
