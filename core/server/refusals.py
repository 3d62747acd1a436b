"""Refusals by the server itself: made once, sent often, one log line a second.

In a flood most answers are refusals, so that each must cost next to nothing. What releases the interpreter lock, as a
write or a random number from the kernel does, would have to wait for the worker threads to get it back.
"""

import functools
import logging
import time
from typing import Any, cast

import orjson
from django.conf import settings

from core.errors import DomainError
from core.observability import metrics
from core.observability.logs import new_request_id

Headers = list[tuple[bytes, bytes]]

log = logging.getLogger("request")

SECONDS_PER_LINE = 1.0

_last_lines: dict[str, tuple[float, int]] = {}  # by code: when it was written, and how many have followed


def refuse(refusal: DomainError, scope: Any) -> tuple[int, Headers, bytes]:
    """Log and count a refusal, and give its status, headers and body."""
    request_id = new_request_id()
    log_refusal(refusal.code, {"request_id": request_id, "method": scope["method"], "path": scope["path"]})
    origin = next((value.decode("latin1") for name, value in scope["headers"] if name == b"origin"), "")
    status, headers, body = _response(
        cast(Any, type(refusal)), origin if origin in settings.CORS_ALLOWED_ORIGINS else ""
    )
    return status, [*headers, (b"x-request-id", request_id.encode())], body


@functools.lru_cache(maxsize=256)
def _response(refused: Any, origin: str) -> tuple[int, Headers, bytes]:
    """Make the response, in one shape that clients of REST and of GraphQL can read."""
    refusal: DomainError = refused()
    facts = {"code": refusal.code, **refusal.facts}
    message = str(refusal)
    body = orjson.dumps(
        {**facts, "detail": message, "data": None, "errors": [{"message": message, "extensions": facts}]}
    )
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
    }
    if "retry_after" in facts:
        headers["Retry-After"] = str(facts["retry_after"])
    if origin:
        headers |= {"Access-Control-Allow-Origin": origin, "Vary": "origin"}
        headers["Access-Control-Expose-Headers"] = ", ".join(settings.CORS_EXPOSE_HEADERS)
    encoded = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers.items()]
    return refusal.kind.value, encoded, body


def log_refusal(code: str, facts: dict[str, Any]) -> None:
    """Count a refusal; log one of each code a second, with the number of those before that were not logged."""
    metrics.SERVER_REFUSALS.labels(code).inc()
    now = time.monotonic()
    written, unlogged = _last_lines.get(code, (0.0, 0))
    if now - written < SECONDS_PER_LINE:
        _last_lines[code] = written, unlogged + 1
    else:
        _last_lines[code] = now, 0
        log.info("refused: %s", code, extra={"facts": {**facts, "unlogged": unlogged}})
