"""Refusals over GraphQL: data of a result's union, or a top-level error.

A refusal without facts of its own needs nothing in here.
"""

import logging
import re
from http import HTTPStatus
from typing import Any

import strawberry
from django.conf import settings
from graphql import GraphQLError
from rest_framework.exceptions import APIException
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.utils.str_converters import to_camel_case

from core import errors
from core.database import refusal_of
from core.errors import DomainError
from graphql_api.types import catalog, refusals
from reservations import errors as reservations

log = logging.getLogger(__name__)


class RefusalHandler(strawberry.ExceptionHandler):
    """Answers a refusal as data, where the field's union has the type."""

    def __init__(self, exception_type: type[DomainError], error_type: type[refusals.Refusal]) -> None:
        self.exception_type, self.error_type = exception_type, error_type

    def handle(self, exception: Any, *, field: Any, info: Any) -> Any:
        return as_data(exception)


# The second is for the best seats, whose union has no Refused.
EXCEPTION_HANDLERS = [
    RefusalHandler(DomainError, refusals.Refused),
    RefusalHandler(errors.Invalid, refusals.InvalidInput),
]


def as_data(refusal: DomainError) -> refusals.Refusal | None:
    """Return the refusal as data; None where it is a top-level error."""
    is_unavailable = refusal.kind is HTTPStatus.SERVICE_UNAVAILABLE
    if is_unavailable or isinstance(refusal, errors.NotAuthenticated | errors.AccountInactive):
        return None
    if isinstance(refusal, reservations.NoAdjacentSeats):
        return catalog.no_adjacent_seats({0: refusal})[0]
    if isinstance(refusal, errors.Invalid):
        fields = [
            refusals.FieldError(field=name if name == "non_field_errors" else to_camel_case(name), messages=messages)
            for name, messages in refusal.errors.items()
        ]
        return refusals.InvalidInput(code=refusal.code, message=str(refusal), fields=fields)
    # A refusal with facts has a type of its own, of the same name.
    type_ = getattr(refusals, type(refusal).__name__, None)
    if type_ is None:
        return refusals.Refused(code=refusal.code, message=str(refusal))
    return type_(code=refusal.code, message=str(refusal), **refusal.facts)  # type: ignore[no-any-return]


def as_top_level_error(error: GraphQLError) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status of an error, and what is answered."""
    cause = error.original_error
    if refusal := refusal_of(cause):
        status, message, extensions = refusal.kind.value, str(refusal), {"code": refusal.code, **refusal.facts}
    elif isinstance(cause, APIException):  # a rule of HTTP
        status, message, extensions = cause.status_code, str(cause.detail), {"code": cause.get_codes()}
    elif isinstance(cause, RecursionError):
        status, extensions = 400, {"code": "limit_exceeded"}
        message = "The query or its variables are nested too deeply."
    elif isinstance(cause, CannotGetOperationTypeError):
        status, message, extensions = 400, cause.as_http_error_reason(), {"code": "invalid"}
    elif cause is None or isinstance(cause, GraphQLError):
        status, message, extensions = 400, error.message, {"code": "invalid", **(error.extensions or {})}
        if not settings.DEBUG:  # the library hides suggestions of fields alone
            message = re.sub(r"\s*Did you mean .*\?", "", message, flags=re.DOTALL)
    else:
        status, message, extensions = 500, "Something went wrong on our side.", {"code": "internal_error"}
    return status, {**error.formatted, "message": message, "extensions": extensions}


def log_internal_error(error: GraphQLError) -> None:
    """Log an error that clients get as ``internal_error``."""
    if as_top_level_error(error)[0] == 500:
        log.error("internal_error", exc_info=error.original_error)
