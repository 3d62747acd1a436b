"""The gate: what a request passes before one of the few threads that answer takes it up.

Django answers in threads, each with a database connection of its own; two a process serve best. So a thread must never
wait for anything but the database at work. Here, in the event loop, where waiting costs nothing, a request waits

- until it has come in whole, so that clients who send byte by byte hold nobody up;
- for its turn, in one of four lanes: hashing a password takes as long as many bookings, and whoever asks how the
  process is wants to know just when it is busy; these have lanes of their own. A lane that is so far behind that its
  clients would rather hear so refuses what comes then, before anything is done for it;
- for a lock that was not had at once. The thread goes on to others, and the request is answered anew a little later:
  nothing has happened, that being what ``busy`` promises.
"""

import asyncio
import os
import signal
import socket
import stat
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from io import BytesIO
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.db import connections
from django.http import HttpResponse
from django.urls import set_script_prefix

from core.api.exceptions import error_response
from core.errors import DomainError, Invalid, LockNotAvailable, Overloaded, PayloadTooLarge, RequestTimeout
from core.observability import metrics, tracing
from core.server.refusals import Refused
from core.server.streams import EventStream, Streams

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

R = TypeVar("R")

Answer = HttpResponse | EventStream | Refused

LONGEST_WAIT = 0.5  # seconds in a lane
MOST_WAITING = 250  # requests a lane; about what two threads answer in LONGEST_WAIT
SECONDS_FOR_A_LOCK = 2.0
FIRST_PAUSE = 0.05  # seconds; each further one is twice as long

_HEALTH = {"livez": "health", "metrics": "health", "readyz": "readiness"}  # which asks the database
_HASHES = {"login", "signup", "token", "admin/login"}
_HASHING_MUTATIONS = (b"login", b"signup", b"\\u")  # or in other letters


class ClientGone(Exception):
    """The client left while it was sending."""


class Lane:
    """A few threads and those who wait for them, first come, first served."""

    def __init__(self, name: str, threads: int) -> None:
        # A deque tells how long the first has waited; the queue lets the threads sleep.
        self._arrivals: deque[float] = deque()
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._figures = metrics.LaneFigures(name, threads)
        self._threads = [Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def refuse_excess(self) -> None:
        """Refuse whoever comes now, if those who came before are too many or too late.

        :raises Overloaded: they are.
        """
        waiting = self._arrivals
        with suppress(IndexError):  # a thread has just taken the last
            if len(waiting) >= MOST_WAITING or (waiting and time.monotonic() - waiting[0] > LONGEST_WAIT):
                raise Overloaded

    def take(self, work: Callable[[], R]) -> asyncio.Future[R]:
        """Do the work in one of the threads.

        :raises Overloaded: the first of those who wait has waited too long already, or too many do, or its turn came
            so late that whoever asked is better told to come again.
        """
        self.refuse_excess()
        loop, now = asyncio.get_running_loop(), time.monotonic()
        future: asyncio.Future[R] = loop.create_future()

        def do() -> None:
            arrived = self._arrivals.popleft()
            began = self._figures.begins()
            try:
                if time.monotonic() - arrived > 2 * LONGEST_WAIT:
                    raise Overloaded
                result = work()
            except Exception as fault:
                loop.call_soon_threadsafe(_settle, future.set_exception, fault)
            else:
                loop.call_soon_threadsafe(_settle, future.set_result, result)
            finally:
                self._figures.ends(began)

        self._arrivals.append(now)
        self._figures.arrives()
        self._queue.put(do)
        return future

    def _run(self) -> None:
        while work := self._queue.get():
            work()
        connections.close_all()

    def close(self) -> None:
        """Let the threads end what they have begun."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()


def _settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
    try:
        set_outcome(outcome)
    except asyncio.InvalidStateError:  # nobody waits any more
        if isinstance(outcome, EventStream):
            outcome.source.close()


class Gate(BaseHandler):
    """The ASGI application."""

    def __init__(self, threads: int) -> None:
        self.load_middleware()
        metrics.start()
        tracing.start()
        self._lanes = {"answers": Lane("answers", threads)}
        self._lanes |= {name: Lane(name, 1) for name in ("hashes", "health", "readiness")}
        self._streams = Streams()
        self._is_parting = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            began = time.perf_counter()
            tracing.begin(scope)
            response: Answer
            try:
                response = await self._answer(scope, receive)
            except DomainError as refusal:
                response = Refused(refusal, scope)
            except ClientGone:
                tracing.end(scope, None)
                return
            tracing.end(scope, cast(HttpResponse, response))
            metrics.count_request(
                scope["method"], scope.get("core.match"), response.status_code, time.perf_counter() - began
            )
            await self._send(response, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Tell core.server.serve that this worker serves, and hear from it when it is to be replaced."""
        await receive()
        if settings.READY_FD:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._part)
            asyncio.get_running_loop().call_later(0.2, os.write, settings.READY_FD, b".")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for lane in self._lanes.values():
            lane.close()
        tracing.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _part(self) -> None:
        """Take no new connection, and let clients that keep theirs open come again, to another worker."""
        self._is_parting = True
        self._streams.end()
        listening = _listening()
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            deaf.setblocking(False)
            for number in listening:
                # The server goes on to listen, to nobody; whoever comes waits for the successor, on the same socket.
                os.dup2(deaf.fileno(), number)

    async def _answer(self, scope: Scope, receive: Receive) -> HttpResponse | EventStream:
        path = scope["path"].strip("/").removeprefix("api/")
        if path != "graphql":
            self._lanes[_lane_of(path, b"")].refuse_excess()  # without having read it
        body = await _body(scope, receive)
        lane = self._lanes[_lane_of(path, body)]
        until, pause = time.monotonic() + SECONDS_FOR_A_LOCK, FIRST_PAUSE
        while True:
            can_retry = time.monotonic() + pause < until
            response = await lane.take(partial(self._in_thread, scope, body, can_retry))
            if isinstance(response, EventStream):
                self._streams.admit(response)
            if response is not None:
                return response
            await asyncio.sleep(pause)
            pause *= 2

    async def _send(self, response: Answer, receive: Receive, send: Send) -> None:
        headers = response.encoded_headers() if isinstance(response, Refused) else _encoded_headers(response)
        if self._is_parting and not isinstance(response, EventStream):  # which parts from everybody
            headers.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
        if isinstance(response, EventStream):
            await self._streams.serve(response, start, receive, send)
        else:
            await send(start)
            await send({"type": "http.response.body", "body": response.content})

    def _in_thread(self, scope: Scope, body: bytes, can_retry: bool) -> HttpResponse | EventStream | None:
        """Answer; None if a lock was not had and the request may come again."""
        set_script_prefix(scope.get("root_path", "") or "/")
        request_started.send(sender=type(self), scope=scope)
        try:
            request = ASGIRequest(scope, BytesIO(body))
        except UnicodeDecodeError:
            return error_response(Invalid(errors={}))
        if "CONTENT_LENGTH" in request.META:
            request.META["CONTENT_LENGTH"] = str(len(body))
        request.META["core.can_retry"] = can_retry
        metrics.begin_try()
        with tracing.within(scope):
            response = self.get_response(request)
        whole = _whole(response)
        scope["core.match"] = request.resolver_match
        missed = isinstance(getattr(response, "refusal", None), LockNotAvailable)
        comes_again = can_retry and missed
        metrics.end_try(request.resolver_match, missed_a_lock=missed, comes_again=comes_again)
        return None if comes_again else whole


def _listening() -> list[int]:
    """Find the sockets on which this process takes connections; the server does not tell."""
    found = []
    for number in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as candidate:
                    if candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        found.append(number)
    return found


def _lane_of(path: str, body: bytes) -> str:
    """Choose a lane; a wrong guess costs a wait in the wrong one, and nothing else."""
    if path in _HEALTH:
        return _HEALTH[path]
    if path in _HASHES or (path == "graphql" and any(name in body for name in _HASHING_MUTATIONS)):
        return "hashes"
    return "answers"


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Receive the body, to its end.

    :raises PayloadTooLarge: it is longer than any that is taken.
    :raises RequestTimeout: it takes too long.
    """
    body = b""
    try:
        async with asyncio.timeout(RequestTimeout.seconds):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ClientGone
                body += bytes(event.get("body", b""))
                if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
                    raise PayloadTooLarge
                if not event.get("more_body"):
                    return body
    except TimeoutError as late:
        raise RequestTimeout from late


def _whole(response: Any) -> HttpResponse | EventStream:
    """Read a file that would be streamed; the largest that is served has a few megabytes."""
    if isinstance(response, EventStream):
        return response
    if not response.streaming:
        response.close()
        return response  # type: ignore[no-any-return]
    whole = HttpResponse(b"".join(response), status=response.status_code)
    whole.headers, whole.cookies = response.headers, response.cookies
    response.close()
    return whole


def _encoded_headers(response: HttpResponse | EventStream) -> list[tuple[bytes, bytes]]:
    if isinstance(response, HttpResponse) and response.status_code not in (204, 304):
        response.headers.setdefault("Content-Length", str(len(response.content)))
    headers = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in response.items()]
    return headers + [
        (b"set-cookie", cookie.output(header="").strip().encode("latin1")) for cookie in response.cookies.values()
    ]
