"""The subscription, as server-sent events.

The protocol is GraphQL over SSE with one connection for each. A subscription begins in a thread, as a query does: it is
executed once, for its arguments. Then core.server.streams has the connection, and reservations.live gives what has
changed. A change is rendered once for all clients that sent the same text: the text is executed again, with the change
as its root value.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
import strawberry
from django.http import HttpRequest, HttpResponse
from graphql import GraphQLError
from rest_framework.exceptions import NotAcceptable
from strawberry import argument
from strawberry.schema.base import BaseSchema

from catalog.models import MAX_SEATS
from core.server.streams import EventStream, can_stream
from graphql_api.context import Context, Info, Operation
from graphql_api.global_ids import number_of
from graphql_api.limits import cost
from graphql_api.types.seats import SeatStatus
from reservations import live
from reservations.seat_map import SeatMap

EVENTS = "text/event-stream"
MAX_TEXT_LENGTH = 6000  # characters; the longest version of a map has some 4,700
COMPLETE = b"event: complete\ndata:\n\n"


# --- Types -----------------------------------------------------------------------------------


@strawberry.type(description="A seat whose state has changed.")
class ChangedSeat:
    seat_number: int = strawberry.field(description="Its number; 1 to the show's number of seats.")
    label: str = strawberry.field(description="Its row and its place there, as B7.")
    status: SeatStatus = strawberry.field(description="What it is now.")


@strawberry.type(description="What has changed on the seats of a show.")
class SeatMapChange:
    version: str = strawberry.field(description="The version of the seat map that these changes lead to.")
    seats: list[ChangedSeat] = strawberry.field(
        description="The seats that have changed, as they are now.", metadata=cost(items=MAX_SEATS)
    )


@strawberry.type
class Subscription:
    # A plain field, as the library serves its subscriptions in async views alone.
    @strawberry.field(
        description="What changes on the seats of a show. The first event comes at once: all seats, or those that have "
        "changed since a version, so that a client which subscribes again with its last version misses nothing. The "
        "token is optional; when it expires, the stream ends."
    )
    def seat_map_changed(
        self,
        info: Info,
        show_id: Annotated[strawberry.ID, argument(description="The show's global `id`.")],
        since: Annotated[
            str | None, argument(description="The `version` of a seat map, or of an earlier event.")
        ] = None,
    ) -> SeatMapChange:
        change: Any = self  # the root value; None when the subscription begins
        if change is None:
            info.context.subscription = (number_of(show_id, "Show"), since)  # whose stream is the answer
            return SeatMapChange(version="", seats=[])
        return change  # type: ignore[no-any-return]


# --- Events ----------------------------------------------------------------------------------


def respond(request: HttpRequest, context: Context, schema: BaseSchema) -> EventStream:
    """Begin the stream of a subscription that was executed once.

    :raises NotAcceptable: the client accepts no events, or the server can't stream.
    :raises GraphQLError: its text or its variables are too long.
    :raises NotFound: there is no such show.
    :raises Invalid: ``since`` is no version of a map.
    :raises Overloaded: the show is watched with too many different texts.
    :raises DatabaseUnavailable: the database does not answer.
    """
    if EVENTS not in request.headers.get("Accept", "").lower():
        raise NotAcceptable(f"A subscription is answered with events: send Accept: {EVENTS}.")
    if not can_stream(request):  # behind a WSGI server
        raise NotAcceptable("Subscriptions are not served here.")
    assert context.subscription
    show_id, since = context.subscription
    query, variables = context.operation.query, json.dumps(context.operation.variables, sort_keys=True, default=repr)
    if len(query) > MAX_TEXT_LENGTH or len(variables) > MAX_TEXT_LENGTH:  # each stream has them
        message = f"The text of a subscription and its variables may have {MAX_TEXT_LENGTH} characters each."
        raise GraphQLError(message, extensions={"code": "limit_exceeded"})
    text = (query, context.operation.name, variables if "@" in query else "")
    subscription = live.subscribe(show_id=show_id, since=since, render=Renderer(schema, context.operation, text))
    until = context.bearer.until if context.bearer else None
    return EventStream(subscription.first, subscription, last=COMPLETE, until=until)


@dataclass(frozen=True)
class Renderer:
    """Renders changes as a subscription selects them.

    Those of equal texts are equal, and share what is rendered. Only directives make a selection depend on variables:
    without any, the variables may differ.
    """

    schema: BaseSchema = field(compare=False)
    operation: Operation = field(compare=False)
    text: tuple[str | None, ...]
    """All that tells apart what is rendered."""

    def __call__(self, seats: SeatMap) -> bytes:
        change = SeatMapChange(version=seats.version, seats=list(seats.seats()))  # type: ignore[arg-type]
        operation = self.operation
        result = self.schema.execute_sync(
            operation.query, operation.variables, root_value=change, operation_name=operation.name
        )
        return event(orjson.dumps({"data": result.data}))


def accepts_only_events(request: HttpRequest) -> bool:
    """Whether a client accepts server-sent events and no JSON."""
    accepted = request.headers.get("Accept", "").lower()
    return EVENTS in accepted and "json" not in accepted and "*/*" not in accepted


def event(content: bytes) -> bytes:
    """Format one result; JSON has no line ends."""
    return b"event: next\ndata: " + content + b"\n\n"


def format_as_events(response: HttpResponse) -> None:
    """Format an answer for a client that accepts nothing but events."""
    response.content = event(response.content) + COMPLETE
    response.headers["Content-Type"] = EVENTS
