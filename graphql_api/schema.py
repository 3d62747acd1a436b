"""The schema of the graph, and its extensions."""

from collections.abc import Iterator, Sequence

import strawberry
from django.conf import settings
from graphql import GraphQLError
from strawberry.extensions import (
    DisableIntrospection,
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from graphql_api.context import TokenCheck
from graphql_api.errors import EXCEPTION_HANDLERS, log_internal_error
from graphql_api.executor import ListExecutor
from graphql_api.limits import MAX_TOKENS, CostLimiter
from graphql_api.movie_cache import MovieCache
from graphql_api.mutations import Mutation
from graphql_api.queries import Query
from graphql_api.subscriptions import Subscription


class HandOverSubscription(SchemaExtension):
    """Leaves a subscription to the view once it is validated and measured."""

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        if execution.operation_type is OperationType.SUBSCRIPTION and execution.root_value is None:
            execution.context.subscription = execution
            execution.result = ExecutionResult(data=None, errors=None)
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
        # In this order before anything is executed:
        CostLimiter,
        TokenCheck,
        HandOverSubscription,
        MovieCache,
    ],
    exception_handlers=EXCEPTION_HANDLERS,
    execution_context_class=ListExecutor,
    config=StrawberryConfig(disable_field_suggestions=not settings.DEBUG),
)
