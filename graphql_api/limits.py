"""What one request may ask for. The library's own limiters follow a fragment each time it is spread, so that thirty
short fragments keep them busy for hours; this walks each fragment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from catalog.models import LONGEST_ROW, MOST_SEATS
from graphql_api.pagination import LARGEST_PAGE
from reservations.best_seats import MAX_SEATS_AT_ONCE

DEEPEST = 10
MOST_TOKENS = 1000
MOST_ALIASES = 15
MOST_VALUES = 75_000  # a second or two of work

_PAGED = {"Query.movies", "Movie.shows", "Query.myBookings", "Query.myHolds"}

_LONGEST = {
    **dict.fromkeys(("SeatMap.rows", "SeatRow.seats"), LONGEST_ROW),  # a hundred such rows are all that a show has
    "SeatMapChange.seats": MOST_SEATS,
    **dict.fromkeys(("BookedSeats.bookings", "Hold.seats"), MAX_SEATS_AT_ONCE),
    "NoAdjacentSeats.alternatives": 3,
}
"""How many there can be in the lists that come whole."""

_AT_LEAST = {"Show.seatMap": 250, "Show.bestSeats": 500}
"""What it takes to find out, in values, however few of them are answered."""


@dataclass(frozen=True)
class _Size:
    fields: int = 0  # of this level alone, but for ``__typename``
    depth: int = 0
    values: int = 0
    aliases: int = 0


def refuse_oversized(operation: OperationDefinitionNode, measure: "Measure") -> None:
    """Refuse an operation that is too deep or could answer too much, before anything is done for it.

    :raises GraphQLError: it is.
    """
    size = measure.of_operation(operation)
    for what, actual, limit in (
        ("levels", size.depth, DEEPEST),
        ("aliases", size.aliases, MOST_ALIASES),
        ("values that it could answer; ask for fewer rows with first", size.values, MOST_VALUES),
    ):
        if actual > limit:
            raise GraphQLError(f"A query may have at most {limit} {what}.", extensions={"code": "limit_exceeded"})
    if operation.operation is OperationType.MUTATION and size.fields > 1:
        # So a fault of one can't hide what another has done, and one request hashes one password.
        raise GraphQLError("Send one mutation a request.", extensions={"code": "limit_exceeded"})


class Measure:
    """Measures selection sets; a fragment once, however often it is spread. Validation has excluded cycles."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._measured: dict[str, _Size] = {}
        self.asked_variables = False
        """Whether the sizes may be others with other variables."""

    def of_operation(self, operation: OperationDefinitionNode) -> _Size:
        return self._of(operation.selection_set, self._schema.get_root_type(operation.operation))

    def _of(self, selections: SelectionSetNode, type_: Any) -> _Size:
        sizes = []
        spread = set()  # what is spread a second time is answered once
        for node in selections.selections:
            if isinstance(node, FieldNode):
                sizes.append(self._field(node, type_))
            elif isinstance(node, FragmentSpreadNode):
                if node.name.value not in spread:
                    spread.add(node.name.value)
                    sizes.append(self._fragment(node.name.value))
            elif isinstance(node, InlineFragmentNode):
                sizes.append(self._of(node.selection_set, self._narrowed(node) or type_))
        return _Size(
            fields=sum(size.fields for size in sizes),
            depth=max(size.depth for size in sizes),
            values=sum(size.values for size in sizes),
            aliases=sum(size.aliases for size in sizes),
        )

    def _fragment(self, name: str) -> _Size:
        if name not in self._measured:
            fragment = self._fragments[name]
            self._measured[name] = self._of(fragment.selection_set, self._narrowed(fragment))
        return self._measured[name]

    def _narrowed(self, fragment: FragmentDefinitionNode | InlineFragmentNode) -> Any:
        return fragment.type_condition and self._schema.get_type(fragment.type_condition.name.value)

    def _field(self, node: FieldNode, type_: Any) -> _Size:
        name = node.name.value
        aliased = 1 if node.alias else 0
        if node.selection_set is None or name.startswith("__"):
            return _Size(fields=int(name != "__typename"), depth=1, values=1, aliases=aliased)
        inner = self._of(node.selection_set, get_named_type(type_.fields[name].type))
        place = f"{type_.name}.{name}"
        times = self._page_size(node) if place in _PAGED else _LONGEST.get(place, 1)
        return _Size(
            fields=1,
            depth=1 + inner.depth,
            values=_AT_LEAST.get(place, 0) + times * inner.values,
            aliases=aliased + inner.aliases,
        )

    def _page_size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value: Any = argument.value
                if isinstance(value, IntValueNode):
                    value = int(value.value)
                elif isinstance(value, VariableNode):
                    self.asked_variables = True
                    value = self._variables.get(value.name.value)
                if type(value) is int and 1 <= value <= LARGEST_PAGE:
                    return value
        return LARGEST_PAGE
