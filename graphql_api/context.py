"""The context of a request: its operation, its account and its outcome."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import strawberry
from django.http import HttpRequest
from graphql import FieldNode, OperationDefinitionNode, OperationType

from core.accounts import Bearer, user_of
from core.api.authentication import bearer_of
from core.errors import DomainError, NotAuthenticated
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

    request: HttpRequest
    operation: Operation
    address: str
    root_fields: set[str] = field(default_factory=set)
    """The names of the operation's fields; ``...`` stands for a fragment."""
    refusal: DomainError | None = None
    """Why a mutation was not done, also where it is answered as data: after some, core.server tries again."""
    replayed: bool = False
    """Whether the outcome is that of an earlier request with the same idempotency key."""
    subscription: tuple[int, str | None] | None = None
    """The show and the version of a subscription, which the view answers with a stream."""

    @cached_property
    def bearer(self) -> Bearer | None:
        """The claims of the token; None without a token.

        :raises TokenNotValid: it is malformed or has expired.
        """
        return bearer_of(self.request)

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

    def check_token(self, operation: OperationDefinitionNode) -> None:
        """Refuse an invalid token, unless the operation is about a session.

        :raises TokenNotValid: malformed or expired, or its account is inactive.
        """
        nodes = operation.selection_set.selections
        names = {node.name.value if isinstance(node, FieldNode) else "..." for node in nodes}
        self.root_fields = names - {"__typename"}
        if self.root_fields and self.root_fields <= SESSION_MUTATIONS:
            return
        # The domain verifies the account together with what a mutation does.
        _ = self.bearer if operation.operation is OperationType.MUTATION else self.account


Info = strawberry.Info[Context, None]
