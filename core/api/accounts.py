"""Accounts over REST: signing up, logging in, and renewing tokens."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import accounts
from core.accounts import MAX_PASSWORD_LENGTH
from core.api.fields import TextField
from core.api.operations import operation
from core.api.serializers import FastSerializer
from core.api.views import APIView, PublicAPIView
from core.errors import Invalid, NoActiveAccount, Throttled, TokenNotValid
from core.throttling import client_address


class UserSerializer(FastSerializer):
    """An account, as its owner sees it."""

    id = serializers.IntegerField(read_only=True)
    username = serializers.CharField(read_only=True, help_text="As it was chosen when signing up.")
    email = serializers.CharField(read_only=True, help_text="Empty if none was given.")


# The schemas of the next three are published, and enforced by the domain alone: see core.accounts.


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z0-9@.+_-]+$"})
class UsernameField(TextField):
    """The name of a new account."""


@extend_schema_field({"type": "string", "format": "email"})
class EmailField(TextField):
    """An e-mail address."""


@extend_schema_field({"type": "string", "pattern": r"^[^\u0000]*[^0-9\u0000][^\u0000]*$"})
class NewPasswordField(TextField):
    """A password to be set."""


class SignupSerializer(FastSerializer):
    """A new account."""

    username = UsernameField(
        max_length=150,
        help_text="1 to 150 ASCII letters, digits and @ . + - _; unique without regard to case.",
    )
    email = EmailField(
        required=False,
        allow_blank=True,
        max_length=254,
        help_text="May be left out; unique without regard to case.",
    )
    password = NewPasswordField(
        write_only=True,
        min_length=8,
        max_length=MAX_PASSWORD_LENGTH,
        error_messages={"min_length": "This password is too short. It must contain at least {min_length} characters."},
        help_text=f"8 to {MAX_PASSWORD_LENGTH} characters, not common, not all digits, not like the name; "
        "taken as it is.",
    )


class LoginSerializer(FastSerializer):
    """The credentials of an account."""

    username = TextField(help_text="Without regard to case.")
    password = TextField(write_only=True, help_text="Taken as it is: spaces count.")


class TokenPairSerializer(FastSerializer):
    """A pair of tokens."""

    access = serializers.CharField(help_text="Send it as `Authorization: Bearer …`; it holds for 15 minutes.")
    refresh = serializers.CharField(help_text="Exchange it at `/token/refresh/`, once; it holds for 7 days.")


class RefreshTokenSerializer(FastSerializer):
    """A refresh token to exchange or to spend."""

    refresh = TextField(help_text="The refresh token of the pair.")


_LINKS = {
    name: {"operationId": name, "requestBody": {"refresh": "$response.body#/refresh"}}
    for name in ("refreshToken", "logout")
}


class SignupView(PublicAPIView):
    @operation(
        "signup",
        "Open an account",
        request=SignupSerializer,
        response=UserSerializer,
        status=201,
        refusals=[Invalid, Throttled],
        metric="signup",
    )
    def post(self, request: Request) -> Response:
        """Names and e-mail addresses are unique without regard to case."""
        user = accounts.sign_up(**self.validated_data(), address=client_address(request))
        return Response(UserSerializer(user).data, status=201)


class LoginView(PublicAPIView):
    @operation(
        "login",
        "Log in",
        request=LoginSerializer,
        response=TokenPairSerializer,
        links=_LINKS,
        refusals=[NoActiveAccount, Throttled],
        metric="login",
    )
    def post(self, request: Request) -> Response:
        """Exchange a name and a password for a pair of tokens."""
        pair = accounts.log_in(**self.validated_data(), address=client_address(request))
        return Response(TokenPairSerializer(pair).data)


class RefreshView(PublicAPIView):
    @operation(
        "refreshToken",
        "Renew the tokens",
        request=RefreshTokenSerializer,
        response=TokenPairSerializer,
        links=_LINKS,
        refusals=[TokenNotValid, Throttled],
        metric="refresh",
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair; the old refresh token is spent."""
        pair = accounts.refresh(token=self.validated_data()["refresh"], address=client_address(request))
        return Response(TokenPairSerializer(pair).data)


class LogoutView(PublicAPIView):
    @operation("logout", "Log out", request=RefreshTokenSerializer, refusals=[TokenNotValid], metric="logout")
    def post(self, request: Request) -> Response:
        """Spend the refresh token. Access tokens end by themselves, within 15 minutes."""
        accounts.log_out(token=self.validated_data()["refresh"])
        return Response(status=204)


class MeView(APIView):
    @operation("me", "Get the account of the token", response=UserSerializer)
    def get(self, request: Request) -> Response:
        """The account that the access token was issued to."""
        return Response(UserSerializer(request.user).data)
