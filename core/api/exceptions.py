"""The exception handler: any exception becomes ``{code, detail, …facts}``."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from core.api.authentication import CHALLENGE
from core.api.renderers import json_response
from core.database import refusal_of
from core.errors import DomainError, Invalid, NotAuthenticated, NotFound

log = logging.getLogger(__name__)

INTERNAL_ERROR = {"code": "internal_error", "detail": "Something went wrong on our side."}


def error_response(exc: Exception, context: Mapping[str, Any] | None = None) -> HttpResponse:
    """Answer any exception as JSON (also DRF's EXCEPTION_HANDLER).

    A refusal is attached as ``response.refusal``. An unexpected exception is logged, and its text is not sent.
    """
    if refusal := as_refusal(exc):
        body = {"code": refusal.code, "detail": str(refusal), **refusal.facts}
        response = json_response(body, status=refusal.kind, headers=headers_of(refusal))
        response.refusal = refusal  # type: ignore[attr-defined]
        return response
    if isinstance(exc, exceptions.APIException):  # for example permission_denied, not_acceptable
        return json_response({"code": exc.get_codes(), "detail": str(exc.detail)}, status=exc.status_code)
    log.error("internal_error", exc_info=exc)
    return json_response(INTERNAL_ERROR, status=500)


def as_refusal(exc: Exception) -> DomainError | None:
    """Translate an exception into a refusal; None if it is a fault."""
    if isinstance(exc, exceptions.ValidationError):
        return Invalid(errors=_messages_by_field(exc.detail))
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return NotAuthenticated()
    if isinstance(exc, Http404 | exceptions.NotFound):
        return NotFound()
    if isinstance(exc, SuspiciousOperation):  # for example a thousand query parameters
        return Invalid(errors={"non_field_errors": ["The request can't be read."]})
    return refusal_of(exc)


def headers_of(refusal: DomainError) -> dict[str, str]:
    """Give the HTTP headers of a refusal."""
    if refusal.kind is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": f'{CHALLENGE}, error="{refusal.code}"'}
    if "retry_after" in refusal.facts:
        return {"Retry-After": str(refusal.facts["retry_after"])}
    return replay_headers(refusal)


def replay_headers(outcome: Any) -> dict[str, str]:
    """Give the header that marks the replay of a first outcome."""
    return {"Idempotent-Replayed": "true"} if outcome.replayed else {}


def _messages_by_field(detail: Any) -> dict[str, list[str]]:
    if not isinstance(detail, dict):
        detail = {"non_field_errors": detail}
    return {field: [str(message) for message in messages] for field, messages in detail.items()}
