"""Limits of a request, measured before anything is done.

The library's limiters follow a fragment each time it is spread, so that thirty short fragments take them
hours; this one walks each fragment once, and counts the rows that could be answered as well.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    value_from_ast_untyped,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import ExecutionContext

from graphql_api.pagination import MAX_PAGE_SIZE

MAX_DEPTH = 10
MAX_TOKENS = 1000
MAX_ALIASES = 15
MAX_VALUES = 75_000  # a second or two of work


@dataclass(frozen=True)
class Cost:
    """A field's largest number of items, and its own cost in values."""

    items: int | None = 1
    """None: as many as the arguments ``first`` or ``last`` ask for."""
    compute: int = 0


def cost(*, items: int | None = 1, compute: int = 0) -> dict[str, Cost]:
    """Metadata of a field that is more than one value."""
    return {"cost": Cost(items, compute)}


PAGE_COST = cost(items=None)


class _Size(NamedTuple):
    fields: int  # of this level alone, without ``__typename``
    depth: int
    values: int
    aliases: int


def check_size(operation: OperationDefinitionNode, execution: ExecutionContext) -> None:
    """Refuse an operation that is too large, and several mutations at once.

    :raises GraphQLError: ``limit_exceeded``.
    """
    size = _Measure(execution).selections(operation.selection_set, operation.operation.value.title())
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


class _Measure:
    """Measures selection sets; a fragment once, however often it is spread.

    Validation has excluded cycles.
    """

    def __init__(self, execution: ExecutionContext) -> None:
        assert execution.graphql_document
        definitions = execution.graphql_document.definitions
        self._types = execution.schema.schema_converter.type_map
        self._fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
        self._variables = execution.variables
        self._measured: dict[str, _Size] = {}

    def selections(self, selections: SelectionSetNode, type_name: str) -> _Size:
        sizes = []
        spread = set()  # what is spread a second time is answered once
        for node in selections.selections:
            if isinstance(node, FieldNode):
                sizes.append(self._field(node, type_name))
            elif isinstance(node, FragmentSpreadNode):
                spread.add(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                sizes.append(self.selections(node.selection_set, condition.name.value if condition else type_name))
        sizes += map(self._fragment, spread)
        fields, depths, values, aliases = zip(*sizes, strict=True)
        return _Size(sum(fields), max(depths), sum(values), sum(aliases))

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
        own: Cost = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].metadata.get("cost", Cost())
        inner = self.selections(node.selection_set, get_named_type(field.type).name)
        items = self._page_size(node) if own.items is None else own.items
        return _Size(1, 1 + inner.depth, own.compute + items * inner.values, aliased + inner.aliases)

    def _page_size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                size = value_from_ast_untyped(argument.value, self._variables)
                if type(size) is int and 1 <= size <= MAX_PAGE_SIZE:
                    return size
        return MAX_PAGE_SIZE
