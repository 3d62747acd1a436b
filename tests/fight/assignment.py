"""The assignment of rows to the unanswered calls that made them.

A call makes its rows once, all or none. So which call is assigned to one row matters for the others: of "seat 2" and
"the best seat" only the second can have taken seat 1. The search prefers the last call that began before the row was
made, which was on its way then, and tries others if a row is left without a call. It is bounded, as it could go on for
long where rows were made by nobody; then the best assignment so far is taken.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Generic, Protocol, TypeAlias, TypeVar

from tests.fight.history import Call

MOST_TRIES = 1000  # for the rows of one client in one show


class MadeRow(Protocol):
    """A row of the table, and what is known of who made it."""

    @property
    def id(self) -> int: ...
    @property
    def client(self) -> int: ...
    @property
    def show(self) -> int: ...
    @property
    def created(self) -> int: ...


R = TypeVar("R", bound=MadeRow)
MadeBy: TypeAlias = Callable[[Call, R, list[R]], list[R]]
"""Gives which of the rows a call made if it made the first one; none if it can't have made that."""
Assigned: TypeAlias = tuple[Call | None, list[R]]
"""A call and all the rows that it made, or None and a row that no call made."""


def assign(
    rows: Iterable[R],
    calls: list[Call],
    made_by: MadeBy[R],
    *,
    optional: Collection[int] = (),
) -> Iterator[Assigned[R]]:
    """Assign each row to a call; leave as few as possible without one.

    Optional rows are not counted, as a call with an answer may have made them. They are assigned to a call only if it
    made other rows with them.
    """
    rows_of: dict[tuple[int, int], list[R]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.created):
        rows_of[row.client, row.show].append(row)
    for client, own_rows in rows_of.items():
        own_calls = [call for call in calls if (call.client, call.show) == client]
        yield from _Search(made_by, optional).best_for(own_rows, own_calls)


class _Search(Generic[R]):
    def __init__(self, made_by: MadeBy[R], optional: Collection[int]) -> None:
        self.made_by = made_by
        self.optional = optional
        self.best: list[Assigned[R]] | None = None
        self.fewest_missing = 0
        self.tries_left = MOST_TRIES

    def best_for(self, rows: list[R], calls: list[Call]) -> list[Assigned[R]]:
        self._try(rows, calls, [], 0)
        return self.best or []

    def _try(self, rows: list[R], calls: list[Call], assigned: list[Assigned[R]], missing: int) -> None:
        """Assign the rows that are left to the calls that are left."""
        if self.best is not None and (missing >= self.fewest_missing or self.tries_left <= 0):
            return
        self.tries_left -= 1
        if not rows:
            self.best, self.fewest_missing = assigned, missing
            return
        row = rows[0]
        likeliest = sorted(calls, key=lambda call: (call.start > row.created, -call.start))
        choices: list[Assigned[R]] = [(call, made) for call in likeliest if (made := self.made_by(call, row, rows))]
        choices.insert(0 if row.id in self.optional else len(choices), (None, [row]))
        for call, made in choices:
            other_rows = [other for other in rows if other not in made]
            other_calls = [other for other in calls if other is not call]
            is_missing = call is None and row.id not in self.optional
            self._try(other_rows, other_calls, [*assigned, (call, made)], missing + is_missing)
