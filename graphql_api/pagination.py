"""Relay connections, with cursors that name a position in the order.

So a page does not shift when rows are added.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from django.db.models import Count, F, Model, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from strawberry.relay import PageInfo

from core.errors import Invalid
from graphql_api.loaders import Batch, batch_of

MAX_PAGE_SIZE = 100

_FIRST = f"Rows from the start, 1 to {MAX_PAGE_SIZE}; {MAX_PAGE_SIZE} if left out."
_LAST = f"Rows from the end, 1 to {MAX_PAGE_SIZE}; not with `first`."

First = Annotated[int | None, strawberry.argument(description=_FIRST)]
After = Annotated[str | None, strawberry.argument(description="The cursor to begin after.")]
Last = Annotated[int | None, strawberry.argument(description=_LAST)]
Before = Annotated[str | None, strawberry.argument(description="The cursor to end before.")]

Node = TypeVar("Node")


@strawberry.type(description="A row and its cursor.")
class Edge(Generic[Node]):
    node: Node = strawberry.field(description="The row.")
    cursor: str = strawberry.field(description="Its position, for `after` and `before`.")


@strawberry.type(description="A page of rows.")
class Connection(Generic[Node]):
    rows: strawberry.Private[Sequence[Any]]
    order: strawberry.Private["Order"]
    count: strawberry.Private[Callable[[], int]]
    more_after: strawberry.Private[bool]
    more_before: strawberry.Private[bool]

    @strawberry.field(description="The rows of the page.")
    def nodes(self) -> list[Node]:
        return list(self.rows)

    @strawberry.field(description="The rows of the page, each with its cursor.")
    def edges(self) -> list[Edge[Node]]:
        return [Edge(node=row, cursor=self.order.cursor(row)) for row in self.rows]

    @strawberry.field(description="The cursors of the page, and whether there are others.")
    def page_info(self) -> PageInfo:
        return PageInfo(
            has_next_page=self.more_after,
            has_previous_page=self.more_before,
            start_cursor=self.order.cursor(self.rows[0]) if self.rows else None,
            end_cursor=self.order.cursor(self.rows[-1]) if self.rows else None,
        )

    @strawberry.field(description="Rows on all pages together.")
    def total_count(self) -> int:
        return self.count()


@dataclass(frozen=True)
class Order:
    """By one column and then by id, both in the same direction."""

    column: str
    type: type[str] | type[datetime]
    descending: bool = False

    def sorted(self, rows: QuerySet[Any], *, backwards: bool = False) -> QuerySet[Any]:
        return rows.order_by(*self.expressions(backwards=backwards))

    def expressions(self, *, backwards: bool = False) -> list[Any]:
        down = self.descending != backwards
        return [F(name).desc() if down else F(name).asc() for name in (self.column, "id")]

    def beyond(self, cursor: str, argument: str, *, backwards: bool = False) -> Q:
        """Make the condition of the rows beyond a cursor."""
        value, row_id = self._position(cursor, argument)
        lookup = "lt" if self.descending != backwards else "gt"
        # The first condition follows from the second; an index on the column can use it.
        return Q(**{f"{self.column}__{lookup}e": value}) & (
            Q(**{f"{self.column}__{lookup}": value}) | Q(**{f"id__{lookup}": row_id})
        )

    def cursor(self, row: Any) -> str:
        value = getattr(row, self.column)
        text = value.isoformat() if isinstance(value, datetime) else value
        return base64.urlsafe_b64encode(json.dumps([text, row.pk]).encode()).decode()

    def _position(self, cursor: str, argument: str) -> tuple[str | datetime, int]:
        try:
            text, row_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
            if type(row_id) is not int or not 0 <= row_id < 2**63 or type(text) is not str or "\0" in text:
                raise ValueError(cursor)
            if self.type is str:
                text.encode()
                return text, row_id
            moment = datetime.fromisoformat(text)
            if moment.utcoffset() is None:
                raise ValueError(cursor)
            return moment.astimezone(UTC), row_id
        except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as fault:
            raise Invalid(errors={argument: ["Not a cursor of this list."]}) from fault


@dataclass(frozen=True)
class Page:
    """The arguments of a connection."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            size = getattr(self, name)
            if size is not None and not 1 <= size <= MAX_PAGE_SIZE:
                raise Invalid(errors={name: [f"Give 1 to {MAX_PAGE_SIZE}."]})
        if self.first is not None and self.last is not None:
            raise Invalid(errors={"last": ["Give either first or last."]})

    @property
    def backwards(self) -> bool:
        return self.last is not None

    @property
    def size(self) -> int:
        return self.last or self.first or MAX_PAGE_SIZE

    def within(self, rows: QuerySet[Any], order: Order) -> QuerySet[Any]:
        if self.after is not None:
            rows = rows.filter(order.beyond(self.after, "after"))
        if self.before is not None:
            rows = rows.filter(order.beyond(self.before, "before", backwards=True))
        return rows

    def connection(self, found: Sequence[Any], order: Order, count: Callable[[], int]) -> Connection[Any]:
        """Make the connection of the rows found: the page and one more."""
        more, rows = len(found) > self.size, list(found[: self.size])
        if self.backwards:
            rows.reverse()
            before, after = more, self.before is not None
        else:
            before, after = self.after is not None, more
        return Connection(rows=rows, order=order, count=count, more_before=before, more_after=after)


def connect(rows: QuerySet[Any], order: Order, page: Page) -> Connection[Any]:
    """Make a page of a queryset."""
    found = order.sorted(page.within(rows, order), backwards=page.backwards)[: page.size + 1]
    return page.connection(Batch(found).rows, order, rows.count)


def connect_to(
    parent: Model, relation: str, queryset: Callable[[], QuerySet[Any]], order: Order, page: Page, key: Any
) -> Connection[Any]:
    """Make a page of a parent's related rows, for its whole batch.

    ``key`` has the arguments of the queryset: a parent can have several lists.
    """
    batch = batch_of(parent)

    def related() -> QuerySet[Any]:
        return queryset().filter(**{f"{relation}__in": batch.values("pk")})

    def load() -> dict[Any, list[Any]]:
        parents = {row.pk: row for row in batch.rows}
        lists: dict[Any, list[Any]] = {number: [] for number in parents}
        for row in Batch(_first_of_each(page.within(related(), order), relation, order, page, len(parents))).rows:
            number = getattr(row, f"{relation}_id")
            setattr(row, relation, parents[number])
            lists[number].append(row)
        return lists

    def count() -> dict[Any, int]:
        return dict(related().order_by().values_list(relation).annotate(total=Count("*")))

    found = batch.load_once((relation, key, page), load)[parent.pk]
    return page.connection(found, order, lambda: batch.load_once((relation, key, "count"), count).get(parent.pk, 0))


def _first_of_each(rows: QuerySet[Any], relation: str, order: Order, page: Page, parents: int) -> QuerySet[Any]:
    """Limit each parent's rows to the page and one more."""
    if parents == 1:
        return order.sorted(rows, backwards=page.backwards)[: page.size + 1]
    position = Window(RowNumber(), partition_by=F(relation), order_by=order.expressions(backwards=page.backwards))
    return rows.annotate(_position=position).filter(_position__lte=page.size + 1).order_by("_position")
