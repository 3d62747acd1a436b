"""The OpenAPI document, made of what views declare with ``@operation`` and of their permissions.

Examples of refusals are made by the code that answers them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import orjson
from drf_spectacular import openapi
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import exceptions
from rest_framework.permissions import IsAdminUser

from core.api.exceptions import INTERNAL_ERROR, error_response
from core.api.operations import Operation
from core.api.pagination import PageQuery
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


_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `access` token that `POST /login` answers.",
}


class AutoSchema(openapi.AutoSchema):
    """Documents an operation by what it declares, its view's permissions, and what it shares with its kind."""

    @property
    def declared(self) -> Operation:
        declared: Operation = getattr(self.view, self.method.lower()).operation
        return declared

    def get_operation_id(self) -> str:
        return self.declared.operation_id

    def get_summary(self) -> str:
        return self.declared.summary

    def get_tags(self) -> list[str]:
        """Take the tag from the view, or else the name of its module."""
        return [getattr(self.view, "tag", None) or type(self.view).__module__.rpartition(".")[2]]

    def get_auth(self) -> list[Any]:
        """Make the token optional where the view's permissions admit an anonymous request."""
        view = self.view
        if not view.get_authenticators():
            return [{}]
        self._component("securitySchemes", "bearer", _BEARER)
        open_to_all = all(permission.has_permission(view.request, view) for permission in view.get_permissions())
        return [{}, {"bearer": []}] if open_to_all else [{"bearer": []}]

    def get_request_serializer(self) -> Any:
        return self.declared.request

    def get_response_serializers(self) -> Any:
        declared = self.declared
        key = (self._status, declared.media_type) if declared.media_type else self._status
        return {key: OpenApiResponse(declared.response, description=HTTPStatus(self._status).phrase)}

    def get_override_parameters(self) -> list[Any]:
        declared = self.declared
        return [
            *([declared.query] if declared.query else []),
            *([_IDEMPOTENCY_KEY] if declared.idempotent else []),
            *([_IF_NONE_MATCH] if declared.etag else []),
        ]

    def get_examples(self) -> list[OpenApiExample]:
        declared, examples = self.declared, []
        sample = declared.example or getattr(getattr(declared.response, "child", declared.response), "example", None)
        if sample:
            status = str(self._status)
            examples.append(
                OpenApiExample(declared.operation_id, value=sample, response_only=True, status_codes=[status])
            )
        if sent := getattr(declared.request, "example", None):
            fields = declared.request().fields
            value = {name: given for name, given in sent.items() if not fields[name].read_only}
            examples.append(OpenApiExample(declared.operation_id, value=value, request_only=True))
        return examples

    def get_operation(self, *args: Any) -> Any:
        """Add the headers of the answer, 304, and the refusals."""
        document: Any = super().get_operation(*args)
        declared = self.declared
        responses = document["responses"]
        (answer,) = responses.values()
        answer["headers"] = self._headers(
            "X-Request-ID",
            *(["X-Total-Count", "Link"] if self._is_paged else []),
            *(["Idempotent-Replayed"] if declared.idempotent else []),
            *(["ETag"] if declared.etag else []),
        )
        if declared.links:
            answer["links"] = {
                name: {"operationId": name, "requestBody": body} for name, body in declared.links.items()
            }
        if declared.etag:
            headers = self._headers("X-Request-ID", "ETag")
            responses["304"] = {"description": "Nothing has changed.", "headers": headers}
        for status, group in sorted(_by_status(self._refusals(document)).items()):
            name = "Or".join(body["code"].title().replace("_", "") for body, _, _ in group)
            responses[str(status)] = self._component("responses", name, self._response(group))
        return document

    @property
    def _status(self) -> int:
        return 204 if self.declared.response is None else self.declared.status

    @property
    def _is_paged(self) -> bool:
        query = self.declared.query
        return bool(query) and issubclass(query, PageQuery)

    def _refusals(self, document: dict[str, Any]) -> Iterator[Exception]:
        """Give an instance of each refusal that the operation can answer."""
        declared, security = self.declared, document["security"]
        kinds: list[type[DomainError]] = []
        if declared.request:
            kinds += [Invalid, MalformedJSON, PayloadTooLarge, RequestTimeout]
            yield exceptions.UnsupportedMediaType("text/plain")
        if declared.query:
            kinds += [Invalid]
        if security != [{}]:
            kinds += [TokenNotValid] if {} in security else [NotAuthenticated, TokenNotValid]
        if {} not in security and any(isinstance(each, IsAdminUser) for each in self.view.get_permissions()):
            yield exceptions.PermissionDenied()
        if "{" in self.path:
            kinds += [NotFound]
        if declared.database:
            kinds += [Busy, DatabaseUnavailable]
            kinds += [OutcomeUnknown] if self.method != "GET" else []
        if self.path != "/livez":
            kinds += [Overloaded]
        if declared.idempotent:
            kinds += [IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress]
        for kind in dict.fromkeys([*kinds, *declared.refusals]):
            yield kind(**kind.example)
        yield exceptions.NotAcceptable()

    def _response(self, group: list[Any]) -> dict[str, Any]:
        """Describe the refusals that share a status; a header that not all of them have is not required."""
        headers = [set(names) for _, _, names in group]
        always = set.intersection(*headers)
        sometimes = {name: {**HEADERS[name], "required": False} for name in sorted(set.union(*headers) - always)}
        return {
            "description": "\n".join(f"- `{body['code']}`: {meaning}" for body, meaning, _ in group),
            "headers": {**self._headers("X-Request-ID", *sorted(always)), **sometimes},
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Error"},
                    "examples": {body["code"]: {"value": body} for body, _, _ in group},
                }
            },
        }

    def _headers(self, *names: str) -> dict[str, Any]:
        return {name: self._component("headers", name, HEADERS[name]) for name in names}

    def _component(self, kind: str, name: str, schema: Any) -> dict[str, str]:
        """Register a component, and give the reference to it."""
        component = ResolvedComponent(name=name, type=kind, schema=schema, object=name)
        self.registry.register_on_missing(component)
        return component.ref


def add_error_schema(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the schema of an error, with every code and fact that some operation answers (a drf-spectacular hook)."""
    result["components"]["schemas"] |= _errors(result["components"]["responses"].values())
    return result


def name_partial_changes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Call what PATCH takes ``MovieChanges``, not ``PatchedMovieRequest`` (a drf-spectacular hook)."""
    text = re.sub(r"\bPatched(\w+)Request\b", r"\1Changes", json.dumps(result, default=str))
    return dict(json.loads(text))


def _by_status(refusals: Iterable[Exception]) -> dict[int, list[Any]]:
    """Group the refusals, each with its body, its meaning and its headers; with the fault that nothing excludes."""
    groups: dict[int, list[Any]] = {500: [(INTERNAL_ERROR, "A fault of the server; nothing else is told.", set())]}
    for refusal in refusals:
        response = error_response(refusal)
        body = orjson.loads(response.content)
        meaning = (type(refusal).__doc__ or body["detail"]).strip().splitlines()[0].replace("``", "`")
        groups.setdefault(response.status_code, []).append((body, meaning, HEADERS.keys() & response.headers.keys()))
    return groups


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
