"""Sign up, log in, refresh and revoke tokens."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from core.database import durable_transaction, refusal_of, violates
from core.errors import AccountInactive, Busy, DomainError, Invalid, LockNotAvailable, NoActiveAccount, TokenNotValid
from core.hashers import hashing_slot
from core.models import Account, User
from core.throttling import consume, consume_for_account

MAX_PASSWORD_LENGTH = 1000


@dataclass(frozen=True)
class TokenPair:
    """An access token, and a refresh token that can be exchanged once."""

    access: str
    refresh: str


@contextmanager
def _without_retry(broken_constraint: Callable[[IntegrityError], DomainError]) -> Iterator[None]:
    """Raise a missing lock as plain ``Busy``, which core.server does not retry.

    Around all that follows the first count: a retry would count and hash again. A constraint that the database finds
    broken is another refusal.
    """
    try:
        yield
    except IntegrityError as error:
        raise broken_constraint(error) from error
    except (LockNotAvailable, DatabaseError) as error:
        if isinstance(refusal_of(error), LockNotAvailable):
            raise Busy from error
        raise


@hashing_slot()
def sign_up(*, username: str, password: str, email: str = "", address: str) -> User:
    """Create an account without permissions.

    :raises LockNotAvailable: two threads of this process are hashing a password or waiting to.
    :raises Throttled: the rate limit of this address is exceeded.
    :raises Invalid: the name, the e-mail address or the password is not acceptable, or the name or address is taken.
    """
    consume("signup", address)
    user = User(username=username, email=User.objects.normalize_email(email))
    _validate(user, password)
    user.set_password(password)
    with _without_retry(_duplicate):
        durable_transaction(user.save)(force_insert=True)
    return user


@hashing_slot()
def log_in(*, username: str, password: str, address: str) -> TokenPair:
    """Exchange a username and a password for a pair of tokens.

    :raises LockNotAvailable: two threads of this process are hashing a password or waiting to.
    :raises Throttled: the rate limit of this address or of this account is exceeded.
    :raises NoActiveAccount: no active account has this username and password.
    """
    consume("login", address)
    # If the account is deleted at the same moment, the foreign key notices at COMMIT.
    with _without_retry(lambda _: NoActiveAccount()):
        consume_for_account(username)
        user = authenticate(username=username, password=password)
        if not isinstance(user, User):
            raise NoActiveAccount
        return durable_transaction(_issue)(user)


def refresh(*, token: str, address: str) -> TokenPair:
    """Exchange a refresh token for a new pair, and revoke it.

    :raises Throttled: the rate limit of this address is exceeded.
    :raises TokenNotValid: malformed, expired or revoked, or its account is inactive.
    """
    consume("refresh", address)
    # If the account is deleted at the same moment, the foreign key notices at COMMIT.
    with _without_retry(lambda _: TokenNotValid()):
        return _exchange(token)


@durable_transaction
def log_out(*, token: str) -> None:
    """Revoke a refresh token.

    :raises TokenNotValid: malformed, expired or already revoked, or its account is inactive.
    """
    _revoke(_decode(RefreshToken, token))


@dataclass(frozen=True)
class Bearer:
    """The claims of an access token; the account was not checked."""

    pk: int
    fingerprint: str
    until: float | None = None
    """When the token expires, in seconds since 1970."""
    is_authenticated: ClassVar[bool] = True  # as permissions ask of a user


def bearer_of_access_token(token: str) -> Bearer:
    """Verify an access token, without checking the account in the database.

    :raises TokenNotValid: malformed or expired.
    """
    bearer = _verified(token)
    if bearer.until is None or time.time() >= bearer.until:
        raise TokenNotValid
    return bearer


@functools.lru_cache(maxsize=10_000)
def _verified(token: str) -> Bearer:
    """Verify a token's signature once; its expiry has to be checked again."""
    return _bearer(_decode(AccessToken, token))


def user_of(account: Account) -> User:
    """Load the active account of a token or user.

    :raises AccountInactive: it was deleted, deactivated or given a new password.
    """
    user = User.objects.filter(pk=account.pk, is_active=True).first()
    if user is None or user.fingerprint != account.fingerprint:
        raise AccountInactive
    return user


def _validate(user: User, password: str) -> None:
    errors: dict[str, list[str]] = {}
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as refused:
        errors = refused.message_dict
    try:
        validate_password(password, user)
    except ValidationError as refused:
        errors["password"] = list(refused.messages)
    if len(password) > MAX_PASSWORD_LENGTH:
        errors.setdefault("password", []).append(f"At most {MAX_PASSWORD_LENGTH} characters.")
    if "\0" in password:
        errors.setdefault("password", []).append("Null characters are not allowed.")
    if errors:
        raise Invalid(errors=errors)


def _duplicate(error: IntegrityError) -> Invalid:
    """Refuse what is taken: of two at once, only the unique constraint decides."""
    if violates(error, "given_email_is_unique_without_case"):
        return Invalid(errors={"email": ["A user with that email address already exists."]})
    return Invalid(errors={"username": ["A user with that username already exists."]})


@durable_transaction
def _exchange(token: str) -> TokenPair:
    old = _decode(RefreshToken, token)
    _revoke(old)
    return _issue(user_of(_bearer(old)))


def _issue(user: User) -> TokenPair:
    token = RefreshToken.for_user(user)
    return TokenPair(access=str(token.access_token), refresh=str(token))


def _revoke(token: RefreshToken) -> None:
    """Blacklist the token; a unique constraint lets one caller through."""
    user_of(_bearer(token))  # raises AccountInactive
    pair: Any = token.blacklist()  # the row and whether it is new, although it is annotated as the row
    if not pair[1]:
        raise TokenNotValid


def _decode(kind: type[Any], token: str) -> Any:
    try:
        return kind(token)
    # The others come of claims that were not written here.
    except (TokenError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise TokenNotValid from error


def _bearer(token: Token) -> Bearer:
    """Read the claims of a token whose signature was verified."""
    user_id = str(token.get(api_settings.USER_ID_CLAIM))
    if not (user_id.isascii() and user_id.isdecimal() and len(user_id) < 19):
        raise TokenNotValid
    fingerprint = str(token.get(api_settings.REVOKE_TOKEN_CLAIM))
    return Bearer(pk=int(user_id), fingerprint=fingerprint, until=float(token["exp"]))
