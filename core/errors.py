"""Refusals: what they are, whatever door they leave by. Nothing in here knows of HTTP or GraphQL.

A refusal is a class with a kind, a code for programs and a message for people; its fields are its facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import Any, ClassVar


class Kind(Enum):
    """What sort of refusal it is; each door turns the kind into its own sign, once."""

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
    """The ancestor of every refusal."""

    kind: ClassVar[Kind]
    code: ClassVar[str]
    message: ClassVar[str]
    example: ClassVar[Mapping[str, Any]] = {}
    """Facts of a typical case, for the published documentation."""

    replayed = False
    """Whether it is the answer to an earlier request with the same idempotency key."""

    @property
    def facts(self) -> dict[str, Any]:
        """The fields and their values, as clients are told them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        return self.message.format(**self.facts)


@dataclass(eq=False)
class Invalid(DomainError):
    """The input breaks a rule of shape; ``errors`` maps each field to its messages."""

    kind = Kind.INVALID
    code = "invalid"
    message = "The input is not valid; the errors name the fields."
    example: ClassVar[Mapping[str, Any]] = {"errors": {"field": ["This field is required."]}}

    errors: dict[str, list[str]]


@dataclass(eq=False)
class NotFound(DomainError):
    """Not there, or somebody else's: the answer is the same."""

    kind = Kind.NOT_FOUND
    code = "not_found"
    message = "Not found."


@dataclass(eq=False)
class NotAuthenticated(DomainError):
    """No token was sent where one is needed."""

    kind = Kind.UNAUTHENTICATED
    code = "not_authenticated"
    message = "Authentication is needed: send an access token."


@dataclass(eq=False)
class TokenNotValid(DomainError):
    """The token is malformed, expired, spent or revoked, or its account is gone."""

    kind = Kind.UNAUTHENTICATED
    code = "token_not_valid"
    message = "The token is not valid or has expired."


@dataclass(eq=False)
class AccountInactive(TokenNotValid):
    """The token's account was deleted, deactivated or given a new password."""


@dataclass(eq=False)
class NoActiveAccount(DomainError):
    """No active account has this username and password."""

    kind = Kind.UNAUTHENTICATED
    code = "no_active_account"
    message = "No active account was found with these credentials."


@dataclass(eq=False)
class Throttled(DomainError):
    """Too many tries."""

    kind = Kind.THROTTLED
    code = "throttled"
    message = "Too many tries. Try again in {retry_after} seconds."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 42}

    retry_after: int


@dataclass(eq=False)
class Busy(DomainError):
    """A lock was not had in time."""

    kind = Kind.UNAVAILABLE
    code = "busy"
    message = "Too many want this at once. Nothing happened; try again."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 1}

    retry_after: int = 1


@dataclass(eq=False)
class LockNotAvailable(Busy):
    """A row or advisory lock was not available in time."""


@dataclass(eq=False)
class DatabaseUnavailable(DomainError):
    """The database can't be reached, or takes no writes."""

    kind = Kind.UNAVAILABLE
    code = "database_unavailable"
    message = "The database is not available. Try again later."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 2}

    retry_after: int = 2


@dataclass(eq=False)
class OutcomeUnknown(DomainError):
    """The connection to the database was lost before it could tell whether it was done."""

    kind = Kind.UNAVAILABLE
    code = "outcome_unknown"
    message = "The database was lost while this was being done. It may have happened: look before you try again."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 2}

    retry_after: int = 2


@dataclass(eq=False)
class Overloaded(DomainError):
    """More is asked than can be answered in good time; nothing was done."""

    kind = Kind.UNAVAILABLE
    code = "overloaded"
    message = "Too many ask at once. Nothing happened; try again."
    example: ClassVar[Mapping[str, Any]] = {"retry_after": 1}

    retry_after: int = 1


@dataclass(eq=False)
class RequestTimeout(DomainError):
    """The request did not come in whole in time; nothing was done."""

    kind = Kind.TOO_SLOW
    code = "request_timeout"
    message = "The request did not come in whole within {seconds} seconds."
    example: ClassVar[Mapping[str, Any]] = {"seconds": 10}

    seconds: int = 10


@dataclass(eq=False)
class MalformedJSON(DomainError):
    """The body is not one JSON text in UTF-8."""

    kind = Kind.INVALID
    code = "malformed_json"
    message = "The body is not valid JSON: {reason}."
    example = {"reason": "the key 'seat_number' occurs twice"}

    reason: str


@dataclass(eq=False)
class PayloadTooLarge(DomainError):
    """The body is longer than the server takes."""

    kind = Kind.TOO_LARGE
    code = "payload_too_large"
    message = "The body is too large."


@dataclass(eq=False)
class IdempotencyKeyInvalid(DomainError):
    """The key is empty, too long, or has other characters than visible ASCII."""

    kind = Kind.INVALID
    code = "idempotency_key_invalid"
    message = "An idempotency key is 1 to 255 visible ASCII characters."


@dataclass(eq=False)
class IdempotencyKeyReused(DomainError):
    """The key was used for something else in the last 24 hours."""

    kind = Kind.UNPROCESSABLE
    code = "idempotency_key_reused"
    message = "This idempotency key was used for something else."


@dataclass(eq=False)
class IdempotencyInProgress(LockNotAvailable):
    """The first request with this key is still being answered."""

    kind = Kind.CONFLICT
    code = "idempotency_in_progress"
    message = "The first request with this idempotency key is still being answered. Send it again."
    example: ClassVar[dict[str, Any]] = {"retry_after": 1}

    retry_after: int = 1


@dataclass(eq=False)
class Protected(DomainError):
    """It has bookings, and they stay as history."""

    kind = Kind.CONFLICT
    code = "protected"
    message = "It has bookings, so it can't be deleted."
