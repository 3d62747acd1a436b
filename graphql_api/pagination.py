"""Relay connections, with cursors that name a position in the order.

So a page does not shift when rows are added.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from django.db.models import Count, F, Q, QuerySet, Window
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
    page: strawberry.Private["Page"]
    rows: strawberry.Private[list[Any]]
    has_more: strawberry.Private[bool]
    count: strawberry.Private[Callable[[], int]]

    @strawberry.field(description="The rows of the page.")
    def nodes(self) -> list[Node]:
        return self.rows

    @strawberry.field(description="The rows of the page, each with its cursor.")
    def edges(self) -> list[Edge[Node]]:
        return [Edge(node=row, cursor=self.page.order.cursor(row)) for row in self.rows]

    @strawberry.field(description="The cursors of the page, and whether there are others.")
    def page_info(self) -> PageInfo:
        page, cursor = self.page, self.page.order.cursor
        return PageInfo(
            has_next_page=page.before is not None if page.backwards else self.has_more,
            has_previous_page=self.has_more if page.backwards else page.after is not None,
            start_cursor=cursor(self.rows[0]) if self.rows else None,
            end_cursor=cursor(self.rows[-1]) if self.rows else None,
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

    def cursor(self, row: Any) -> str:
        text = json.dumps([getattr(row, self.column), row.pk], default=datetime.isoformat)
        return base64.urlsafe_b64encode(text.encode()).decode()

    def position(self, cursor: str) -> tuple[str | datetime, int]:
        """Read a cursor.

        :raises ValueError, TypeError, OverflowError, RecursionError: it is not one of this order.
        """
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


@dataclass(frozen=True)
class Page:
    """The order and the arguments of a connection."""

    order: Order
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

    @property
    def ordering(self) -> list[Any]:
        descending = self.order.descending != self.backwards
        return [F(name).desc() if descending else F(name).asc() for name in (self.order.column, "id")]

    def within(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Limit rows to those between the cursors."""
        if self.after is not None:
            rows = rows.filter(self._beyond(self.after, "after", "lt" if self.order.descending else "gt"))
        if self.before is not None:
            rows = rows.filter(self._beyond(self.before, "before", "gt" if self.order.descending else "lt"))
        return rows

    def _beyond(self, cursor: str, argument: str, lookup: str) -> Q:
        try:
            value, row_id = self.order.position(cursor)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Invalid(errors={argument: ["Not a cursor of this list."]}) from error
        # The first condition follows from the second; an index on the column can use it.
        column = self.order.column
        return Q(**{f"{column}__{lookup}e": value}) & (
            Q(**{f"{column}__{lookup}": value}) | Q(**{f"id__{lookup}": row_id})
        )

    def connection(self, found: list[Any], count: Callable[[], int]) -> Connection[Any]:
        """Make the connection of the rows found: the page and one more."""
        rows = found[: self.size]
        if self.backwards:
            rows.reverse()
        return Connection(page=self, rows=rows, has_more=len(found) > self.size, count=count)


def connect(rows: QuerySet[Any], page: Page) -> Connection[Any]:
    """Make a page of a queryset."""
    found = page.within(rows).order_by(*page.ordering)[: page.size + 1]
    return page.connection(Batch(found).rows, rows.count)


def connect_to(
    parent: Any, relation: str, queryset: Callable[[], QuerySet[Any]], page: Page, key: Any
) -> Connection[Any]:
    """Make a page of a parent's related rows, for its whole batch.

    ``key`` has the arguments of the queryset: a parent can have several lists.
    """
    batch = batch_of(parent)

    def related() -> QuerySet[Any]:
        return queryset().filter(**{f"{relation}__in": [row.pk for row in batch.rows]})

    def load() -> dict[Any, list[Any]]:
        parents = {row.pk: row for row in batch.rows}
        lists: dict[Any, list[Any]] = {number: [] for number in parents}
        for row in Batch(_first_of_each(page.within(related()), relation, page, len(parents))).rows:
            number = getattr(row, f"{relation}_id")
            setattr(row, relation, parents[number])
            lists[number].append(row)
        return lists

    def count() -> dict[Any, int]:
        return dict(related().order_by().values_list(relation).annotate(total=Count("*")))

    found = batch.load_once((relation, key, page), load)[parent.pk]
    return page.connection(found, lambda: batch.load_once((relation, key, "count"), count).get(parent.pk, 0))


def _first_of_each(rows: QuerySet[Any], relation: str, page: Page, parents: int) -> QuerySet[Any]:
    """Limit each parent's rows to the page and one more."""
    if parents == 1:
        return rows.order_by(*page.ordering)[: page.size + 1]
    position = Window(RowNumber(), partition_by=F(relation), order_by=page.ordering)
    return rows.annotate(_position=position).filter(_position__lte=page.size + 1).order_by("_position")
