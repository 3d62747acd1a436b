"""Server-sent events: responses that go on, to clients that keep their connection.

A view sets a stream up in a thread, and then it lives in the event loop, where waiting costs nothing: it holds no
thread and no connection to the database. It ends when the client leaves or stops reading, when the token that it was
asked for with runs out, when its source is over, or when this worker is being replaced.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Protocol

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.errors import Overloaded
from core.observability import metrics

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_STREAMS = 5000  # a worker; each takes some 30 kB
HEARTBEAT = 15.0  # seconds; proxies take a longer silence for an end
SECONDS_TO_SEND = 10.0  # seconds in which a client has to take what it is sent

_COMMENT = b":\n\n"


class EventSource(Protocol):
    """What a stream sends. It is asked in the event loop, and must not block it."""

    @property
    def is_over(self) -> bool:
        """Whether nothing comes after what ``take`` still gives."""

    def open(self, wake: Callable[[], None]) -> None:
        """Begin: call ``wake`` in the event loop whenever there is more to take."""

    def take(self) -> bytes | None:
        """Give what is to be sent next; None if there is nothing yet."""

    def close(self) -> None:
        """Free what the source holds: the stream has ended."""


class EventStream(HttpResponseBase):
    """A response of server-sent events: the first at once, then what the source gives."""

    streaming = True

    def __init__(self, first: bytes, source: EventSource, *, last: bytes = b"", until: float | None = None) -> None:
        super().__init__(content_type="text/event-stream; charset=utf-8")
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"  # a proxy must pass each event on at once
        self.headers["Connection"] = "close"  # so that a client which reconnects can reach another worker
        self.first, self.source, self.last, self.until = first, source, last, until


def can_stream(request: HttpRequest) -> bool:
    """Whether an ``EventStream`` can answer this request; a WSGI server has no way to serve one."""
    return isinstance(request, ASGIRequest)


class Streams:
    """The streams of this process."""

    def __init__(self) -> None:
        self._open: set[_Stream] = set()
        self._is_ending = False

    def admit(self, response: EventStream) -> None:
        """Refuse a stream, and close its source, if there are too many.

        :raises Overloaded: there are.
        """
        if len(self._open) >= MAX_STREAMS:
            response.source.close()
            raise Overloaded

    async def serve(self, response: EventStream, start: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Send the head of the response, and then its events, until the stream ends."""
        stream = _Stream(response, send)
        self._open.add(stream)
        listening = asyncio.create_task(stream.wait_for_disconnect(receive))
        metrics.count_stream(+1)
        try:
            if self._is_ending:
                stream.end("parted")
            await send(start)
            await stream.run()
        finally:
            metrics.count_stream(-1, stream.end_reason)
            self._open.discard(stream)
            listening.cancel()
            response.source.close()

    def end(self) -> None:
        """End all streams, also those to come: this worker is being replaced, and clients reconnect to another."""
        self._is_ending = True
        for stream in self._open:
            stream.end("parted")


class _Stream:
    def __init__(self, response: EventStream, send: Send) -> None:
        self._response = response
        self._send = send
        self._woken = asyncio.Event()
        self.end_reason = ""

    def end(self, reason: str) -> None:
        self.end_reason = self.end_reason or reason
        self._woken.set()

    async def wait_for_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end("left")

    async def run(self) -> None:
        source, until = self._response.source, self._response.until
        source.open(self._woken.set)
        await self._send_piece(self._response.first)
        while not self.end_reason:
            self._woken.clear()
            if until is not None and time.time() >= until:
                self.end("token")
            elif (piece := source.take()) is not None:
                await self._send_piece(piece)
            elif source.is_over:
                self.end("over")
                await self._send_piece(self._response.last)
            else:
                silence = HEARTBEAT if until is None else min(HEARTBEAT, until - time.time())
                if not await self._is_woken(silence) and silence == HEARTBEAT:
                    await self._send_piece(_COMMENT)
        if self.end_reason not in ("left", "slow"):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _is_woken(self, within: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                return await self._woken.wait()
        return False

    async def _send_piece(self, piece: bytes) -> None:
        """Send to a client; the server takes no more from us than the client takes from it."""
        try:
            async with asyncio.timeout(SECONDS_TO_SEND):
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            self.end("slow")
