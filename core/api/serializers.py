"""The shapes of accounts and tokens in REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.accounts import LONGEST_PASSWORD
from core.api.fields import TextField
from core.models import User


class UserSerializer(serializers.ModelSerializer[User]):
    """An account, as its owner sees it."""

    example: ClassVar[dict[str, Any]] = {"id": 5, "username": "alice", "email": "alice@example.com"}

    username = serializers.CharField(read_only=True, help_text="As it was chosen when signing up.")
    email = serializers.CharField(read_only=True, help_text="Empty if none was given.")

    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["id", "username", "email"]


# What the next three say of themselves is published and not kept: it is the domain's, in core.accounts.


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z0-9@.+_-]+$"})
class UsernameField(TextField):
    """The name of a new account."""


@extend_schema_field({"type": "string", "format": "email"})
class EmailField(TextField):
    """An e-mail address."""


@extend_schema_field({"type": "string", "pattern": r"^[^\u0000]*[^0-9\u0000][^\u0000]*$"})
class NewPasswordField(TextField):
    """A password to be set."""


class SignupSerializer(serializers.Serializer[Any]):
    """A new account."""

    example: ClassVar[dict[str, Any]] = {
        "username": "alice",
        "email": "alice@example.com",
        "password": "correct horse battery",
    }

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
        max_length=LONGEST_PASSWORD,
        error_messages={"min_length": "This password is too short. It must contain at least {min_length} characters."},
        style={"input_type": "password"},
        help_text=f"8 to {LONGEST_PASSWORD} characters, not common, not all digits, not like the name; taken as it is.",
    )


class LoginSerializer(serializers.Serializer[Any]):
    """The credentials of an account."""

    example: ClassVar[dict[str, Any]] = {"username": "alice", "password": "correct horse battery"}

    username = TextField(help_text="Without regard to case.")
    password = TextField(
        write_only=True,
        style={"input_type": "password"},
        help_text="Taken as it is: spaces count.",
    )


class TokenPairSerializer(serializers.Serializer[Any]):
    """A pair of tokens."""

    example: ClassVar[dict[str, Any]] = {"access": "eyJhbGciOi…", "refresh": "eyJhbGciOi…"}

    access = serializers.CharField(help_text="Send it as `Authorization: Bearer …`; it holds for 15 minutes.")
    refresh = serializers.CharField(help_text="Exchange it at `/token/refresh/`, once; it holds for 7 days.")


class RefreshTokenSerializer(serializers.Serializer[Any]):
    """A refresh token to exchange or to spend."""

    example: ClassVar[dict[str, Any]] = {"refresh": "eyJhbGciOi…"}

    refresh = TextField(help_text="The refresh token of the pair.")
