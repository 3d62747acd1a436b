"""Serializers that are quick enough for lists: shared fields, and output read straight from columns."""

import functools
from collections.abc import Callable, Sequence
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
        return [self.child.from_columns(row) for row in data.values_list(*self.child.columns())]


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

    def columns(self, prefix: str = "") -> list[str]:
        """Name the columns of the output: its own, then by their joins those of nested serializers."""
        names = [prefix + name for name, _ in _outputs(type(self))]
        for name, nested in _outputs(type(self)):
            names += nested.columns(f"{prefix}{name}__") if nested else ()
        return names

    def from_columns(self, row: Sequence[Any]) -> dict[str, Any]:
        """Make the output of the values of ``columns``; nested output takes the place of its row's id."""
        names, nested_columns = _layout(type(self))
        data = dict(zip(names, row, strict=False))
        for name, nested, columns in nested_columns:
            data[name] = nested.from_columns(row[columns])
        return data

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


@functools.cache
def _layout(serializer: Callable[..., Any]) -> tuple[list[str], list[tuple[str, Any, slice]]]:
    """Name the fields that are written, and tell which columns of a row are those of nested serializers."""
    names, nested_columns = [name for name, _ in _outputs(serializer)], []
    start = len(names)
    for name, nested in _outputs(serializer):
        if nested:
            end = start + len(nested.columns())
            nested_columns.append((name, nested, slice(start, end)))
            start = end
    return names, nested_columns
