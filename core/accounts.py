"""Accounts: signing up, logging in, and the life of a token. Both doors call these, and nothing else decides."""

import functools
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from core.database import durable_transaction, violates
from core.errors import AccountInactive, Invalid, NoActiveAccount, TokenNotValid
from core.hashers import hashing_slot
from core.models import Account, User
from core.throttling import consume, consume_for_account

LONGEST_PASSWORD = 1000


@dataclass(frozen=True)
class TokenPair:
    """A short-lived access token and the refresh token that renews it, once."""

    access: str
    refresh: str


@hashing_slot()
def sign_up(*, username: str, password: str, email: str = "", address: str) -> User:
    """Open an account without any rights.

    :raises LockNotAvailable: another thread of this process is hashing a password.
    :raises Throttled: too many sign-ups from this address.
    :raises Invalid: the name, the e-mail address or the password is not acceptable, or the name or address is taken.
    """
    consume("signup", address=address)
    user = User(username=username, email=User.objects.normalize_email(email))
    _refuse_unacceptable(user, password)
    user.set_password(password)
    try:
        _insert(user)
    except IntegrityError as fault:  # only the table can tell of two at once which came first
        raise Invalid(errors=_what_is_taken(fault)) from fault
    return user


@hashing_slot()
def log_in(*, username: str, password: str, address: str) -> TokenPair:
    """Exchange a name and a password for a pair of tokens.

    :raises LockNotAvailable: another thread of this process is hashing a password.
    :raises Throttled: too many tries from this address, or on this account.
    :raises NoActiveAccount: no active account has this name and password.
    """
    consume("login", address=address)
    consume_for_account(username)
    user = authenticate(username=username, password=password)
    if not isinstance(user, User):
        raise NoActiveAccount
    try:
        return _issue(user)
    except IntegrityError as fault:  # the account was deleted at the same moment; only COMMIT notices
        raise NoActiveAccount from fault


def refresh(*, token: str, address: str) -> TokenPair:
    """Exchange a refresh token for a new pair; the old one is spent.

    :raises Throttled: too many tries from this address.
    :raises TokenNotValid: malformed, expired, spent or revoked, or its account is gone or was deactivated.
    """
    consume("refresh", address=address)
    try:
        return _exchange(token)
    except IntegrityError as fault:  # the account was deleted at the same moment; only COMMIT notices
        raise TokenNotValid from fault


@durable_transaction
def log_out(*, token: str) -> None:
    """Spend a refresh token.

    :raises TokenNotValid: malformed, expired, already spent or revoked, or its account is gone or was deactivated.
    """
    _spend(_decode(RefreshToken, token))


@dataclass(frozen=True)
class Bearer:
    """Whom an access token speaks for, by what it says itself; the account was not looked at."""

    pk: int
    fingerprint: str
    until: float | None = None
    """When the token runs out, in seconds since 1970."""
    is_authenticated: ClassVar[bool] = True  # as permissions ask of a user


def bearer_of_access_token(token: str) -> Bearer:
    """Tell whom an access token speaks for, without asking the database whether it still does.

    :raises TokenNotValid: malformed or expired.
    """
    bearer = _read(token)
    if bearer.until is None or time.time() >= bearer.until:
        raise TokenNotValid
    return bearer


@functools.lru_cache(maxsize=10_000)
def _read(token: str) -> Bearer:
    """Read a token; what it says does not change, only the time does."""
    return _bearer(_decode(AccessToken, token))


def user_of(account: Account) -> User:
    """Find the account that a token, or a memory of a user, speaks for, if it still does.

    :raises AccountInactive: it is gone, was deactivated or has a new password.
    """
    user = User.objects.filter(pk=account.pk, is_active=True).first()
    if user is None or user.fingerprint != account.fingerprint:
        raise AccountInactive
    return user


def _refuse_unacceptable(user: User, password: str) -> None:
    errors: dict[str, list[str]] = {}
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as refused:
        errors = refused.message_dict
    try:
        validate_password(password, user)
    except ValidationError as refused:
        errors["password"] = list(refused.messages)
    if len(password) > LONGEST_PASSWORD:
        errors.setdefault("password", []).append(f"At most {LONGEST_PASSWORD} characters.")
    if "\0" in password:
        errors.setdefault("password", []).append("Null characters are not allowed.")
    if errors:
        raise Invalid(errors=errors)


@durable_transaction
def _insert(user: User) -> None:
    user.save(force_insert=True)


def _what_is_taken(fault: IntegrityError) -> dict[str, list[str]]:
    if violates(fault, "given_email_is_unique_without_case"):
        return {"email": ["A user with that email address already exists."]}
    return {"username": ["A user with that username already exists."]}


@durable_transaction
def _issue(user: User) -> TokenPair:
    token = RefreshToken.for_user(user)
    return TokenPair(access=str(token.access_token), refresh=str(token))


@durable_transaction
def _exchange(token: str) -> TokenPair:
    old = _decode(RefreshToken, token)
    user = _owner(old)
    _spend(old)
    new = RefreshToken.for_user(user)
    return TokenPair(access=str(new.access_token), refresh=str(new))


def _spend(token: RefreshToken) -> None:
    """Blacklist the token; of many at once, the unique row lets one through."""
    outstanding, _ = OutstandingToken.objects.get_or_create(
        jti=token["jti"],
        defaults={
            "user": _owner(token),
            "token": str(token),
            "created_at": token.current_time,
            "expires_at": datetime_from_epoch(token["exp"]),
        },
    )
    _, first = BlacklistedToken.objects.get_or_create(token=outstanding)
    if not first:
        raise TokenNotValid


def _decode(kind: type[Any], token: str) -> Any:
    try:
        return kind(token)
    except (
        TokenError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        OSError,
    ) as fault:  # or a claim that we did not write
        raise TokenNotValid from fault


def _owner(token: Token) -> User:
    return user_of(_bearer(token))


def _bearer(token: Token) -> Bearer:
    """Read whom the token speaks for, trusting only that we signed it."""
    user_id = str(token.get(api_settings.USER_ID_CLAIM))
    if not (user_id.isascii() and user_id.isdecimal() and len(user_id) < 19):
        raise TokenNotValid
    fingerprint = str(token.get(api_settings.REVOKE_TOKEN_CLAIM))
    return Bearer(pk=int(user_id), fingerprint=fingerprint, until=float(token["exp"]))
