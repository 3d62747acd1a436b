"""Serializers that are quick enough for lists: shared fields, and output read straight from columns."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework import serializers


class ColumnListSerializer(serializers.ListSerializer[Any]):
    """Serializes a queryset from its columns, joined rows included, without making model instances."""

    child: "FastSerializer"

    def to_representation(self, data: Any) -> list[dict[str, Any]]:
        if not isinstance(data, QuerySet):
            return [self.child.to_representation(row) for row in data]
        return [self.child.from_columns(iter(row)) for row in data.values_list(*self.child.columns())]


class FastSerializer(serializers.Serializer[Any]):
    """A serializer whose fields are made once, and whose output is not converted field by field.

    Copying the fields for each request, and asking each for its representation, takes longer than the rest of an
    answer. Fields hold nothing of a request, so that one set serves all; the renderer writes the values.
    """

    @property
    def fields(self) -> Any:
        return _fields(type(self), self.partial)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            name: nested.to_representation(getattr(instance, name)) if nested else getattr(instance, name)
            for name, nested in _outputs(type(self))
        }

    def columns(self, prefix: str = "") -> Iterator[str]:
        """Name the columns of the output, in its order, those of nested serializers by their joins."""
        for name, nested in _outputs(type(self)):
            yield from nested.columns(f"{prefix}{name}__") if nested else [prefix + name]

    def from_columns(self, values: Iterator[Any]) -> dict[str, Any]:
        """Make the output of the values of ``columns``."""
        return {name: nested.from_columns(values) if nested else next(values) for name, nested in _outputs(type(self))}

    class Meta:
        list_serializer_class = ColumnListSerializer


class QuerySerializer(FastSerializer):
    """Validates a query string: a parameter that is unknown, or given twice, is refused."""

    def to_internal_value(self, data: QueryDict) -> Any:
        given = dict(data.lists())
        if repeated := [name for name, values in given.items() if name in self.fields and len(values) > 1]:
            raise serializers.ValidationError({name: ["Give it once."] for name in repeated})
        if unknown := given.keys() - self.fields.keys():
            raise serializers.ValidationError({name: ["There is no such parameter."] for name in sorted(unknown)})
        return super().to_internal_value({name: values[-1] for name, values in given.items()})


@functools.cache
def _fields(serializer: Callable[..., Any], partial: bool) -> Any:
    return super(FastSerializer, serializer(partial=partial)).fields


@functools.cache
def _outputs(serializer: Callable[..., Any]) -> list[tuple[str, Any]]:
    """Name the fields that are written, each with its nested serializer if it is one."""
    return [
        (name, field if isinstance(field, serializers.BaseSerializer) else None)
        for name, field in _fields(serializer, False).items()
        if not field.write_only
    ]
