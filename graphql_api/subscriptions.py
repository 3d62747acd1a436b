"""The subscription: its types, and server-sent events by the GraphQL-over-SSE protocol, one connection each.

Strawberry serves subscriptions in its async views alone. Here a subscription is set up in a thread, as a query is
answered: core.server.streams keeps the connection, and reservations.live gives what has changed. A change is rendered
once for all who have sent the same text, by executing it with the change as its root value.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import orjson
import strawberry
from django.http import HttpRequest, HttpResponse
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, create_source_event_stream, print_ast
from graphql.execution.execute import assume_not_awaitable
from strawberry.schema.base import BaseSchema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext

from catalog.models import MAX_SEATS
from core.server.streams import EventStream, can_stream
from graphql_api.errors import HTTPRefusal
from graphql_api.global_ids import number_of
from graphql_api.limits import list_size
from graphql_api.types.seats import SeatStatus
from reservations import live
from reservations.seat_map import SeatMap

EVENTS = "text/event-stream"
LONGEST_TEXT = 6000  # characters; the longest version of a map has some 4,700
COMPLETE = b"event: complete\ndata:\n\n"


# --- Types -----------------------------------------------------------------------------------


@strawberry.type(description="A seat that is another than it was.")
class ChangedSeat:
    seat_number: int = strawberry.field(description="Its number; 1 to the show's number of seats.")
    label: str = strawberry.field(description="Its row and its place there, as B7.")
    status: SeatStatus = strawberry.field(description="What it is now.")


@strawberry.type(description="What has changed on the seats of a show.")
class SeatMapChange:
    version: str = strawberry.field(description="The version of the seat map that these changes lead to.")
    seats: list[ChangedSeat] = strawberry.field(
        description="The seats that have changed, as they are now.", metadata=list_size(MAX_SEATS)
    )


class Arguments(AsyncIterator[SeatMapChange]):
    """The arguments of a subscription, as the iterator that the library expects; nobody iterates over it."""

    def __init__(self, show_id: int, since: str | None) -> None:
        self.show_id, self.since = show_id, since

    async def __anext__(self) -> SeatMapChange:
        raise StopAsyncIteration


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="What changes on the seats of a show. The first event comes at once: all seats, or those that have "
        "changed since a version; so whoever comes back with the last version it was told misses nothing. The token "
        "is optional; when it runs out, the stream ends."
    )
    def seat_map_changed(
        self,
        show_id: Annotated[strawberry.ID, strawberry.argument(description="The show's global `id`.")],
        since: Annotated[
            str | None, strawberry.argument(description="The `version` of a seat map, or of an earlier event.")
        ] = None,
    ) -> AsyncGenerator[SeatMapChange, None]:
        return cast(AsyncGenerator[SeatMapChange, None], Arguments(number_of(show_id, "Show"), since))


# --- Events ----------------------------------------------------------------------------------


def respond(execution: ExecutionContext, request: HttpRequest) -> EventStream:
    """Begin the stream of a subscription that the schema has parsed, validated and measured.

    :raises HTTPRefusal: the client accepts no events, or the server can't stream.
    :raises GraphQLError: the subscription is not alone in its document, or its arguments do not fit.
    :raises NotFound: there is no such show.
    :raises Invalid: ``since`` is no version of a map.
    :raises Overloaded: the show is watched with too many different texts.
    :raises DatabaseUnavailable: the database does not answer.
    """
    renderer = renderer_of(execution)
    arguments = _arguments(execution)
    if EVENTS not in _accepted(request):
        raise HTTPRefusal(406, "not_acceptable", f"A subscription is answered with events: send Accept: {EVENTS}.")
    if not can_stream(request):  # behind a WSGI server
        raise HTTPRefusal(406, "not_acceptable", "Subscriptions are not served here.")
    subscription = live.subscribe(show_id=arguments.show_id, since=arguments.since, render=renderer)
    bearer = execution.context.bearer
    return EventStream(subscription.first, subscription, last=COMPLETE, until=bearer.until if bearer else None)


def _arguments(execution: ExecutionContext) -> Arguments:
    assert execution.graphql_document
    executor = StrawberryGraphQLCoreExecutionContext.build(
        execution.schema._schema,
        execution.graphql_document,
        context_value=execution.context,
        raw_variable_values=execution.variables,
        is_awaitable=assume_not_awaitable,
        hide_suggestions=execution.schema.config.disable_field_suggestions,
    )
    if isinstance(executor, list):
        raise executor[0]
    arguments: Any = create_source_event_stream(executor)
    if isinstance(arguments, ExecutionResult):
        raise (arguments.errors or [GraphQLError("There is nothing to watch.")])[0]
    return cast(Arguments, arguments)


def accepts_only_events(request: HttpRequest) -> bool:
    """Whether a client accepts server-sent events and no JSON."""
    accepted = _accepted(request)
    return EVENTS in accepted and "json" not in accepted and "*/*" not in accepted


def _accepted(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_ACCEPT", "")).lower()


@dataclass(frozen=True)
class Renderer:
    """Renders changes as a subscription selects them. Those of equal texts are equal, and share what is rendered.

    Directives are all that makes a selection depend on variables; without them, these may differ.
    """

    schema: BaseSchema = field(compare=False, repr=False)
    query: str = field(compare=False, repr=False)
    variables: dict[str, Any] = field(compare=False, repr=False)
    text: str
    variables_of_directives: str

    def __call__(self, seats: SeatMap) -> bytes:
        change = SeatMapChange(version=seats.version, seats=list(seats.seats()))  # type: ignore[arg-type]
        result = self.schema.execute_sync(self.query, variable_values=self.variables, root_value=change)
        return event(orjson.dumps({"data": result.data}))


def renderer_of(execution: ExecutionContext) -> Renderer:
    """Make the renderer of a subscription. It is kept while the stream lasts, so it has to be small.

    :raises GraphQLError: the subscription is not alone in its document, or the text is too long.
    """
    assert execution.graphql_document
    text = print_ast(execution.graphql_document)  # without comments and layout
    operations = [node for node in execution.graphql_document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) > 1 or len(text) > LONGEST_TEXT:
        message = f"A subscription comes alone, in at most {LONGEST_TEXT} characters."
        raise GraphQLError(message, extensions={"code": "limit_exceeded"})
    declared = {node.variable.name.value for node in operations[0].variable_definitions or ()}
    kept = {name: value for name, value in (execution.variables or {}).items() if name in declared}
    given = json.dumps(kept, sort_keys=True, default=repr)
    if len(given) > LONGEST_TEXT:
        raise GraphQLError("The variables are too long.", extensions={"code": "limit_exceeded"})
    return Renderer(execution.schema, text, kept, text, given if "@" in text else "")


def event(content: bytes) -> bytes:
    """Format one result; JSON has no line ends."""
    return b"event: next\ndata: " + content + b"\n\n"


def as_event_stream(response: HttpResponse) -> HttpResponse:
    """Answer a query or a mutation to a client that accepts nothing but events."""
    response.content = event(response.content) + COMPLETE
    response.headers["Content-Type"] = EVENTS
    return response
