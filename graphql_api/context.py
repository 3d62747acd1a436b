"""The context of a request: its account, its address and its outcome."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import strawberry
from graphql import FieldNode, get_operation_ast
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext

from core.accounts import Bearer, user_of
from core.errors import LockNotAvailable, NotAuthenticated, TokenNotValid
from core.models import User


@dataclass
class Context:
    """What resolvers, extensions and the view share of a request."""

    bearer: Bearer | None
    address: str
    token_error: TokenNotValid | None = None
    """Why the token that was sent is not valid."""
    operation_name: str | None = None
    """The request's ``operationName``."""
    replayed: bool = False
    """Whether the outcome is that of an earlier request with the same idempotency key."""
    lock_not_available: LockNotAvailable | None = None
    """The refusal after which core.server tries again, also where it is answered as data."""
    subscription: ExecutionContext | None = None
    """The operation, if it is a subscription: the view hands it over to graphql_api.subscriptions."""

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


Info = strawberry.Info[Context, None]


# --- Metadata of fields -----------------------------------------------------------------------


# As in REST, no token is read to open, renew or end a session: a front end that sends its old token with every request
# could not log in again.
IGNORES_TOKEN = {"ignores_token": True}

# The domain function verifies the account together with what it does; a second lookup would be a second statement.
VERIFIES_ACCOUNT = {"verifies_account": True}


class TokenCheck(SchemaExtension):
    """Refuses an invalid token before anything is executed, unless it is ignored."""

    def on_execute(self) -> Iterator[None]:
        if self.execution_context.root_value is None:  # the token of a subscription was checked when it began
            self._check(self.execution_context.context)
        yield

    def _check(self, context: Context) -> None:
        fields = self._root_fields()
        if all(field.get("ignores_token") for field in fields):
            return
        if context.token_error:
            raise context.token_error
        if not all(field.get("verifies_account") for field in fields):
            _ = context.account

    def _root_fields(self) -> list[Any]:
        """Return the fields' metadata; ``{}`` for a fragment or ``__typename`` alone."""
        execution = self.execution_context
        operation = execution.graphql_document and get_operation_ast(
            execution.graphql_document, execution.operation_name
        )
        if not operation:
            return [{}]
        root = operation.operation.value.title()
        found: list[Any] = []
        for node in operation.selection_set.selections:
            if not isinstance(node, FieldNode):
                found.append({})
            elif node.name.value != "__typename":
                field = execution.schema.get_field_for_type(node.name.value, root)
                found.append(field.metadata if field else {})
        return found or [{}]
