"""Strict JSON: no duplicate keys, NaN, half surrogate pairs or deep nesting."""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from core.errors import MalformedJSON, PayloadTooLarge

MAX_DEPTH = 100  # levels of nesting

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class StrictJSONParser(BaseParser):
    """Parses a JSON body; anything but strict JSON is refused."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        assert parser_context
        return parse_json(read_body(parser_context["request"]))


def read_body(request: HttpRequest | Request) -> bytes:
    """Read the body of a request.

    :raises MalformedJSON: it comes in chunks, or broke off.
    :raises PayloadTooLarge: longer than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
    """
    refuse_chunked_body(request)
    try:
        return request.body
    except RequestDataTooBig as fault:
        raise PayloadTooLarge from fault
    except UnreadablePostError as fault:
        raise MalformedJSON(reason="it broke off") from fault


def refuse_chunked_body(request: HttpRequest | Request) -> None:
    """Refuse a body without a length, which Django would take for empty.

    :raises MalformedJSON: it comes in chunks.
    """
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        raise MalformedJSON(reason="send it in one piece, with a Content-Length")


def parse_json(body: bytes) -> Any:
    """Parse a JSON text; an empty one is an empty object.

    :raises MalformedJSON: not UTF-8, not JSON, a duplicate key, half a surrogate pair, too deep, a number too long.
    """
    if not body:
        return {}
    try:
        text = body.decode()
        # Fractions become Decimals, which no integer field takes: 5.0 stays apart from 5 in both APIs.
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=Decimal)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False, default=str).encode()  # fails on half of a surrogate pair
        if _depth(value) > MAX_DEPTH:
            raise RecursionError
    except RecursionError as fault:
        raise MalformedJSON(reason="it is nested too deeply") from fault
    except UnicodeError as fault:
        raise MalformedJSON(reason="it is not valid UTF-8") from fault
    except json.JSONDecodeError as fault:
        raise MalformedJSON(reason=f"{fault.msg} at line {fault.lineno} column {fault.colno}") from fault
    except ValueError as fault:  # an integer of thousands of digits
        raise MalformedJSON(reason="a number is too long") from fault
    return value


def _depth(value: Any) -> int:
    """Count the levels of nesting, since Python's own limit varies."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise MalformedJSON(reason=f"the key {key[:50]!a} occurs twice")
        members[key] = value
    return members


def _no_constant(name: str) -> NoReturn:
    raise MalformedJSON(reason=f"{name} is not JSON")
