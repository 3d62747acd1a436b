"""Serializers for long lists: shared fields, and output straight from columns."""

import functools
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework import serializers


class ColumnListSerializer(serializers.ListSerializer[Any]):
    """Serializes a queryset from its columns, with one statement a nested serializer."""

    child: "FastSerializer"

    def to_representation(self, data: Any) -> list[dict[str, Any]]:
        if not isinstance(data, QuerySet):
            return [self.child.to_representation(row) for row in data]
        outputs = _outputs(type(self.child))
        rows = list(data.values(*(name for name, _ in outputs)))  # of a foreign key, the id
        for name, nested in outputs:
            if nested:
                related = nested.get_queryset().filter(pk__in={row[name] for row in rows}).order_by()
                by_id = {row["id"]: row for row in type(nested)(related, many=True).data}
                # A row whose nested row was deleted between the two statements is gone as well.
                rows = [row | {name: by_id[row[name]]} for row in rows if row[name] in by_id]
        return rows


class FastSerializer(serializers.Serializer[Any]):
    """A serializer with shared fields, whose output is not converted by field.

    Copying the fields for each request, and asking each for its representation, takes longer than the rest of an
    answer. Fields hold nothing of a request, so that one set serves all; the renderer writes the values.
    """

    class Meta:
        list_serializer_class = ColumnListSerializer

    @property
    def fields(self) -> Any:
        return _fields(type(self), self.partial)

    @staticmethod
    def get_queryset() -> QuerySet[Any]:
        """Give the rows to read where it is nested in a list."""
        raise NotImplementedError

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            name: nested.to_representation(getattr(instance, name)) if nested else getattr(instance, name)
            for name, nested in _outputs(type(self))
        }


class QuerySerializer(FastSerializer):
    """Validates a query string; unknown or repeated parameters are refused."""

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
    """List the output fields, each with its nested serializer or None."""
    return [
        (name, field if isinstance(field, serializers.BaseSerializer) else None)
        for name, field in _fields(serializer, False).items()
        if not field.write_only
    ]
