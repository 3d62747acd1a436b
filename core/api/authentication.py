"""Who is asking: the bearer token, read the same way at both doors."""

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core.accounts import Bearer, bearer_of_access_token
from core.errors import TokenNotValid

CHALLENGE = 'Bearer realm="api"'


def bearer_of(request: HttpRequest) -> Bearer | None:
    """Read ``Authorization: Bearer <access token>``; nothing else, and no session, says who is asking.

    None where no token was sent. Whether the account still stands is not looked at here.

    :raises TokenNotValid: a token was sent, and does not hold.
    """
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token or not token.isascii():
        raise TokenNotValid
    return bearer_of_access_token(token)


class BearerAuthentication(BaseAuthentication):
    """Marks the views that take the token; core.api.rest.View reads it."""

    def authenticate(self, request: Request) -> None:
        return None
