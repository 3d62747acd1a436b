"""Refusals over GraphQL: data of a result's union, or a top-level error.

A refusal without facts of its own needs nothing in here.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import strawberry
from django.conf import settings
from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from core import errors
from core.database import refusal_of
from core.errors import DomainError, Kind
from graphql_api.types import catalog, refusals
from reservations import errors as reservations

log = logging.getLogger(__name__)

# The types of the refusals with facts; every other is Refused.
_TYPES: dict[type[DomainError], Any] = {
    errors.Throttled: refusals.Throttled,
    errors.Invalid: refusals.InvalidInput,
    reservations.SeatTaken: refusals.SeatTaken,
    reservations.SeatHeld: refusals.SeatHeld,
    reservations.SeatBlocked: refusals.SeatBlocked,
    reservations.SeatOutOfRange: refusals.SeatOutOfRange,
    reservations.SeatsUnavailable: refusals.SeatsUnavailable,
    reservations.NoAdjacentSeats: catalog.NoAdjacentSeats,
    reservations.TooManyHeld: refusals.TooManyHeld,
}


# --- As data ----------------------------------------------------------------------------------


def _as_data(refusal: DomainError) -> refusals.Refusal | None:
    """Return the refusal as data; None where it is a top-level error."""
    if refusal.kind is Kind.UNAVAILABLE or isinstance(refusal, errors.NotAuthenticated | errors.AccountInactive):
        return None
    if isinstance(refusal, reservations.NoAdjacentSeats):
        return catalog.no_adjacent_seats({0: refusal})[0]
    facts = refusal.facts
    if isinstance(refusal, errors.Invalid):
        fields = [
            refusals.FieldError(field=name if name == "non_field_errors" else to_camel_case(name), messages=messages)
            for name, messages in refusal.errors.items()
        ]
        facts = {"fields": fields}
    type_ = _TYPES.get(type(refusal))
    answer: refusals.Refusal = (
        type_(code=refusal.code, message=str(refusal), **facts)
        if type_
        else refusals.Refused(code=refusal.code, message=str(refusal))
    )
    return answer


def _handler(refusal: type[DomainError], type_: type[refusals.Refusal]) -> strawberry.ExceptionHandler[Any]:
    class Handler(strawberry.ExceptionHandler):
        exception_type = refusal
        error_type = type_

        def handle(self, exception: Any, *, field: Any, info: Any) -> Any:
            return _as_data(exception)

    return Handler()


# The first whose type is in a field's union handles the refusal.
EXCEPTION_HANDLERS = [
    *(_handler(refusal, type_) for refusal, type_ in _TYPES.items()),
    _handler(DomainError, refusals.Refused),
]


# --- As top-level errors ----------------------------------------------------------------------


@dataclass
class HTTPRefusal(Exception):
    """A request that is refused by a rule of HTTP."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal_in(error: GraphQLError) -> DomainError | None:
    """Return the refusal behind a top-level error, if there is one."""
    return refusal_of(error.original_error)


def first_refusal(errors: Sequence[GraphQLError]) -> DomainError | None:
    return next((refusal for refusal in map(refusal_in, errors) if refusal), None)


def error_body(error: GraphQLError) -> dict[str, Any]:
    """Return a top-level error as it is answered, with a code."""
    body: dict[str, Any] = dict(error.formatted)
    cause = error.original_error
    refusal = refusal_in(error)
    if refusal:
        body["message"] = str(refusal)
        body["extensions"] = {"code": refusal.code, **refusal.facts}
    elif isinstance(cause, HTTPRefusal):
        body = {"message": cause.message, "extensions": {"code": cause.code}}
    elif isinstance(cause, RecursionError):
        body["message"] = "The query or its variables are nested too deeply."
        body["extensions"] = {"code": "limit_exceeded"}
    elif cause is None or isinstance(cause, GraphQLError):
        body["extensions"] = {"code": "invalid", **(error.extensions or {})}
        if not settings.DEBUG:  # the library hides suggestions of fields alone
            body["message"] = re.sub(r"\s*Did you mean .*\?", "", body["message"], flags=re.DOTALL)
    else:
        body["message"] = "Something went wrong on our side."
        body["extensions"] = {"code": "internal_error"}
    return body


def log_internal_error(error: GraphQLError) -> None:
    """Log an error that clients get as ``internal_error``."""
    cause = error.original_error
    if cause and not refusal_in(error) and not isinstance(cause, RecursionError | GraphQLError | HTTPRefusal):
        log.error("internal_error", exc_info=cause)
