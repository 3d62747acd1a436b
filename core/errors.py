"""Refusals that every app shares.

A refusal is an exception class with a kind, a code for programs and a message for people. Its fields are its facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any, ClassVar


@dataclass(eq=False)
class DomainError(Exception):
    """Base class of all refusals."""

    kind: ClassVar[HTTPStatus]
    """The status that it has over HTTP; over GraphQL, it tells what is data and what an error."""
    code: ClassVar[str]
    message: ClassVar[str]
    example: ClassVar[Mapping[str, Any]] = {}
    """Facts of a typical case, for the OpenAPI document; those with a default may be left out."""

    replayed = False
    """Whether it was stored by an earlier request with the same idempotency key."""

    @property
    def facts(self) -> dict[str, Any]:
        """The fields and their values, as clients receive them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        return self.message.format(**self.facts)


@dataclass(eq=False)
class Invalid(DomainError):
    """The input has the wrong shape; ``errors`` maps fields to messages."""

    kind = HTTPStatus.BAD_REQUEST
    code = "invalid"
    message = "The input is not valid: see the errors of each field."
    example = {"errors": {"field": ["This field is required."]}}

    errors: dict[str, list[str]]


class NotFound(DomainError):
    """It does not exist, or belongs to another account."""

    kind = HTTPStatus.NOT_FOUND
    code = "not_found"
    message = "Not found."


class NotAuthenticated(DomainError):
    """No token was sent where one is needed."""

    kind = HTTPStatus.UNAUTHORIZED
    code = "not_authenticated"
    message = "Authentication is required: send an access token."


class TokenNotValid(DomainError):
    """The token is malformed, expired, revoked, or its account is inactive."""

    kind = HTTPStatus.UNAUTHORIZED
    code = "token_not_valid"
    message = "The token is not valid or has expired. Log in again."


class AccountInactive(TokenNotValid):
    """The account was deleted, deactivated or given a new password."""


class NoActiveAccount(DomainError):
    """No active account has this username and password."""

    kind = HTTPStatus.UNAUTHORIZED
    code = "no_active_account"
    message = "No active account has this username and password."


@dataclass(eq=False)
class Throttled(DomainError):
    """The rate limit is exceeded."""

    kind = HTTPStatus.TOO_MANY_REQUESTS
    code = "throttled"
    message = "Too many attempts. Retry in {retry_after} seconds."
    example = {"retry_after": 42}

    retry_after: int


@dataclass(eq=False)
class Unavailable(DomainError):
    """Base class of what a later attempt may get."""

    kind = HTTPStatus.SERVICE_UNAVAILABLE

    retry_after: int = 1


class Busy(Unavailable):
    """A lock or statement took too long, or rivals won every attempt."""

    code = "busy"
    message = "The server is busy. Nothing was changed; please retry."


class LockNotAvailable(Busy):
    """A row or advisory lock was not available in time."""


class Overloaded(Unavailable):
    """More requests arrive than can be answered in time."""

    code = "overloaded"
    message = "The server is overloaded. Nothing was changed; please retry."


@dataclass(eq=False)
class DatabaseUnavailable(Unavailable):
    """The database can't be reached, or is read-only."""

    code = "database_unavailable"
    message = "The database is not available. Nothing was changed; please retry later."

    retry_after: int = 2


@dataclass(eq=False)
class OutcomeUnknown(Unavailable):
    """The database connection broke during a write, which may be done."""

    code = "outcome_unknown"
    message = "The database connection was lost during the write. It may have been done: check before you retry."

    retry_after: int = 2


@dataclass(eq=False)
class RequestTimeout(DomainError):
    """The request was not received completely in time."""

    kind = HTTPStatus.REQUEST_TIMEOUT
    code = "request_timeout"
    message = "The request was not received completely within {seconds} seconds. Nothing was changed; please retry."

    seconds: int = 10


@dataclass(eq=False)
class MalformedJSON(DomainError):
    """The body is not one JSON text in UTF-8."""

    kind = HTTPStatus.BAD_REQUEST
    code = "malformed_json"
    message = "The body is not valid JSON: {reason}."
    example = {"reason": "the key 'seat_number' occurs twice"}

    reason: str


class PayloadTooLarge(DomainError):
    """The body exceeds the size limit."""

    kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "payload_too_large"
    message = "The body exceeds the size limit. Nothing was changed."


class IdempotencyKeyInvalid(DomainError):
    """The key is not 1 to 255 visible ASCII characters."""

    kind = HTTPStatus.BAD_REQUEST
    code = "idempotency_key_invalid"
    message = "An idempotency key must be 1 to 255 visible ASCII characters."


class IdempotencyKeyReused(DomainError):
    """The key was used with another operation or input within 24 hours."""

    kind = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"
    message = "This idempotency key was used for another request. Nothing was changed; use a new key."


class IdempotencyInProgress(LockNotAvailable):
    """The first request with this key is still in progress."""

    kind = HTTPStatus.CONFLICT
    code = "idempotency_in_progress"
    message = "The first request with this idempotency key is still in progress. Nothing was changed; please retry."


class Protected(DomainError):
    """It has, or had, bookings, or is being held."""

    kind = HTTPStatus.CONFLICT
    code = "protected"
    message = "It has bookings or held seats, so it can't be deleted. Nothing was changed."
