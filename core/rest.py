"""How REST speaks: errors, strict JSON, pages. The one place where a refusal's kind becomes a status."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError, models
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.authentication import CHALLENGE
from core.body import read_json, refuse_chunks
from core.database import refusal_of
from core.errors import DomainError, Invalid, Kind, NotAuthenticated, NotFound
from core.fields import DigitsField
from core.models import User

log = logging.getLogger(__name__)

STATUS = {
    Kind.INVALID: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

# What the framework refuses before our code is asked.
_TRANSPORT_CODES: dict[type[exceptions.APIException], str] = {
    exceptions.PermissionDenied: "permission_denied",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
}

# A fault of ours; nothing else is told.
INTERNAL_ERROR = {"code": "internal_error", "detail": "Something went wrong on our side."}

LARGEST_PAGE = 1000
LARGEST_OFFSET = 999_999_999


class StrictJSONParser(BaseParser):
    """Reads ``application/json`` through core.body."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        request: HttpRequest = parser_context["request"]._request
        return read_json(request)


class View(APIView):
    """A REST view; it tells an unknown method before it asks who is there."""

    parser_classes = [StrictJSONParser]
    # Browsers ask with OPTIONS before they cross origins, and are answered before any view; nobody else needs it.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            raise exceptions.MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)


# --- Errors -----------------------------------------------------------------------------------


def answer_exception(fault: Exception, context: dict[str, Any] | None = None) -> JsonResponse:
    """Answer any exception in the one shape ``{code, detail, …}``, as JSON, whatever the view answers otherwise.

    A fault of ours tells nothing of itself. The framework gives a ``context``, which is not needed.
    """
    status, body, headers = explain(fault)
    return JsonResponse(body, status=status, headers=headers)


def explain(fault: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Turn any exception into a status, a body and headers."""
    refusal = as_refusal(fault)
    if refusal is not None:
        body = {"code": refusal.code, "detail": str(refusal), **refusal.facts}
        return STATUS[refusal.kind], body, headers_of(refusal)
    for kind, code in _TRANSPORT_CODES.items():
        if isinstance(fault, kind):
            return fault.status_code, {"code": code, "detail": str(fault.detail)}, {}
    log.error("internal_error", exc_info=fault)
    return 500, INTERNAL_ERROR, {}


def as_refusal(fault: Exception) -> DomainError | None:
    """Recognise a refusal, also in the framework's and the database's words."""
    if isinstance(fault, DomainError):
        return fault
    if isinstance(fault, exceptions.ValidationError):
        return Invalid(errors=_flat(fault.detail))
    if isinstance(fault, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return NotAuthenticated()
    if isinstance(fault, Http404 | exceptions.NotFound):
        return NotFound()
    if isinstance(fault, SuspiciousOperation):  # such as a thousand query parameters
        return Invalid(errors={"non_field_errors": ["The request can't be read."]})
    if isinstance(fault, DatabaseError | InterfaceError):
        return refusal_of(fault)
    return None


def headers_of(refusal: DomainError) -> dict[str, str]:
    """Name the headers that HTTP wants beside a refusal."""
    if refusal.kind is Kind.UNAUTHENTICATED:
        return {"WWW-Authenticate": f'{CHALLENGE}, error="{refusal.code}"'}
    if "retry_after" in refusal.facts:
        return {"Retry-After": str(refusal.facts["retry_after"])}
    return {}


def _flat(detail: Any) -> dict[str, list[str]]:
    if not isinstance(detail, dict):
        detail = {"non_field_errors": detail}
    return {field: [str(message) for message in messages] for field, messages in detail.items()}


# --- Input: who, and what ---------------------------------------------------------------------


def user_of(request: Request) -> User:
    """Tell who is asking, in a view that lets in nobody without an account."""
    assert isinstance(request.user, User)
    return request.user


def read(
    serializer: type[serializers.BaseSerializer[Any]], request: Request, *, partial: bool = False
) -> dict[str, Any]:
    """Check the shape of a request's body, and give its values.

    :raises rest_framework.exceptions.ValidationError: a field can't be read; it is named.
    """
    refuse_chunks(request._request)
    reader = serializer(data=request.data, partial=partial)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def read_query(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Check the parameters of a request's query string, and give their values.

    :raises Invalid: a parameter is not known, or is given more than once, so that either could be meant.
    :raises rest_framework.exceptions.ValidationError: a parameter can't be read; it is named.
    """
    given = dict(request.query_params.lists())
    known = serializer().fields
    if repeated := [name for name, values in given.items() if name in known and len(values) > 1]:
        raise Invalid(errors={name: ["Give it once."] for name in repeated})
    if unknown := given.keys() - known.keys():
        raise Invalid(errors={name: ["There is no such parameter."] for name in sorted(unknown)})
    reader = serializer(data={name: values[-1] for name, values in given.items()})
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


# --- Pages ------------------------------------------------------------------------------------


class PageQuery(serializers.Serializer[Any]):
    """What every list takes; a list's own filters are added to it."""

    limit = DigitsField(
        min_value=1, max_value=LARGEST_PAGE, default=LARGEST_PAGE, help_text=f"Rows a page, 1 to {LARGEST_PAGE}."
    )
    offset = DigitsField(
        min_value=0, max_value=LARGEST_OFFSET, default=0, help_text="Rows to leave out before the first."
    )


def answer_page(
    request: Request,
    rows: models.QuerySet[Any],
    serializer: type[serializers.BaseSerializer[Any]],
    *,
    limit: int,
    offset: int,
) -> Response:
    """Answer one page of the rows as a plain array, with headers that lead to the others."""
    total = rows.count()
    links = []
    if offset + limit < total:
        links.append(_link(request, "next", limit, offset + limit))
    if offset > 0:
        links.append(_link(request, "prev", min(limit, offset), max(0, offset - limit)))
    headers = {"X-Total-Count": str(total)} | ({"Link": ", ".join(links)} if links else {})
    return Response(serializer(rows[offset : offset + limit], many=True).data, headers=headers)


def _link(request: Request, rel: str, limit: int, offset: int) -> str:
    query = request.query_params.copy()
    query["limit"], query["offset"] = str(limit), str(offset)
    return f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="{rel}"'
