"""Who is asking: what every resolver is told of the request."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

import strawberry

from core.accounts import Bearer, user_of
from core.errors import DomainError, NotAuthenticated, TokenNotValid
from core.models import User

T = TypeVar("T")


@dataclass
class Context:
    """Who is asking, and from where."""

    bearer: Bearer | None
    address: str
    refused: TokenNotValid | None = None
    """Why the token that was sent does not hold."""
    replayed: bool = False

    @cached_property
    def account(self) -> User | None:
        """The account that the token speaks for; None without a token.

        :raises AccountInactive: it is gone, was deactivated or has a new password.
        """
        return user_of(self.bearer) if self.bearer else None

    def bearer_or_refuse(self) -> Bearer:
        """Give what the token says, for a verb that looks at the account itself.

        :raises NotAuthenticated: no token was sent.
        """
        if self.bearer is None:
            raise NotAuthenticated
        return self.bearer

    def refuse_token_that_does_not_hold(self, asked: frozenset[str]) -> None:
        """Refuse a token that does not hold before anything is done for it.

        :raises TokenNotValid: it can't be read or has run out.
        :raises AccountInactive: the account is gone, was deactivated or has a new password.
        """
        if asked <= _FOR_EVERYBODY:
            return
        if self.refused:
            raise self.refused
        if not asked <= _LOOKED_AT_BY_THE_VERB:
            _ = self.account

    def note_replay(self, verb: Callable[[], T]) -> T:
        """Do the verb, and note whether its outcome is the answer to an earlier request, for a header to tell."""
        try:
            told: Any = verb()
        except DomainError as refusal:
            self.replayed = refusal.replayed
            raise
        self.replayed = told.replayed
        return cast(T, told)


# As in REST, no token is looked at to open, renew or end a session: a front end that sends its old token with every
# request could not log in again.
_FOR_EVERYBODY = frozenset({"signup", "login", "refreshToken", "logout", "__typename"})

_LOOKED_AT_BY_THE_VERB = frozenset(
    {
        *("bookSeat", "bookSeats", "cancelBooking", "moveBooking"),
        *("holdSeats", "confirmHold", "extendHold", "releaseHold"),
        "__typename",
    }
)

Info = strawberry.Info[Context, None]
