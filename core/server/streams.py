"""Answers that go on: server-sent events, to clients who keep listening.

A view in a thread sets a stream up, as it would answer anything else; then it lives in the event loop, where waiting
costs nothing: it holds no thread and no connection to the database. It ends when its client leaves or stops reading,
when the token that it was asked with runs out, when there is nothing left to tell, or when this worker is to be
replaced; clients then come again, and are served by another.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.errors import Overloaded
from core.observability import metrics

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_STREAMS = 5000  # a worker; each takes some 30 kB
HEARTBEAT = 15.0  # seconds; proxies take a longer silence for an end
LONGEST_SEND = 10.0  # seconds in which a client takes what it was sent

_COMMENT = b":\n\n"


class Pieces(Protocol):
    """What is told on a stream; it is asked in the event loop, and must not make it wait."""

    is_over: bool
    """Whether nothing comes after what ``take`` still gives."""

    def open(self, wake: Callable[[], None]) -> None:
        """Begin; whenever there is more to take, ``wake`` is to be called in the event loop."""

    def take(self) -> bytes | None:
        """Give what is to be sent next; None if there is nothing yet."""

    def close(self) -> None:
        """Hear that nobody listens any more."""


class EventStream(HttpResponseBase):
    """A response of server-sent events: the first at once, then piece by piece."""

    streaming = True

    def __init__(self, first: bytes, pieces: Pieces, *, last: bytes = b"", until: float | None = None) -> None:
        super().__init__(content_type="text/event-stream; charset=utf-8")
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"  # a proxy must not collect what is to be seen now
        self.headers["Connection"] = "close"  # whoever comes again may so reach another worker
        self.first, self.pieces, self.last, self.until = first, pieces, last, until


def can_stream(request: HttpRequest) -> bool:
    """Whether an ``EventStream`` can answer this request; a WSGI server has no way to serve one."""
    return isinstance(request, ASGIRequest)


class Streams:
    """The streams of this process."""

    def __init__(self) -> None:
        self._open: set[_Stream] = set()
        self._watch: asyncio.Task[None] | None = None
        self._is_ending = False

    def admit(self, response: EventStream) -> None:
        """Refuse a stream, and close its source, if there are too many.

        :raises Overloaded: there are.
        """
        if len(self._open) >= MOST_STREAMS:
            response.pieces.close()
            raise Overloaded

    async def serve(self, response: EventStream, start: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Send the head of the response, and then what there is to tell, until it ends."""
        stream = _Stream(response, send)
        self._open.add(stream)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_over())
        listening = asyncio.create_task(stream.hear_of_its_end(receive))
        metrics.count_stream(+1)
        try:
            if self._is_ending:
                stream.end("parted")
            await send(start)
            await stream.run()
        except asyncio.CancelledError:
            if stream.why != "slow":
                raise
        finally:
            metrics.count_stream(-1, stream.why)
            self._open.discard(stream)
            listening.cancel()
            response.pieces.close()

    def end(self) -> None:
        """End all streams, those that come from now on as well; clients come again, to another worker."""
        self._is_ending = True
        for stream in self._open:
            stream.end("parted")

    async def _watch_over(self) -> None:
        """Once a second, for all streams at once: a timer for each would cost more than the streams do."""
        while self._open:
            await asyncio.sleep(1)
            now, instant = time.monotonic(), time.time()
            for stream in list(self._open):
                stream.look_at_the_clock(now, instant)


class _Stream:
    def __init__(self, response: EventStream, send: Send) -> None:
        self._response = response
        self._pieces = response.pieces
        self._send = send
        self._task = asyncio.current_task()
        self._turn: asyncio.Future[None] | None = None
        self._sent_at = time.monotonic()
        self._is_sending = False
        self._beat = False
        self.why = ""
        """Why it has ended; empty as long as it has not."""

    async def run(self) -> None:
        self._pieces.open(self._wake)
        await self._tell(self._response.first)
        while not self.why:
            if (piece := self._pieces.take()) is not None:
                await self._tell(piece)
            elif self._pieces.is_over:
                self.end("over")
                await self._tell(self._response.last)
            elif self._beat:
                await self._tell(_COMMENT)
            else:
                self._turn = asyncio.get_running_loop().create_future()
                await self._turn
        if self.why != "left":
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, piece: bytes) -> None:
        # The server takes no more from us than the client takes from it: whoever does not read makes us wait here,
        # and what has happened meanwhile is told at once afterwards.
        self._sent_at, self._is_sending, self._beat = time.monotonic(), True, False
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self._is_sending = False

    async def hear_of_its_end(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end("left")

    def look_at_the_clock(self, now: float, instant: float) -> None:
        if self._is_sending:
            if now - self._sent_at > LONGEST_SEND:
                self.cut()
        elif self._response.until is not None and instant >= self._response.until:
            self.end("token")
        elif now - self._sent_at > HEARTBEAT:
            self._beat = True
            self._wake()

    def end(self, why: str) -> None:
        self.why = self.why or why
        self._wake()

    def cut(self) -> None:
        self.why = "slow"
        if self._task:
            self._task.cancel()

    def _wake(self) -> None:
        if self._turn and not self._turn.done():
            self._turn.set_result(None)
