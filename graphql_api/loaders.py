"""Batched loading: what one row needs is loaded for its whole list.

So the number of SQL statements follows from the fields of a query and never from the length of its lists, at any
depth: rows that are loaded for a list form a list again, also where they belong to many parents.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import Any

import strawberry_django
from django.db.models import prefetch_related_objects
from strawberry_django.fields.field import StrawberryDjangoField


class Batch:
    """Rows that were loaded together, with what was loaded for them."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self.rows = list(rows)
        self._loaded: dict[Hashable, tuple[Any, Exception | None]] = {}
        for row in self.rows:
            row.__dict__["_batch"] = self

    def load_once(self, key: Hashable, load: Callable[[], Any]) -> Any:
        """Call ``load`` once; then give its result, or raise its error again."""
        if key not in self._loaded:
            try:
                self._loaded[key] = load(), None
            except Exception as error:
                self._loaded[key] = None, error
        result, fault = self._loaded[key]
        if fault:
            raise fault
        return result


def batch_of(row: Any) -> Batch:
    """Return the batch of a row; one loaded alone is its own."""
    return row.__dict__.get("_batch") or Batch([row])


def batched_field(load: Callable[[Batch], None], *, description: str, metadata: Mapping[Any, Any] | None = None) -> Any:
    """A field whose attribute ``load`` sets on the rows of a batch."""
    return strawberry_django.field(
        field_cls=RowField, description=description, metadata={"load": load, **(metadata or {})}
    )


class RowField(StrawberryDjangoField):
    """A field that reads an attribute of its row.

    The attribute is loaded for the whole batch of the row, if need be. The library would build ``Info`` and arguments
    and look the attribute up in the model, for each value.
    """

    @property
    def is_basic_field(self) -> bool:
        return not self.base_resolver and not self.extensions

    @cached_property
    def read(self) -> Callable[[Any], Any]:
        """What reads it from a row."""
        get, load = attrgetter(self.django_name or self.python_name), self.metadata.get("load")
        if load is None:
            return get

        def load_and_get(row: Any) -> Any:
            batch = batch_of(row)
            batch.load_once(load, lambda: load(batch))
            return get(row)

        return load_and_get

    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        return self.read(source)


def load_related(batch: Batch, name: str) -> None:
    """Load a foreign key of the rows of a batch."""
    prefetch_related_objects(batch.rows, name)  # does nothing where select_related() has loaded it
    related = {id(row): row for row in (getattr(row, name) for row in batch.rows)}
    # Rows on the way back to a parent are in a batch already, and what was loaded for it can be used again.
    Batch(row for row in related.values() if "_batch" not in row.__dict__)
