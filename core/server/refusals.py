"""What the gate answers where it lets nobody in. In a flood that is most of the answers, so it must cost next to
nothing: each is made once and kept, and of many there is one line in the log.

Whatever lets go of the interpreter, as a write or a random number of the kernel's does, has to wait for the threads
that answer until it may go on: a flood's refusals would then cost more than what is let in.
"""

import asyncio
import functools
import itertools
import logging
import uuid
from collections import Counter
from collections.abc import Callable, MutableMapping
from typing import Any, cast

import orjson
from django.conf import settings

from core.api.exceptions import error_response
from core.errors import DomainError
from core.observability import metrics

Scope = MutableMapping[str, Any]

log = logging.getLogger("request")

SECONDS_A_LINE = 1.0

_process, _numbers = uuid.uuid4().hex[:20], itertools.count()
_since_the_last_line: Counter[str] = Counter()


class Refused:
    """A refusal in the words of the door that was asked, ready to be sent, as the middleware would have it."""

    def __init__(self, refusal: DomainError, scope: Scope) -> None:
        origin = next((value for header, value in scope["headers"] if header == b"origin"), None)
        if origin is not None and origin.decode("latin1") not in settings.CORS_ALLOWED_ORIGINS:
            origin = None
        self.status_code, self._headers, self.content = _ready_made(
            cast(Any, type(refusal)), "graphql" in scope["path"], origin
        )
        # Asking the kernel for a random name each time is what takes longest.
        name = f"{_process}{next(_numbers):012x}"
        self.headers = {"X-Request-ID": name}
        metrics.count_gate_refusal(refusal.code)
        _tell(refusal.code, {"request_id": name, "method": scope["method"], "path": scope["path"]})

    def encoded_headers(self) -> list[tuple[bytes, bytes]]:
        return [*self._headers, (b"x-request-id", self.headers["X-Request-ID"].encode())]


@functools.lru_cache(maxsize=256)
def _ready_made(
    kind: Callable[[], DomainError], to_the_graph: bool, origin: bytes | None
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    refusal = kind()
    response = error_response(refusal)
    if to_the_graph:
        error = {"message": str(refusal), "extensions": {"code": refusal.code, **refusal.facts}}
        response.content = orjson.dumps({"data": None, "errors": [error]})
    response["Content-Length"] = str(len(response.content))
    response["X-Content-Type-Options"] = "nosniff"
    if origin is not None:
        response["Access-Control-Allow-Origin"], response["Vary"] = origin.decode("latin1"), "origin"
        response["Access-Control-Expose-Headers"] = ", ".join(settings.CORS_EXPOSE_HEADERS)
    headers = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in response.items()]
    return response.status_code, headers, response.content


def _tell(code: str, facts: dict[str, Any]) -> None:
    """Log the first refusal of a code, and a second later how many have followed it."""
    if code in _since_the_last_line:
        _since_the_last_line[code] += 1
        return
    _since_the_last_line[code] = 0
    log.info("refused: %s", code, extra={"facts": facts})
    asyncio.get_running_loop().call_later(SECONDS_A_LINE, _tell_how_many, code)


def _tell_how_many(code: str) -> None:
    if more := _since_the_last_line.pop(code):
        log.info("refused: %s, %s more", code, more, extra={"facts": {"refused": more}})
