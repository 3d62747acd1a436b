"""What can be watched, and how it is told: server-sent events, by the GraphQL-over-SSE protocol, a connection each.

A subscription is set up as a query is answered; core.server.streams holds it, reservations.live tells what has
changed. A change is put into words here, once for all who have asked with the same text.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

import orjson
import strawberry
from django.http import HttpResponse
from graphql import GraphQLError, OperationDefinitionNode, OperationType, print_ast

from core.server.streams import EventStream
from graphql_api.documents import Document
from graphql_api.global_ids import number_of
from graphql_api.seats import SeatStatus
from reservations import live
from reservations.seat_map import SeatChanges

if TYPE_CHECKING:
    from graphql_api.schema import Graph

EVENTS = "text/event-stream"
LONGEST_TEXT = 2000  # characters
COMPLETE = b"event: complete\ndata:\n\n"


# --- What can be watched ---------------------------------------------------------------------


@strawberry.type(description="A seat that is another than it was.")
class ChangedSeat:
    seat_number: int = strawberry.field(description="Its number; 1 to the show's number of seats.")
    label: str = strawberry.field(description="Its row and its place there, as B7.")
    status: SeatStatus = strawberry.field(description="What it is now.")


@strawberry.type(description="What has changed on the seats of a show.")
class SeatMapChange:
    version: str = strawberry.field(description="The version of the seat map that these changes lead to.")
    seats: list[ChangedSeat] = strawberry.field(description="The seats that have changed, as they are now.")


class Watched(AsyncIterator[SeatMapChange]):
    """What a subscription asks to watch. The library wants to go through it; here the hub tells what comes."""

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
        return cast(AsyncGenerator[SeatMapChange, None], Watched(number_of(show_id, "Show"), since))


# --- How it is told --------------------------------------------------------------------------


def is_subscription(document: Document, operation_name: str | None) -> bool:
    """Tell whether what is to be executed is a subscription."""
    return any(
        operation.operation is OperationType.SUBSCRIPTION and operation_name in (None, _name_of(operation))
        for operation in document.operations
    )


def _name_of(operation: OperationDefinitionNode) -> str | None:
    return operation.name.value if operation.name else None


@dataclass(frozen=True)
class Watch:
    """What a subscription asks for: which seats, since when, and how it wants to be told."""

    watched: Watched
    wording: "Wording"

    def begin(self, *, until: float | None) -> EventStream:
        """Begin to tell what changes, until the token runs out.

        :raises NotFound: there is no such show.
        :raises Invalid: the version is none, or one that is still to come.
        :raises DatabaseUnavailable: the database does not answer.
        """
        subscription = live.subscribe(show_id=self.watched.show_id, since=self.watched.since, words=self.wording)
        try:
            return EventStream(subscription.first, subscription, last=COMPLETE, until=until)
        except Exception:
            subscription.close()
            raise


@dataclass(frozen=True)
class Wording:
    """How a subscription wants to be told: what it selects of a change.

    Of all that a text can hold, directives alone make a selection depend on the variables; so most who watch a show,
    with versions of their own, are told the same.
    """

    graph: "Graph" = field(compare=False, repr=False)
    document: Document = field(compare=False, repr=False)
    variables: dict[str, Any] | None = field(compare=False, repr=False)
    text: str
    given: str

    def __call__(self, changes: SeatChanges) -> bytes:
        result = self.graph.tell(self.document, changes, self.variables)
        return event(orjson.dumps({"data": result.data}))


def wording_of(graph: "Graph", document: Document, variables: dict[str, Any] | None) -> Wording:
    """Give the wording that a subscription asks for. It is kept for as long as somebody watches, so it has to be small.

    :raises GraphQLError: the subscription is not alone in its document, or the text is too long.
    """
    text = print_ast(document.node)  # without comments and layout, of which there can be as many as there are clients
    if len(document.operations) > 1 or len(text) > LONGEST_TEXT:
        words = f"A subscription comes alone, in at most {LONGEST_TEXT} characters."
        raise GraphQLError(words, extensions={"code": "limit_exceeded"})
    declared = {node.variable.name.value for node in document.operations[0].variable_definitions or ()}
    kept = {name: value for name, value in (variables or {}).items() if name in declared}
    given = json.dumps(kept, sort_keys=True, default=repr)
    if len(given) > LONGEST_TEXT:
        raise GraphQLError("The variables are too long.", extensions={"code": "limit_exceeded"})
    return Wording(graph, document, kept, text, given if "@" in text else "")


def event(content: bytes) -> bytes:
    """Tell one result; JSON has no line ends."""
    return b"event: next\ndata: " + content + b"\n\n"


def as_only_event(response: HttpResponse) -> HttpResponse:
    """Answer a query or a mutation to a client who reads nothing but events."""
    response.content = event(response.content) + COMPLETE
    response.headers["Content-Type"] = EVENTS
    return response
