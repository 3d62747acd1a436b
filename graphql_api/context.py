"""The context of a request: its operation, its account and its outcome."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import strawberry
from graphql import FieldNode, OperationDefinitionNode, OperationType

from core.accounts import Bearer, user_of
from core.errors import LockNotAvailable, NotAuthenticated, TokenNotValid
from core.models import User

# As in REST, no token is read to open, renew or end a session: a front end that sends its old token with every request
# could not log in again.
SESSION_MUTATIONS = {"signup", "login", "refreshToken", "logout"}


@dataclass(frozen=True)
class Operation:
    """What a request asks for: the members of its body."""

    query: str
    variables: dict[str, Any]
    name: str | None


@dataclass
class Context:
    """What resolvers, extensions and the view share of a request."""

    operation: Operation
    address: str
    bearer: Bearer | None = None
    token_error: TokenNotValid | None = None
    """Why the token that was sent is not valid."""
    root_fields: set[str] = field(default_factory=set)
    """As ``root_fields_of`` returns them."""
    lock_not_available: LockNotAvailable | None = None
    """The refusal after which core.server tries again, also where it is answered as data."""
    replayed: bool = False
    """Whether the outcome is that of an earlier request with the same idempotency key."""
    subscription: tuple[int, str | None] | None = None
    """The show and the version of a subscription, which the view answers with a stream."""

    @cached_property
    def account(self) -> User | None:
        """The account of the token; None without a token.

        :raises AccountInactive: it is gone, was deactivated or has a new password.
        """
        return user_of(self.bearer) if self.bearer else None

    def require_bearer(self) -> Bearer:
        """Return the token's claims, whose account the domain verifies.

        :raises NotAuthenticated: no token was sent.
        """
        if self.bearer is None:
            raise NotAuthenticated
        return self.bearer

    def check_token(self, operation_type: OperationType) -> None:
        """Refuse an invalid token, unless the operation is about a session.

        :raises TokenNotValid: malformed or expired, or its account is inactive.
        """
        if self.root_fields and self.root_fields <= SESSION_MUTATIONS:
            return
        if self.token_error:
            raise self.token_error
        if operation_type is not OperationType.MUTATION:  # whose account the domain verifies in its own statement
            _ = self.account


def root_fields_of(operation: OperationDefinitionNode) -> set[str]:
    """Return the names of an operation's fields; ``...`` stands for a fragment."""
    nodes = operation.selection_set.selections
    return {node.name.value if isinstance(node, FieldNode) else "..." for node in nodes} - {"__typename"}


Info = strawberry.Info[Context, None]
