"""Limits of a request, measured before anything is done.

The library's limiters follow a fragment each time it is spread, so that thirty short fragments take them
hours; this one walks each fragment once, and counts the rows that could be answered as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_operation_ast,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.base import BaseSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import ExecutionContext

from graphql_api.pagination import MAX_PAGE_SIZE

MAX_DEPTH = 10
MAX_TOKENS = 1000
MAX_ALIASES = 15
MAX_VALUES = 75_000  # a second or two of work


# --- Metadata of fields -----------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """A field's number of items, and its own cost in values."""

    items: int | None = 1
    """None: as many as the arguments ``first`` or ``last`` ask for."""
    compute: int = 0


_COST = "cost"


def list_size(items: int) -> dict[str, Cost]:
    """Metadata of a list without pages: its largest number of items."""
    return {_COST: Cost(items)}


def page_size() -> dict[str, Cost]:
    """Metadata of a connection: ``first`` or ``last`` limits its items."""
    return {_COST: Cost(None)}


def computation(values: int) -> dict[str, Cost]:
    """Metadata of a field that costs as much as so many values."""
    return {_COST: Cost(compute=values)}


# --- The limiter ------------------------------------------------------------------------------


class CostLimiter(SchemaExtension):
    """Refuses an operation that is too large, and several mutations at once."""

    def on_execute(self) -> Iterator[None]:
        if self.execution_context.root_value is None:  # a subscription was measured when it began
            self._check(self.execution_context)
        yield

    def _check(self, execution: ExecutionContext) -> None:
        assert execution.graphql_document
        operation = get_operation_ast(execution.graphql_document, execution.context.operation_name)
        if operation is None:
            raise GraphQLError("There are several operations: name one in operationName.")
        fragments = {
            node.name.value: node
            for node in execution.graphql_document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        measure = _Measure(execution.schema, fragments, execution.variables or {})
        size = measure.selections(operation.selection_set, operation.operation.value.title())
        for what, actual, limit in (
            ("levels", size.depth, MAX_DEPTH),
            ("aliases", size.aliases, MAX_ALIASES),
            ("values that it could answer; ask for fewer rows with first", size.values, MAX_VALUES),
        ):
            if actual > limit:
                raise GraphQLError(f"A query may have at most {limit} {what}.", extensions={"code": "limit_exceeded"})
        if operation.operation is OperationType.MUTATION and size.fields > 1:
            # So an error of one can't hide what another has done, and one request hashes one password.
            raise GraphQLError("Send one mutation a request.", extensions={"code": "limit_exceeded"})


@dataclass(frozen=True)
class _Size:
    fields: int = 0  # of this level alone, without ``__typename``
    depth: int = 0
    values: int = 0
    aliases: int = 0


class _Measure:
    """Measures selection sets; a fragment once, however often it is spread.

    Validation has excluded cycles.
    """

    def __init__(
        self, schema: BaseSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self._types = schema.schema_converter.type_map
        self._fragments = fragments
        self._variables = variables
        self._measured: dict[str, _Size] = {}

    def selections(self, selections: SelectionSetNode, type_name: str) -> _Size:
        sizes = []
        spread = set()  # what is spread a second time is answered once
        for node in selections.selections:
            if isinstance(node, FieldNode):
                sizes.append(self._field(node, type_name))
            elif isinstance(node, FragmentSpreadNode):
                if node.name.value not in spread:
                    spread.add(node.name.value)
                    sizes.append(self._fragment(node.name.value))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                sizes.append(self.selections(node.selection_set, condition.name.value if condition else type_name))
        return _Size(
            fields=sum(size.fields for size in sizes),
            depth=max(size.depth for size in sizes),
            values=sum(size.values for size in sizes),
            aliases=sum(size.aliases for size in sizes),
        )

    def _fragment(self, name: str) -> _Size:
        if name not in self._measured:
            fragment = self._fragments[name]
            self._measured[name] = self.selections(fragment.selection_set, fragment.type_condition.name.value)
        return self._measured[name]

    def _field(self, node: FieldNode, type_name: str) -> _Size:
        name = node.name.value
        aliased = 1 if node.alias else 0
        if node.selection_set is None or name.startswith("__"):
            return _Size(fields=int(name != "__typename"), depth=1, values=1, aliases=aliased)
        type_: Any = self._types[type_name].implementation
        field = type_.fields[name]
        cost: Cost = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].metadata.get(_COST, Cost())
        inner = self.selections(node.selection_set, get_named_type(field.type).name)
        items = self._page_size(node) if cost.items is None else cost.items
        return _Size(
            fields=1,
            depth=1 + inner.depth,
            values=cost.compute + items * inner.values,
            aliases=aliased + inner.aliases,
        )

    def _page_size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value: Any = argument.value
                if isinstance(value, IntValueNode):
                    value = int(value.value)
                elif isinstance(value, VariableNode):
                    value = self._variables.get(value.name.value)
                if type(value) is int and 1 <= value <= MAX_PAGE_SIZE:
                    return value
        return MAX_PAGE_SIZE
