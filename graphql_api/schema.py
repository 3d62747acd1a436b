"""The schema of the graph, and its extensions."""

from collections.abc import Iterator, Sequence

import strawberry
from django.conf import settings
from graphql import GraphQLError, get_operation_ast
from strawberry.extensions import DisableIntrospection, MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from graphql_api.context import root_fields_of
from graphql_api.errors import EXCEPTION_HANDLERS, log_internal_error
from graphql_api.executor import ListExecutor
from graphql_api.limits import MAX_TOKENS, check_size
from graphql_api.movie_cache import MovieCache
from graphql_api.mutations import Mutation
from graphql_api.queries import Query
from graphql_api.subscriptions import Subscription


class RequestCheck(SchemaExtension):
    """Refuses a request that is too large, or has an invalid token."""

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        if execution.root_value is None:  # else an event of a subscription, which was checked when it began
            assert execution.graphql_document
            operation = get_operation_ast(execution.graphql_document, execution.context.operation.name)
            if operation is None:
                raise GraphQLError("There are several operations: name one in operationName.")
            check_size(operation, execution)
            execution.context.root_fields = root_fields_of(operation)
            execution.context.check_token(operation.operation)
        yield


class Schema(strawberry.Schema):
    """The schema, which logs internal errors alone."""

    def process_errors(self, errors: Sequence[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        for error in errors:
            log_internal_error(error)


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[
        lambda: MaxTokensLimiter(MAX_TOKENS),
        *([] if settings.DEBUG else [DisableIntrospection]),
        ParserCache,
        ValidationCache,
        RequestCheck,
        MovieCache,
    ],
    exception_handlers=EXCEPTION_HANDLERS,
    execution_context_class=ListExecutor,
    config=StrawberryConfig(disable_field_suggestions=not settings.DEBUG),
)
