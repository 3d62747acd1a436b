"""Rows of models, and instants, as either database gives and keeps them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import DateTimeField, Model

M = TypeVar("M", bound=Model)


def row_of(model: type[M], columns: Sequence[Any]) -> M:
    """Make a row of a model out of its columns, in their order; times may be text, or without an offset."""
    fields = model._meta.concrete_fields[: len(columns)]
    values = [
        instant_of(value) if isinstance(field, DateTimeField) else value
        for field, value in zip(fields, columns, strict=True)
    ]
    return model.from_db(connection.alias, [field.attname for field in fields], values)


def columns_of(row: Model) -> list[Any]:
    """Give the columns of a row, in their order."""
    return [getattr(row, field.attname) for field in row._meta.concrete_fields]


def instant_of(value: datetime | str | None) -> datetime | None:
    """Read an instant as either database gives it."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value and value.replace(tzinfo=value.tzinfo or UTC)


def as_text(instant: datetime) -> str:
    """Write an instant as SQLite keeps it, always with its fraction, so that texts compare as instants do."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
