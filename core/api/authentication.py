"""Bearer tokens, with and without loading the account."""

from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core.accounts import Bearer, bearer_of_access_token, user_of
from core.errors import TokenNotValid
from core.models import Account

CHALLENGE = 'Bearer realm="api"'


def bearer_of(request: HttpRequest | Request) -> Bearer | None:
    """Read ``Authorization: Bearer <access token>``; None where no token was sent.

    Whether the account is still active is not checked. Sessions and other schemes are not accepted.

    :raises TokenNotValid: the token is malformed or has expired.
    """
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token or not token.isascii():
        raise TokenNotValid
    return bearer_of_access_token(token)


class AuthenticatedRequest(Request):
    """A request with an access token, for type checkers."""

    user: Account  # type: ignore[assignment]
    auth: Bearer | None


class AccessTokenAuthentication(BaseAuthentication):
    """Reads the access token alone; the domain verifies the account."""

    def authenticate(self, request: Request) -> tuple[Any, Bearer] | None:
        bearer = bearer_of(request)
        return (bearer, bearer) if bearer else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class AccountAuthentication(AccessTokenAuthentication):
    """Reads the access token and loads its account, which must be active."""

    def authenticate(self, request: Request) -> tuple[Any, Bearer] | None:
        bearer = bearer_of(request)
        return (user_of(bearer), bearer) if bearer else None
