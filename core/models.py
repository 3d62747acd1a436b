"""Accounts, rate limit windows and idempotency keys."""

import hashlib
from typing import ClassVar, Protocol

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.db import models
from django.db.models.functions import Lower


class Account(Protocol):
    """A user, or the claims of a token; either may be inactive."""

    @property
    def pk(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...


class UserManager(DjangoUserManager["User"]):
    """Finds accounts by username without regard to case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        # Names are ASCII. Anything else finds nobody: "K" (the Kelvin sign) lower-cases to "k", and
        # PostgreSQL takes no NUL.
        if not username or not username.isascii() or "\0" in username:
            raise self.model.DoesNotExist
        return self.alias(username_lower=Lower("username")).get(username_lower=username.lower())


class User(AbstractUser):
    """An account; its name and a given e-mail address are unique case-insensitively."""

    username_validator = ASCIIUsernameValidator()  # type: ignore[assignment]

    username = models.CharField(
        "username",
        max_length=150,
        unique=True,
        help_text="1 to 150 ASCII letters, digits and @ . + - _; unique without regard to case.",
        validators=[username_validator],
        error_messages={"unique": "A user with that username already exists."},
    )
    email = models.EmailField(
        "email address",
        blank=True,
        help_text="At most 254 characters; may be empty; unique without regard to case.",
    )

    objects: ClassVar[UserManager] = UserManager()

    @property
    def fingerprint(self) -> str:
        """Hash of the password hash in tokens: a new password revokes them."""
        return hashlib.md5(self.password.encode(), usedforsecurity=False).hexdigest().upper()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="username_is_unique_without_case",
                violation_error_message="A user with that username already exists.",
            ),
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="given_email_is_unique_without_case",
                violation_error_message="A user with that email address already exists.",
            ),
        ]


class RateLimitWindow(models.Model):
    """The number of attempts in a window of time, counted by core.throttling."""

    key = models.CharField(primary_key=True, max_length=100, help_text="What was tried, and from where or on whom.")
    count = models.PositiveIntegerField()
    until = models.FloatField(db_index=True, help_text="Seconds since 1970 at which the window ends.")

    class Meta:
        db_table = "core_tries"

    def __str__(self) -> str:
        return f"{self.count} x {self.key}"


class IdempotencyKey(models.Model):
    """The outcome of a request with an idempotency key, stored by core.idempotency."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="Of the operation and its input.")
    outcome = models.JSONField(help_text="What a request with the same key is answered.")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_is_used_once_by_a_user")]

    def __str__(self) -> str:
        return self.key
