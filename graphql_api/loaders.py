"""Rows that were loaded together ask together.

Where a field of one row needs more from the database, it is loaded for all rows of its list at once, and kept with
them. So the number of statements depends on the fields that a query names, never on the length of its lists,
at any depth: what is loaded for a list is a list of peers again, also where it belongs to many parents.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar, cast

from django.db.models import Model

T = TypeVar("T")
M = TypeVar("M", bound=Model)


class Peers(Generic[M]):
    """The rows of one list, and what has been loaded for them."""

    def __init__(self, rows: Iterable[M]) -> None:
        self.rows = list(rows)
        self._loaded: dict[Hashable, Any] = {}
        self._failed: dict[Hashable, Exception] = {}
        for row in self.rows:
            row.__dict__["_peers"] = self

    def once(self, key: Hashable, load: Callable[[], T]) -> T:
        """Give what was loaded under this key, loading it the first time; what failed is not tried again."""
        if key in self._failed:
            raise self._failed[key]
        if key not in self._loaded:
            try:
                self._loaded[key] = load()
            except Exception as fault:
                self._failed[key] = fault
                raise
        return cast(T, self._loaded[key])

    def values(self, field: str) -> set[Any]:
        """Collect one column of the rows."""
        return {getattr(row, field) for row in self.rows}


def peers_of(row: M) -> Peers[M]:
    """Find the list that a row was loaded with; a row that came alone is its only peer."""
    peers: Peers[M] | None = row.__dict__.get("_peers")
    return peers if peers is not None else Peers([row])


def load_related(rows: Iterable[M], name: str) -> None:
    """Load a foreign key of rows and of all their peers, in one statement for those that were loaded together."""
    for row in rows:
        if name not in row._state.fields_cache:
            _load_related(peers_of(row), name)


def _load_related(peers: Peers[M], name: str) -> None:
    field = peers.rows[0]._meta.get_field(name)
    model = cast(type[Model], field.related_model)
    number = f"{name}_id"
    found = {row.pk: row for row in Peers(model._default_manager.filter(pk__in=peers.values(number))).rows}
    for row in peers.rows:
        row._state.fields_cache.setdefault(name, found[getattr(row, number)])
