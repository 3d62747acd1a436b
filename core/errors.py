"""Refusals that every app shares; nothing here depends on HTTP or GraphQL.

A refusal is an exception class with a kind, a code for programs and a message for people. Its fields are its facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import Any, ClassVar


class Kind(Enum):
    """The kind of a refusal: REST maps it to a status, GraphQL to a type."""

    INVALID = auto()
    UNAUTHENTICATED = auto()
    NOT_FOUND = auto()
    CONFLICT = auto()
    GONE = auto()
    TOO_LARGE = auto()
    TOO_SLOW = auto()
    UNPROCESSABLE = auto()
    THROTTLED = auto()
    UNAVAILABLE = auto()


@dataclass(eq=False)
class DomainError(Exception):
    """Base class of all refusals."""

    kind: ClassVar[Kind]
    code: ClassVar[str]
    message: ClassVar[str]
    example: ClassVar[Mapping[str, Any]] = {}
    """Facts of a typical case, for the OpenAPI document."""

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

    kind = Kind.INVALID
    code = "invalid"
    message = "The input is not valid: see the errors of each field."
    example: ClassVar[Mapping[str, Any]] = {"errors": {"field": ["This field is required."]}}

    errors: dict[str, list[str]]


@dataclass(eq=False)
class NotFound(DomainError):
    """It does not exist, or belongs to another account."""

    kind = Kind.NOT_FOUND
    code = "not_found"
    message = "Not found."


@dataclass(eq=False)
class NotAuthenticated(DomainError):
    """No token was sent where one is needed."""

    kind = Kind.UNAUTHENTICATED
    code = "not_authenticated"
    message = "Authentication is required: send an access token."


@dataclass(eq=False)
class TokenNotValid(DomainError):
    """The token is malformed, expired, used or revoked, or its account is inactive."""

    kind = Kind.UNAUTHENTICATED
    code = "token_not_valid"
    message = "The token is not valid or has expired. Log in again."


@dataclass(eq=False)
class AccountInactive(TokenNotValid):
    """The account was deleted, deactivated or given a new password."""


@dataclass(eq=False)
class NoActiveAccount(DomainError):
    """No active account has this username and password."""

    kind = Kind.UNAUTHENTICATED
    code = "no_active_account"
    message = "No active account has this username and password."


@dataclass(eq=False)
class Throttled(DomainError):
    """The rate limit is exceeded."""

    kind = Kind.THROTTLED
    code = "throttled"
    message = "Too many attempts. Retry in {retry_after} seconds."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 42}

    retry_after: int


@dataclass(eq=False)
class Busy(DomainError):
    """A lock or a statement took too long, or rivals won every attempt."""

    kind = Kind.UNAVAILABLE
    code = "busy"
    message = "The server is busy. Nothing was changed; please retry."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 1}

    retry_after: int = 1


@dataclass(eq=False)
class LockNotAvailable(Busy):
    """A row or advisory lock was not available in time."""


@dataclass(eq=False)
class DatabaseUnavailable(DomainError):
    """The database can't be reached, or is read-only."""

    kind = Kind.UNAVAILABLE
    code = "database_unavailable"
    message = "The database is not available. Nothing was changed; please retry later."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 2}

    retry_after: int = 2


@dataclass(eq=False)
class OutcomeUnknown(DomainError):
    """The database connection was lost during a write, which may have been done."""

    kind = Kind.UNAVAILABLE
    code = "outcome_unknown"
    message = "The database connection was lost during the write. It may have been done: check before you retry."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 2}

    retry_after: int = 2


@dataclass(eq=False)
class Overloaded(DomainError):
    """More requests arrive than can be answered in time."""

    kind = Kind.UNAVAILABLE
    code = "overloaded"
    message = "The server is overloaded. Nothing was changed; please retry."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 1}

    retry_after: int = 1


@dataclass(eq=False)
class RequestTimeout(DomainError):
    """The request was not received completely in time."""

    kind = Kind.TOO_SLOW
    code = "request_timeout"
    message = "The request was not received completely within {seconds} seconds. Nothing was changed; please retry."
    example: ClassVar[Mapping[str, Any]] = {"seconds": 10}

    seconds: int = 10


@dataclass(eq=False)
class MalformedJSON(DomainError):
    """The body is not one JSON text in UTF-8."""

    kind = Kind.INVALID
    code = "malformed_json"
    message = "The body is not valid JSON: {reason}."
    example: ClassVar[Mapping[str, Any]] = {"reason": "the key 'seat_number' occurs twice"}

    reason: str


@dataclass(eq=False)
class PayloadTooLarge(DomainError):
    """The body exceeds the size limit."""

    kind = Kind.TOO_LARGE
    code = "payload_too_large"
    message = "The body exceeds the size limit. Nothing was changed."


@dataclass(eq=False)
class IdempotencyKeyInvalid(DomainError):
    """The key is not 1 to 255 visible ASCII characters."""

    kind = Kind.INVALID
    code = "idempotency_key_invalid"
    message = "An idempotency key must be 1 to 255 visible ASCII characters."


@dataclass(eq=False)
class IdempotencyKeyReused(DomainError):
    """The key was used with another operation or input within 24 hours."""

    kind = Kind.UNPROCESSABLE
    code = "idempotency_key_reused"
    message = "This idempotency key was used for another request. Nothing was changed; use a new key."


@dataclass(eq=False)
class IdempotencyInProgress(LockNotAvailable):
    """The first request with this key is still in progress."""

    kind = Kind.CONFLICT
    code = "idempotency_in_progress"
    message = "The first request with this idempotency key is still in progress. Nothing was changed; please retry."


@dataclass(eq=False)
class Protected(DomainError):
    """It has, or had, bookings, or is being held."""

    kind = Kind.CONFLICT
    code = "protected"
    message = "It has bookings or held seats, so it can't be deleted. Nothing was changed."
