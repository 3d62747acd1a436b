"""The gate: what a request passes before one of the few threads that answer takes it up.

Django answers in threads, each with a database connection of its own; two a process serve best. So a thread must never
wait for anything but the database at work. Here, in the event loop, where waiting costs nothing, a request waits

- until it has come in whole, so that clients who send byte by byte hold nobody up;
- for its turn, in one of two lanes: hashing a password takes as long as many bookings, and has a lane of its own. A
  lane that is so far behind that its clients would rather hear so refuses what comes then, before anything is done for
  it;
- for a lock that was not had at once. The thread goes on to others, and the request is answered anew a little later:
  nothing has happened, that being what ``busy`` promises.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.http import HttpResponse
from django.urls import set_script_prefix

from core.body import PayloadTooLarge
from core.database import lock_was_missed
from core.errors import DomainError, Kind
from core.middleware import request_name
from core.rest import answer_exception

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SECONDS_TO_SEND = 10  # a whole request
LONGEST_WAIT = 1.0  # seconds that the first in a lane may have waited when another is let in
MOST_WAITING = 500  # requests a lane
SECONDS_FOR_A_LOCK = 2.0
FIRST_PAUSE = 0.05  # seconds; each further one is twice as long

_HASHES = {"login", "signup", "api/login", "api/signup", "api/token", "admin/login"}
_HASHING_MUTATIONS = (b"login", b"signup")


@dataclass(eq=False)
class Overloaded(DomainError):
    """More is asked than can be answered in good time; nothing was done."""

    kind = Kind.UNAVAILABLE
    code = "overloaded"
    message = "Too many ask at once. Nothing happened; try again."
    example = {"retry_after": 1}

    retry_after: int = 1


@dataclass(eq=False)
class RequestTimeout(DomainError):
    """The request did not come in whole in time; nothing was done."""

    kind = Kind.TOO_SLOW
    code = "request_timeout"
    message = "The request did not come in whole within {seconds} seconds."
    example = {"seconds": SECONDS_TO_SEND}

    seconds: int = SECONDS_TO_SEND


class ClientGone(Exception):
    """The client left while it was sending."""


class Lane:
    """A few threads and those who wait for them, first come, first served."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._arrivals: deque[float] = deque()

    async def take(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do the work in one of the threads.

        :raises Overloaded: the first of those who wait has waited too long already, or too many do.
        """
        now = time.monotonic()
        waiting = len(self._arrivals)
        if waiting >= MOST_WAITING or (waiting and now - self._arrivals[0] > LONGEST_WAIT):
            raise Overloaded
        self._arrivals.append(now)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._begin, work, *arguments)

    def _begin(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self._arrivals.popleft()
        return work(*arguments)

    def close(self) -> None:
        self._threads.shutdown()


class Gate(BaseHandler):
    """The ASGI application."""

    def __init__(self, threads: int) -> None:
        self.load_middleware()
        self._lanes = {False: Lane("answers", threads), True: Lane("hashes", 1)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            try:
                response = await self._answer(scope, await _body(scope, receive))
            except DomainError as refusal:
                response = answer_exception(refusal)
                response["X-Request-ID"] = request_name("")
            except ClientGone:
                return
            await _send(response, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.shutdown":
                for lane in self._lanes.values():
                    lane.close()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    async def _answer(self, scope: Scope, body: bytes) -> HttpResponse:
        lane = self._lanes[_hashes_a_password(scope["path"], body)]
        until, pause = time.monotonic() + SECONDS_FOR_A_LOCK, FIRST_PAUSE
        while True:
            may_come_again = time.monotonic() + pause < until
            response: HttpResponse | None = await lane.take(self._in_thread, scope, body, may_come_again)
            if response is not None:
                return response
            await asyncio.sleep(pause)
            pause *= 2

    def _in_thread(self, scope: Scope, body: bytes, may_come_again: bool) -> HttpResponse | None:
        """Answer; None if a lock was not had and the request may come again."""
        lock_was_missed.set(False)
        set_script_prefix(scope.get("root_path", "") or "/")
        request_started.send(sender=type(self), scope=scope)
        try:
            request = ASGIRequest(scope, BytesIO(body))
        except UnicodeDecodeError:
            return HttpResponse(status=400)
        if "CONTENT_LENGTH" in request.META:
            request.META["CONTENT_LENGTH"] = str(len(body))
        request.META["core.may_come_again"] = may_come_again
        response = self.get_response(request)
        whole = _whole(response)
        response.close()
        return None if may_come_again and lock_was_missed.get() else whole


def _hashes_a_password(path: str, body: bytes) -> bool:
    """Guess whether a password will be hashed; a wrong guess costs a wait in the wrong lane, and nothing else."""
    path = path.strip("/")
    if path in ("graphql", "api/graphql"):
        return any(name in body for name in _HASHING_MUTATIONS)
    return path in _HASHES


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Receive the body, to its end.

    :raises PayloadTooLarge: it is longer than any that is taken.
    :raises RequestTimeout: it takes too long.
    """
    body = b""
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ClientGone
                body += event.get("body", b"")
                if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
                    raise PayloadTooLarge
                if not event.get("more_body"):
                    return body
    except TimeoutError as late:
        raise RequestTimeout from late


def _whole(response: Any) -> HttpResponse:
    """Read a file that would be streamed; the largest that is served has a few megabytes."""
    if not response.streaming:
        return response  # type: ignore[no-any-return]
    whole = HttpResponse(b"".join(response), status=response.status_code)
    whole.headers, whole.cookies = response.headers, response.cookies
    return whole


async def _send(response: HttpResponse, send: Send) -> None:
    if response.status_code not in (204, 304):
        response.headers.setdefault("Content-Length", str(len(response.content)))
    headers = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in response.items()]
    headers += [
        (b"set-cookie", cookie.output(header="").strip().encode("latin1")) for cookie in response.cookies.values()
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
