"""How the OpenAPI document is made: which addresses it shows, and the errors that every operation shares."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from core.body import MalformedJSON, PayloadTooLarge
from core.errors import Busy, DatabaseUnavailable, DomainError, Invalid, NotAuthenticated, NotFound, TokenNotValid
from core.rest import STATUS

_ERROR = inline_serializer(
    "Error",
    {
        "code": serializers.CharField(help_text="For programs; stays as it is."),
        "detail": serializers.CharField(help_text="For people; may change."),
    },
)

PAGE_HEADERS = [
    OpenApiParameter(
        "X-Total-Count", int, OpenApiParameter.HEADER, response=[200], description="Rows on all pages together."
    ),
    OpenApiParameter(
        "Link",
        str,
        OpenApiParameter.HEADER,
        response=[200],
        description='The neighbouring pages, `rel="next"` and `rel="prev"`, where there are any.',
    ),
]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells Swagger UI's Authorize button what to send."""

    target_class = "core.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access` token that `POST /login` answers.",
        }


def describe(
    summary: str,
    *,
    answer: Any,
    status: int = 200,
    refuses: Iterable[type[DomainError]] = (),
    paged: bool = False,
    staff: bool = False,
    **options: Any,
) -> Any:
    """Document an operation: its answer, and its refusals with an example each, made by the refusals' own classes."""
    responses: dict[int, Any] = {status: answer}
    for code, group in _by_status(refuses).items():
        responses[code] = OpenApiResponse(_ERROR, description=_words(group), examples=[_example(kind) for kind in group])
    if staff:
        words = "`permission_denied`: The account is not staff."
        example = {"code": "permission_denied", "detail": "You do not have permission to perform this action."}
        responses[403] = OpenApiResponse(
            _ERROR, description=words, examples=[OpenApiExample("permission_denied", value=example)]
        )
    parameters = [*options.pop("parameters", []), *(PAGE_HEADERS if paged else [])]
    return extend_schema(summary=summary, responses=responses, parameters=parameters, **options)


def add_common_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to each operation the errors that it shares with all of its kind (a drf-spectacular hook)."""
    result["components"]["schemas"]["Error"]["additionalProperties"] = True
    for path, operations in result["paths"].items():
        for operation in operations.values():
            kinds: list[type[DomainError]] = [Busy, DatabaseUnavailable]
            if "{" in path:
                kinds.append(NotFound)
            if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
                kinds.append(Invalid)
            if "requestBody" in operation:
                kinds += [Invalid, MalformedJSON, PayloadTooLarge]
                _add(operation, 415, "unsupported_media_type", "The body is not `application/json`.")
            if "bearer" in str(operation.get("security", "")):
                kinds += [NotAuthenticated, TokenNotValid]
            for status, group in _by_status(kinds).items():
                for kind in group:
                    _add(operation, status, kind.code, _first_line(kind), {**kind.example})
            _add(operation, 406, "not_acceptable", "JSON is not among what the client accepts.")
            _add(operation, 500, "internal_error", "A fault of the server; nothing else is told.")
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return result


def _add(operation: dict[str, Any], status: int, code: str, words: str, facts: dict[str, Any] | None = None) -> None:
    response = operation["responses"].setdefault(
        str(status),
        {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}, "description": ""},
    )
    examples = response["content"]["application/json"].setdefault("examples", {})
    if not any(example["value"]["code"] == code for example in examples.values()):
        examples[code] = {"value": {"code": code, "detail": words, **(facts or {})}}
        response["description"] = f"{response['description']} `{code}`: {words}".strip()


def _by_status(kinds: Iterable[type[DomainError]]) -> dict[int, list[type[DomainError]]]:
    groups: dict[int, list[type[DomainError]]] = {}
    for kind in kinds:
        groups.setdefault(int(STATUS[kind.kind]), []).append(kind)
    return groups


def _example(kind: type[DomainError]) -> OpenApiExample:
    refusal = kind(**kind.example)
    return OpenApiExample(kind.code, value={"code": kind.code, "detail": str(refusal), **refusal.facts})


def _words(kinds: Iterable[type[DomainError]]) -> str:
    return " ".join(f"`{kind.code}`: {_first_line(kind)}" for kind in kinds)


def _first_line(kind: type[DomainError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]
