"""Who is asking: the bearer token, read the same way at both doors."""

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core.accounts import user_of_access_token
from core.errors import TokenNotValid
from core.models import User

CHALLENGE = 'Bearer realm="api"'


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <access token>``; nothing else, and no session, says who is asking."""

    def authenticate(self, request: Request | HttpRequest) -> tuple[User, str] | None:
        """Give the user and the token; None where no token was sent.

        :raises TokenNotValid: a token was sent, and does not hold.
        """
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not token or not token.isascii():
            raise TokenNotValid
        return user_of_access_token(token), token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
