"""How the OpenAPI document is made. A view tells with ``describe`` what is its own; what it shares with others of
its kind is added here, with examples made by the code that answers."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions

from core.api.rest import INTERNAL_ERROR, explain
from core.errors import (
    Busy,
    DatabaseUnavailable,
    DomainError,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    Invalid,
    MalformedJSON,
    NotAuthenticated,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    PayloadTooLarge,
    RequestTimeout,
    TokenNotValid,
)

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The request's name in the server's log; the client's own, if it sent a usable one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "X-Total-Count": {
        "description": "Rows on all pages together.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "Link": {
        "description": 'The neighbouring pages, `rel="next"` and `rel="prev"`, where there are any.',
        "schema": {"type": "string"},
        "example": '</movies/?limit=20&offset=40>; rel="next", </movies/?limit=20&offset=0>; rel="prev"',
    },
    "WWW-Authenticate": {
        "description": "How to authenticate, and what was wrong.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="api", error="token_not_valid"',
    },
    "ETag": {
        "description": "Names this state of the answer; send it back as `If-None-Match`.",
        "required": True,
        "schema": {"type": "string"},
        "example": '"6f1c0f2e-5b0c-4a38-9f55-2f6f4b7c1d10"',
    },
    "Idempotent-Replayed": {
        "description": "`true` where this is the answer to an earlier request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    OpenApiParameter.HEADER,
    description=(
        "A name of your own for this request. Whoever sends it again within 24 hours, with the same input, is told the "
        "first outcome again, refusals included, and nothing is done twice. It is yours alone, and the same key at "
        "both doors."
    ),
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` of the answer that you have."
)

_NOTE = "x-describe"  # carries what a view told to add_what_is_shared, and is gone from the document


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells Swagger UI's Authorize button what to send."""

    target_class = "core.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access` token that `POST /login` answers.",
        }

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Ask the view's own permissions whether they let in nobody in particular; then the token may be left out."""
        view = auto_schema.view
        open_to_all = all(permission.has_permission(view.request, view) for permission in view.get_permissions())
        return [{}, {self.name: []}] if open_to_all else [{self.name: []}]


def describe(
    name: str,
    summary: str,
    *,
    answer: Any,
    status: int = 200,
    media_type: str | None = None,
    example: Any = None,
    leads_to: Mapping[str, Mapping[str, str]] | None = None,
    refuses: Iterable[type[DomainError]] = (),
    staff: bool = False,
    paged: bool = False,
    database: bool = True,
    keyed: bool = False,
    kept: bool = False,
    **options: Any,
) -> Any:
    """Document an operation under the name that clients generated from the document call it by.

    ``leads_to`` names operations, and what of the answer they are sent; ``refuses`` is what it alone refuses,
    ``staff`` that others are refused, ``paged`` that it answers with ``answer_page``, ``database`` that it asks the
    database, ``keyed`` that it takes an idempotency key, ``kept`` that it answers with ``answer_kept``. The examples
    are those of the serializers.
    """
    note = {
        "leads_to": leads_to or {},
        "refuses": refuses,
        "staff": staff,
        "paged": paged,
        "database": database,
        "keyed": keyed,
        "kept": kept,
    }
    options["parameters"] = [
        *options.get("parameters", ()),
        *([_IDEMPOTENCY_KEY] if keyed else []),
        *([_IF_NONE_MATCH] if kept else []),
    ]
    sample = example or getattr(getattr(answer, "child", answer), "example", None)
    examples = [OpenApiExample(name, value=sample, response_only=True, status_codes=[str(status)])] if sample else []
    if sent := getattr(options.get("request"), "example", None):
        fields = options["request"]().fields
        value = {field: given for field, given in sent.items() if not fields[field].read_only}
        examples.append(OpenApiExample(name, value=value, request_only=True))
    return extend_schema(
        operation_id=name,
        summary=summary,
        responses={
            (status, media_type) if media_type else status: OpenApiResponse(
                answer, description=HTTPStatus(status).phrase
            )
        },
        examples=examples,
        extensions={_NOTE: note},
        **options,
    )


def add_what_is_shared(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to each operation the refusals and the headers that it shares with its kind (a drf-spectacular hook)."""
    responses: dict[str, Any] = {}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            note = operation.pop(_NOTE)
            (answer,) = operation["responses"].values()
            also = (("X-Total-Count", "Link"), "paged"), (("Idempotent-Replayed",), "keyed"), (("ETag",), "kept")
            answer["headers"] = _headers(
                "X-Request-ID", *(name for names, kind in also if note[kind] for name in names)
            )
            if note["kept"]:
                unchanged = {"description": "Nothing has changed.", "headers": _headers("X-Request-ID", "ETag")}
                operation["responses"]["304"] = unchanged
            if note["leads_to"]:
                answer["links"] = {
                    name: {"operationId": name, "requestBody": body} for name, body in note["leads_to"].items()
                }
            for status, group in sorted(_by_status(_refusals(path, method, operation, note)).items()):
                name = "Or".join(body["code"].title().replace("_", "") for body, _, _ in group)
                responses[name] = _response(group)
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
    result["components"]["responses"] = dict(sorted(responses.items()))
    result["components"]["headers"] = HEADERS
    result["components"]["schemas"] |= _errors(responses.values())
    return result


def name_partial_changes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Call what PATCH takes ``MovieChanges``, not ``PatchedMovieRequest`` (a drf-spectacular hook)."""
    text = re.sub(r"\bPatched(\w+)Request\b", r"\1Changes", json.dumps(result, default=str))
    return dict(json.loads(text))


def _refusals(path: str, method: str, operation: dict[str, Any], note: dict[str, Any]) -> Iterator[Exception]:
    """Give an instance of each refusal that the operation can answer."""
    security = operation["security"]
    kinds: list[type[DomainError]] = []
    if "requestBody" in operation:
        kinds += [Invalid, MalformedJSON, PayloadTooLarge, RequestTimeout]
        yield exceptions.UnsupportedMediaType("text/plain")
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        kinds += [Invalid]
    if security != [{}]:
        kinds += [TokenNotValid] if {} in security else [NotAuthenticated, TokenNotValid]
    if note["staff"]:
        yield exceptions.PermissionDenied()
    if "{" in path:
        kinds += [NotFound]
    if note["database"]:
        kinds += [Busy, DatabaseUnavailable]
    if note["database"] and method != "get":
        kinds += [OutcomeUnknown]
    if path != "/livez":
        kinds += [Overloaded]
    if note["keyed"]:
        kinds += [IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress]
    for kind in dict.fromkeys([*kinds, *note["refuses"]]):
        yield kind(**kind.example)
    yield exceptions.NotAcceptable()


def _by_status(refusals: Iterable[Exception]) -> dict[int, list[tuple[dict[str, Any], str, dict[str, str]]]]:
    """Give body, meaning and headers of each refusal, and of the fault that nothing excludes."""
    groups = {500: [(INTERNAL_ERROR, "A fault of the server; nothing else is told.", dict[str, str]())]}
    for refusal in refusals:
        status, body, headers = explain(refusal)
        words = (type(refusal).__doc__ or body["detail"]).strip().splitlines()[0].replace("``", "`")
        groups.setdefault(status, []).append((body, words, headers))
    return groups


def _response(group: list[tuple[dict[str, Any], str, dict[str, str]]]) -> dict[str, Any]:
    return {
        "description": "\n".join(f"- `{body['code']}`: {words}" for body, words, _ in group),
        "headers": {**_headers("X-Request-ID"), **_headers_of(group)},
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {body["code"]: {"value": body} for body, _, _ in group},
            }
        },
    }


def _headers_of(group: list[tuple[dict[str, Any], str, dict[str, str]]]) -> dict[str, Any]:
    """Give the headers of refusals that share a status; one that not all of them have is not required."""
    told = [set(headers) for _, _, headers in group]
    always = set.intersection(*told)
    sometimes = {name: {**HEADERS[name], "required": False} for name in sorted(set.union(*told) - always)}
    return {**_headers(*sorted(always)), **sometimes}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _errors(responses: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Make the schema of an error from the examples: every code, and every fact with the codes that it comes with."""
    codes = {"method_not_allowed"}  # not the answer of any operation, but of an address
    facts: dict[str, dict[str, Any]] = {}
    for response in responses:
        for code, example in response["content"]["application/json"]["examples"].items():
            codes.add(code)
            for fact in example["value"].keys() - INTERNAL_ERROR.keys():
                facts.setdefault(fact, {})[code] = _type_of(example["value"][fact])
    known = {
        fact: {**next(iter(of.values())), "description": f"With `{'`, `'.join(sorted(of))}`."}
        for fact, of in sorted(facts.items())
    }
    return {
        "Error": {
            "type": "object",
            "description": "What every refusal and every fault is told as, with the facts of its kind.",
            "properties": {
                "code": {"allOf": [{"$ref": "#/components/schemas/ErrorCode"}], "description": "For programs; stays."},
                "detail": {"type": "string", "description": "For people; may change."},
                **known,
            },
            "required": ["code", "detail"],
            "additionalProperties": True,
        },
        "ErrorCode": {"type": "string", "enum": sorted(codes)},
    }


def _type_of(fact: Any) -> dict[str, Any]:
    """Make the schema of a fact from an example of it; an object whose members are all lists has any names."""
    if isinstance(fact, list):
        return {"type": "array", "items": _type_of(fact[0])}
    if isinstance(fact, dict):
        types = {name: _type_of(value) for name, value in fact.items()}
        if all(isinstance(value, list) for value in fact.values()):
            return {"type": "object", "additionalProperties": next(iter(types.values()))}
        return {"type": "object", "properties": types, "required": [*types]}
    return {"type": {int: "integer", str: "string"}[type(fact)]}
