"""The graph: what can be asked, and how it is answered. What can be done is in graphql_api.mutations."""

from collections.abc import Callable
from typing import Annotated, Any, cast

import strawberry
from django.conf import settings
from django.db.models import QuerySet
from graphql import ExecutionResult, create_source_event_stream, execute
from graphql.execution.execute import assume_not_async_iterable, assume_not_awaitable
from strawberry import relay

from catalog import models as catalog
from core.models import User
from graphql_api import types
from graphql_api.context import Context, Info
from graphql_api.documents import Document, read
from graphql_api.errors import REFUSALS_AS_DATA
from graphql_api.executor.context import Executor
from graphql_api.global_ids import number_of, parts_of
from graphql_api.kept import answer_kept
from graphql_api.mutations import Mutation
from graphql_api.pagination import After, Before, Connection, First, Last, Page, connect
from graphql_api.subscriptions import Renderer, Subscription, Watch, is_subscription, renderer_of
from reservations import models as reservations

GlobalId = Annotated[strawberry.ID, strawberry.argument(description="A global `id`.")]


@strawberry.type
class Query:
    @strawberry.field(description="The account that the token speaks for; null without a token.")
    def me(self, info: Info) -> types.User | None:
        return info.context.account  # type: ignore[return-value]

    @strawberry.field(description="The films, by title.")
    def movies(
        self,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Annotated[
            str | None, strawberry.argument(description="Films whose title contains this, without regard to case.")
        ] = None,
    ) -> Connection[types.Movie]:
        page = Page(first=first, after=after, last=last, before=before)
        return connect(catalog.Movie.objects.search(search or ""), types.BY_TITLE, page)

    @strawberry.field(description="One film; null if there is none of this id.")
    def movie(self, id: GlobalId) -> types.Movie | None:
        return _find(id, "Movie", None)  # type: ignore[return-value]

    @strawberry.field(description="One show; null if there is none of this id.")
    def show(self, id: GlobalId) -> types.Show | None:
        return _find(id, "Show", None)  # type: ignore[return-value]

    @strawberry.field(description="One's own bookings, newest first. Needs a token.")
    def my_bookings(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        status: Annotated[
            types.BookingStatus | None,  # type: ignore[valid-type]
            strawberry.argument(description="Bookings of this status."),
        ] = None,
        upcoming: Annotated[
            bool | None,
            strawberry.argument(description="true: of shows that have not begun; false: of shows that have."),
        ] = None,
    ) -> Connection[types.Booking]:
        bookings = reservations.Booking.objects.filter(user=info.context.bearer_or_refuse().pk)
        bookings = bookings.with_status(status).upcoming(upcoming)
        return connect(bookings, types.NEWEST_FIRST, Page(first=first, after=after))

    @strawberry.field(
        description="One's own holds that can be confirmed, in the order in which they were made. Needs a token."
    )
    def my_holds(self, info: Info, first: First = None, after: After = None) -> Connection[types.Hold]:
        holds = reservations.Hold.objects.filter(user=info.context.bearer_or_refuse().pk).live()
        return connect(holds, types.OLDEST_FIRST, Page(first=first, after=after))

    @strawberry.field(
        description="Anything by its global id; null if there is none, if it is somebody else's booking, hold or "
        "account, or a hold that is over."
    )
    def node(self, info: Info, id: GlobalId) -> relay.Node | None:
        return _find(id, parts_of(id)[0], info.context.account)  # type: ignore[return-value]


def _find(global_id: str, type_name: str, account: User | None) -> Any:
    """Find what a global id names, among what this account may see."""
    seen: dict[str, Callable[[], QuerySet[Any]]] = {
        "Movie": catalog.Movie.objects.all,
        "Show": catalog.Show.objects.all,
        "Booking": lambda: reservations.Booking.objects.filter(user=account),
        "Hold": lambda: reservations.Hold.objects.filter(user=account).live(),
        "User": lambda: User.objects.filter(pk=account.pk) if account else User.objects.none(),
    }
    if type_name not in seen:
        return None
    return seen[type_name]().filter(pk=number_of(global_id, type_name)).first()


class Graph(strawberry.Schema):
    """The schema, and how it is asked."""

    def __init__(self, *, development: bool) -> None:
        super().__init__(query=Query, mutation=Mutation, subscription=Subscription, exception_handlers=REFUSALS_AS_DATA)
        # In production nobody is told what the schema has: no introspection, no suggestions.
        self._development = development

    def ask(
        self, query: str, variables: dict[str, Any] | None, context: Context, operation_name: str | None
    ) -> ExecutionResult | Watch:
        """Answer a query, do a mutation, or tell what a subscription wants to watch.

        The library's own way from a text to an answer goes through extensions, which are made anew and asked five
        times a request; the steps here are the same.

        :raises GraphQLError: it can't be parsed, or asks for too much.
        :raises TokenNotValid, AccountInactive: the token does not hold.
        """
        document = read(self._schema, query, introspection=self._development)
        if document.faults:
            return ExecutionResult(data=None, errors=[*document.faults])
        document.refuse_oversized(variables or {}, operation_name)
        context.refuse_token_that_does_not_hold(document.root_fields)
        if is_subscription(document, operation_name):
            return self._watch(renderer_of(self, document, variables), variables, context)

        def answered() -> ExecutionResult:
            return self._execute(document, variables, context, operation_name)

        if document.films_alone:
            return answer_kept(query, operation_name, variables, answered)
        return answered()

    def _watch(self, renderer: Renderer, variables: dict[str, Any] | None, context: Context) -> ExecutionResult | Watch:
        executor = Executor.build(
            self._schema,
            renderer.document.node,
            context_value=context,
            raw_variable_values=variables,
            is_awaitable=assume_not_awaitable,
            hide_suggestions=not self._development,
        )
        if isinstance(executor, list):
            return ExecutionResult(data=None, errors=executor)
        arguments: Any = create_source_event_stream(executor)
        return arguments if isinstance(arguments, ExecutionResult) else Watch(arguments, renderer)

    def execute_event(self, document: Document, event: object, variables: dict[str, Any] | None) -> ExecutionResult:
        """Execute a subscription's text for one event."""
        return self._execute(document, variables, None, None, event)

    def _execute(
        self,
        document: Document,
        variables: dict[str, Any] | None,
        context: Context | None,
        operation_name: str | None,
        event: object = None,
    ) -> ExecutionResult:
        result = execute(
            self._schema,
            document.node,
            event,
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
            executor_class=Executor,
            plans=document.plans,
            hide_suggestions=not self._development,
            is_awaitable=assume_not_awaitable,
            is_async_iterable=assume_not_async_iterable,
        )
        return cast(ExecutionResult, result)


schema = Graph(development=settings.DEBUG)
