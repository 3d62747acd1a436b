"""Rows are answered column by column.

The library resolves and completes each field of each row by itself, which takes nearly all of a list's time. Here a
field that is an attribute of its row is read for all rows at once. The outcome is the same: what is selected comes from
the library, values are written by the types' own rules, and a value that they may refuse is left to the library, which
tells at which row and field it was.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import attrgetter
from types import NoneType
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    is_non_null_type,
)
from graphql.execution.collect_fields import GroupedFieldSet
from graphql.pyutils import UndefinedType
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from graphql_api.global_ids import global_id

Rows = Sequence[Any]
Load = Callable[[Rows], object]
Write = Callable[[Rows, Any], Sequence[Any]]
"""Turns values into what is answered; the second argument is the library's ``info`` of the list."""


class FallBackToLibrary(Exception):
    """A value that the library has to look at."""


def refuse_odd(kinds: set[type]) -> None:
    """Refuse values of classes that mean something else than a value."""
    if any(issubclass(kind, Exception | UndefinedType) for kind in kinds):
        raise FallBackToLibrary


# --- What a field is --------------------------------------------------------------------------


_LOADED_BY = "loaded by"


def loaded_by(load: Load) -> dict[str, Load]:
    """Mark a field as an attribute of the same name, there once ``load`` was called with the rows."""
    return {_LOADED_BY: load}


@dataclass(frozen=True)
class Attribute:
    """What a field reads of a row."""

    name: str
    load: Load | None = None


GLOBAL_ID = Attribute("pk")


def attribute_of(field: GraphQLField) -> Attribute | None:
    """Tell which attribute a field is; None where a resolver has to be asked."""
    definition: StrawberryField | None = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if definition is None:
        return None
    if _LOADED_BY in definition.metadata:
        return Attribute(definition.python_name, definition.metadata[_LOADED_BY])
    if definition.python_name == "_id":  # what the library calls the id of its interface Node
        return GLOBAL_ID
    if not definition.base_resolver and not definition.extensions:
        return Attribute(getattr(definition, "django_name", None) or definition.python_name)
    return None


# --- What is written --------------------------------------------------------------------------


# Values of exactly this class are answered as they are.
_AS_THEY_ARE: dict[str, type] = {
    GraphQLString.name: str,
    GraphQLID.name: str,
    GraphQLInt.name: int,
    GraphQLBoolean.name: bool,
}
_INTEGERS = range(-(2**31), 2**31)


def write_leaves(type_: GraphQLLeafType) -> Write:
    """Write values of a scalar or an enum."""
    one, same = type_.coerce_output_value, {_AS_THEY_ARE.get(type_.name)}

    def write(values: Rows, info: Any) -> Sequence[Any]:
        kinds = {*map(type, values)}
        if kinds == same:
            if type_.name == GraphQLInt.name and not (min(values) in _INTEGERS and max(values) in _INTEGERS):
                raise FallBackToLibrary
            return values
        refuse_odd(kinds)
        if isinstance(type_, GraphQLEnumType):
            names = {value: one(value) for value in {*values}}
            return [names[value] for value in values]
        written = [*map(one, values)]
        if not {NoneType, UndefinedType}.isdisjoint(map(type, written)):
            raise FallBackToLibrary
        return written

    return write


def write_global_ids(type_: GraphQLObjectType) -> Write:
    return lambda values, info: [global_id(type_.name, value) for value in values]


def write_each_once(write: Write) -> Write:
    """Write rows of which some may be the same, such as the film of many shows."""

    def write_once(rows: Rows, info: Any) -> Sequence[Any]:
        different = {id(row): row for row in rows}
        written = dict(zip(different, write([*different.values()], info), strict=True))
        return [written[id(row)] for row in rows]

    return write_once


def write_lists(write: Write) -> Write:
    """Write lists, one a row, by what writes all that are in them at once."""

    def write_all(lists: Rows, info: Any) -> Sequence[Any]:
        if {*map(type, lists)} != {list}:
            raise FallBackToLibrary
        written = iter(write([*chain.from_iterable(lists)], info))
        return [[*islice(written, len(each))] for each in lists]

    return write_all


def write_nulls(write: Write, type_: GraphQLOutputType) -> Write:
    """Write null for None, where the type has it."""

    def write_all(values: Rows, info: Any) -> Sequence[Any]:
        if NoneType not in {*map(type, values)}:
            return write(values, info)
        if is_non_null_type(type_):
            raise FallBackToLibrary
        written = iter(write([value for value in values if value is not None], info))
        return [None if value is None else next(written) for value in values]

    return write_all


# --- Columns and rows -------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One field that is selected."""

    attribute: Attribute
    write: Write

    def of(self, rows: Rows, info: Any) -> Iterable[Any]:
        if self.attribute.load:
            self.attribute.load(rows)
        return self.write([*map(attrgetter(self.attribute.name), rows)], info)


@dataclass(frozen=True)
class TypenameColumn:
    """``__typename``."""

    name: str

    def of(self, rows: Rows, info: Any) -> Iterable[Any]:
        return [self.name] * len(rows)


@dataclass
class Plan:
    """How the rows of one type are answered, for one selection of fields."""

    row_type: GraphQLObjectType
    keys: list[str]
    """All that is selected, by the names in the answer."""
    columns: dict[str, Column | TypenameColumn]
    rest: GroupedFieldSet
    """What the library has to be asked for, row by row."""
    _known: set[type] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        return not self.rest

    def write(self, rows: Rows, info: Any) -> list[dict[str, Any]]:
        """Answer the rows, but for the rest.

        :raises FallBackToLibrary: a row or a value is for the library to look at.
        """
        for kind in {*map(type, rows)} - self._known:
            self._meet(kind, next(row for row in rows if type(row) is kind), info)
        columns = [column.of(rows, info) for column in self.columns.values()]
        return [dict(zip(self.columns, values, strict=True)) for values in zip(*columns, strict=True)]

    def _meet(self, kind: type, row: Any, info: Any) -> None:
        """Ask the type once whether rows of this class are its own."""
        refuse_odd({kind})
        if row is None or (self.row_type.is_type_of and not self.row_type.is_type_of(row, info)):
            raise FallBackToLibrary
        self._known.add(kind)
