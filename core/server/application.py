"""The ASGI application: Django's synchronous handler in pools of threads.

The event loop does all the waiting. README.md has the guarantees and the measurements.
"""

import asyncio
import functools
import time
from collections.abc import MutableMapping
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.http.response import HttpResponseBase
from django.urls import Resolver404, get_resolver, resolve, set_script_prefix

from core.errors import DomainError, LockNotAvailable, PayloadTooLarge, RequestTimeout
from core.observability import metrics, tracing
from core.server.pool import WorkerPool
from core.server.refusals import Headers, log_refusal, refuse
from core.server.streams import EventStream, Receive, Send, Streams

Scope = MutableMapping[str, Any]

SECONDS_FOR_A_LOCK = 2.0
FIRST_PAUSE = 0.05  # seconds; each further one is twice as long
MAX_CACHED_PATH = 200  # characters; what is longer has no route


class Application(BaseHandler):
    """Serves Django to the ASGI server, which calls it for each request."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        tracing.start()
        self.load_middleware()
        _route("/")  # loads the URL patterns, so that the first request does not wait for it
        self.pools = {
            "requests": WorkerPool("requests", threads),
            # Health checks must be answered also while everything else waits: see README.md.
            "health": WorkerPool("health", 1),
            "readiness": WorkerPool("readiness", 1),
        }
        self.streams = Streams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        started = time.perf_counter()
        pool, route = _route(scope["path"][:MAX_CACHED_PATH])
        response: HttpResponseBase | None = None
        try:
            self.pools[pool].refuse_excess()  # before the body is read
            body = await _read_body(receive)
            if body is None:
                return
            response, content = await self._respond(scope, body, self.pools[pool])
            if isinstance(response, EventStream):
                self.streams.admit(response)
            status, headers = response.status_code, _encoded_headers(response, content)
        except DomainError as refusal:
            status, headers, content = refuse(refusal, scope)
            response = None
        metrics.count_request(route, scope["method"], status, time.perf_counter() - started)
        start = {"type": "http.response.start", "status": status, "headers": headers}
        if isinstance(response, EventStream):
            await self.streams.serve(response, start, receive, send)
        else:
            await send(start)
            await send({"type": "http.response.body", "body": content})

    def close(self) -> None:
        """Finish the requests that have begun, and end the threads."""
        for pool in self.pools.values():
            pool.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        metrics.WORKERS.set(1)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.close()
        tracing.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, scope: Scope, body: bytes, pool: WorkerPool) -> tuple[HttpResponseBase, bytes]:
        """Let Django respond, again after a pause while a lock is not available."""
        give_up_at, pause = time.monotonic() + SECONDS_FOR_A_LOCK, FIRST_PAUSE
        while True:
            response, content = await pool.run(functools.partial(self._in_thread, scope, body))
            if not isinstance(getattr(response, "refusal", None), LockNotAvailable):
                return response, content
            metrics.LOCK_TIMEOUTS.inc()
            if time.monotonic() + pause >= give_up_at:
                facts = {"request_id": response["X-Request-ID"], "method": scope["method"], "path": scope["path"]}
                log_refusal(response.refusal.code, facts)  # type: ignore[attr-defined]
                return response, content
            metrics.RETRIES.inc()
            await asyncio.sleep(pause)
            pause *= 2

    def _in_thread(self, scope: Scope, body: bytes) -> tuple[HttpResponseBase, bytes]:
        set_script_prefix(scope.get("root_path", "") or "/")
        request_started.send(sender=type(self), scope=scope)
        try:
            response = self.get_response(ASGIRequest(scope, BytesIO(body)))
        except UnicodeDecodeError as error:  # the query string is not UTF-8
            handler: Any = get_resolver().resolve_error_handler(400)
            response = handler(None, exception=error)
        if isinstance(response, EventStream):
            return response, b""
        content = b"".join(response)  # also of a file: the largest has a few megabytes
        response.close()
        return response, content


@functools.lru_cache(maxsize=4096)
def _route(path: str) -> tuple[str, str]:
    """Return the worker pool and the metrics' route of a path."""
    try:
        match = resolve(path)
    except Resolver404:
        return "requests", "other"
    view = getattr(match.func, "view_class", match.func)
    name = match.namespaces[0] if match.namespaces else (match.url_name or "other").partition("@")[0]
    return getattr(view, "worker_pool", "requests"), name


async def _read_body(receive: Receive) -> bytes | None:
    """Read the whole body; None if the client has disconnected.

    :raises PayloadTooLarge: it is too long.
    :raises RequestTimeout: it takes too long.
    """
    body = b""
    try:
        async with asyncio.timeout(RequestTimeout.seconds):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    return None
                body += bytes(event.get("body", b""))
                if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
                    raise PayloadTooLarge
                if not event.get("more_body"):
                    return body
    except TimeoutError as timeout:
        raise RequestTimeout from timeout


def _encoded_headers(response: HttpResponseBase, content: bytes) -> Headers:
    if not isinstance(response, EventStream) and response.status_code not in (204, 304):
        response.headers.setdefault("Content-Length", str(len(content)))
    headers = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in response.items()]
    cookies = response.cookies.values()
    return headers + [(b"set-cookie", cookie.output(header="").strip().encode("latin1")) for cookie in cookies]
