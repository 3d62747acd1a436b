"""How REST speaks: who asks, what is read, what is answered. The one place where a refusal's kind becomes a status."""

import functools
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import orjson
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import exceptions, serializers
from rest_framework.views import APIView

from core.accounts import user_of as user_of_bearer
from core.api.authentication import CHALLENGE, bearer_of
from core.api.parsers import read_json, refuse_chunks
from core.database import refusal_of
from core.errors import DomainError, Invalid, Kind, NotAuthenticated, NotFound
from core.models import Account

log = logging.getLogger(__name__)


STATUS = {
    Kind.INVALID: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.GONE: HTTPStatus.GONE,
    Kind.UNPROCESSABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
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


# --- Views ------------------------------------------------------------------------------------


_JSON_WILL_DO = {"*/*", "application/json"}  # and other words of the same meaning, which take longer to read


class View(APIView):
    """A REST address. drf-spectacular sees one of the framework's views; what it answers takes no detour through the
    framework's own request, negotiation and rendering."""

    # Browsers ask with OPTIONS before they cross origins, and are answered before any view; nobody else needs it.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if request.method not in self.allowed_methods:  # told before it is asked who is there
                raise exceptions.MethodNotAllowed(str(request.method))
            if request.META.get("HTTP_ACCEPT", "*/*") not in _JSON_WILL_DO and not request.accepts("application/json"):
                raise exceptions.NotAcceptable
            request.user = self.whoever_asks(request)  # type: ignore[assignment]
            if not all(permission.has_permission(cast(Any, request), self) for permission in self.get_permissions()):
                raise exceptions.PermissionDenied if request.user else NotAuthenticated
            response: HttpResponseBase = getattr(self, str(request.method).lower())(request, *args, **kwargs)
            return response
        except exceptions.MethodNotAllowed as fault:
            response = answer_exception(fault)
            response.headers["Allow"] = ", ".join(self.allowed_methods)
            return response
        except Exception as fault:
            return answer_exception(fault)

    def whoever_asks(self, request: HttpRequest) -> Account | None:
        """Give the account that the request's token speaks for; None where no token was sent."""
        bearer = bearer_of(request) if self.authentication_classes else None
        return user_of_bearer(bearer) if bearer else None


class VerbView(View):
    """A verb of the domain that looks at the account itself, together with what it does."""

    def whoever_asks(self, request: HttpRequest) -> Account | None:
        return bearer_of(request)


def answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON; times are given in UTC, as 2026-12-24T18:30:00Z."""
    return HttpResponse(
        orjson.dumps(body, option=orjson.OPT_UTC_Z),
        content_type="application/json",
        status=status,
        headers=dict(headers or {}),
    )


@functools.cache
def _fields(serializer: type[serializers.BaseSerializer[Any]]) -> list[tuple[str, type | None]]:
    return [
        (name, type(field) if isinstance(field, serializers.BaseSerializer) else None)
        for name, field in serializer().fields.items()  # type: ignore[attr-defined]
        if not field.write_only
    ]


def write(serializer: type[serializers.BaseSerializer[Any]], row: Any) -> dict[str, Any]:
    """Give a row in the shape of a serializer, whose fields are attributes of the row."""
    return {
        name: getattr(row, name) if inner is None else write(inner, getattr(row, name))
        for name, inner in _fields(cast(Any, serializer))
    }


# --- Errors -----------------------------------------------------------------------------------


def answer_exception(fault: Exception, context: dict[str, Any] | None = None) -> HttpResponse:
    """Answer any exception in the one shape ``{code, detail, …}``, as JSON, whatever the view answers otherwise.

    A fault of ours tells nothing of itself. The framework gives a ``context``, which is not needed.
    """
    status, body, headers = explain(fault)
    response = answer(body, status=status, headers=headers)
    response.refusal = as_refusal(fault)  # type: ignore[attr-defined]
    return response


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
    return headers_of_replay(refusal)


def headers_of_replay(told: Any) -> dict[str, str]:
    """Name the header that marks an outcome as the answer to an earlier request with the same idempotency key."""
    return {"Idempotent-Replayed": "true"} if told.replayed else {}


def idempotency_key_of(request: HttpRequest) -> str | None:
    """Read the ``Idempotency-Key`` header; None where none was sent."""
    return request.META.get("HTTP_IDEMPOTENCY_KEY")


def _flat(detail: Any) -> dict[str, list[str]]:
    if not isinstance(detail, dict):
        detail = {"non_field_errors": detail}
    return {field: [str(message) for message in messages] for field, messages in detail.items()}


# --- Input: who, and what ---------------------------------------------------------------------


def user_of(request: HttpRequest) -> Account:
    """Tell who is asking, in a view that lets in nobody without an account."""
    assert request.user
    return cast(Account, request.user)


def read(
    serializer: type[serializers.BaseSerializer[Any]], request: HttpRequest, *, partial: bool = False
) -> dict[str, Any]:
    """Check the shape of a request's body, and give its values.

    :raises rest_framework.exceptions.UnsupportedMediaType: the body is not JSON by its own word.
    :raises rest_framework.exceptions.ValidationError: a field can't be read; it is named.
    """
    refuse_chunks(request)
    if request.content_type != "application/json" and request.META.get("CONTENT_LENGTH") not in (None, "", "0"):
        raise exceptions.UnsupportedMediaType(str(request.content_type))
    return dict(_reader(cast(Any, serializer), partial).run_validation(read_json(request)))


@functools.cache
def _reader(serializer: type[serializers.BaseSerializer[Any]], partial: bool = False) -> Any:
    """Make a serializer that reads; it keeps nothing of what it has read, so that one does for all requests."""
    return serializer(data=None, partial=partial)


def read_query(serializer: type[serializers.Serializer[Any]], request: HttpRequest) -> dict[str, Any]:
    """Check the parameters of a request's query string, and give their values.

    :raises Invalid: a parameter is not known, or is given more than once, so that either could be meant.
    :raises rest_framework.exceptions.ValidationError: a parameter can't be read; it is named.
    """
    given = dict(request.GET.lists())
    known = _reader(cast(Any, serializer)).fields
    if repeated := [name for name, values in given.items() if name in known and len(values) > 1]:
        raise Invalid(errors={name: ["Give it once."] for name in repeated})
    if unknown := given.keys() - known.keys():
        raise Invalid(errors={name: ["There is no such parameter."] for name in sorted(unknown)})
    values = {name: values[-1] for name, values in given.items()}
    return dict(_reader(cast(Any, serializer)).run_validation(values))
