"""The shapes of accounts and tokens in REST."""

from typing import Any

from rest_framework import serializers

from core.accounts import LONGEST_PASSWORD
from core.models import User
from core.rest import TextField


class UserSerializer(serializers.ModelSerializer[User]):
    """An account, as its owner sees it."""

    class Meta:
        model = User
        fields = ["id", "username", "email"]


class SignupSerializer(serializers.Serializer[Any]):
    """A new account. The rules for names and passwords are the domain's: see core.accounts."""

    username = TextField(
        max_length=150,
        help_text="1 to 150 ASCII letters, digits and @ . + - _; unique without regard to case.",
    )
    email = TextField(
        required=False,
        allow_blank=True,
        max_length=254,
        help_text="May be left out; unique without regard to case.",
    )
    password = TextField(
        write_only=True,
        max_length=LONGEST_PASSWORD,
        style={"input_type": "password"},
        help_text=f"8 to {LONGEST_PASSWORD} characters, not common, not all digits, not like the name; taken as it is.",
    )


class LoginSerializer(serializers.Serializer[Any]):
    """The credentials of an account."""

    username = TextField(help_text="Without regard to case.")
    password = TextField(
        write_only=True,
        style={"input_type": "password"},
        help_text="Taken as it is: spaces count.",
    )


class TokenPairSerializer(serializers.Serializer[Any]):
    """A pair of tokens."""

    access = serializers.CharField(help_text="Send it as `Authorization: Bearer …`; it holds for 15 minutes.")
    refresh = serializers.CharField(help_text="Exchange it at `/token/refresh/`, once; it holds for 7 days.")


class RefreshTokenSerializer(serializers.Serializer[Any]):
    """A refresh token to exchange or to spend."""

    refresh = TextField(help_text="The refresh token of the pair.")
