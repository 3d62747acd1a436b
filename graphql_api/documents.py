"""What a query's text says, worked out once for as long as it is asked again: the document, whether it fits the
schema, how much it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
)
from strawberry.schema.schema import validate_document

from graphql_api.limits import MOST_TOKENS, Measure, refuse_oversized

_RULES: tuple[type[ASTValidationRule], ...] = tuple(specified_rules)


@dataclass
class Document:
    """A query that was read; it is the same for everybody who sends it."""

    schema: GraphQLSchema
    node: DocumentNode
    faults: Sequence[GraphQLError]
    """Where it does not fit the schema."""
    operations: list[OperationDefinitionNode]
    root_fields: frozenset[str]
    """What they ask for first; an empty name stands for a fragment."""
    films_alone: bool
    """Whether its answer is made of nothing but films."""
    plans: dict[Any, Any] | None
    """What ``graphql_api.executor.columns`` has worked out about it; None where that depends on the variables."""
    _within_limits: bool = field(default=False, init=False)

    def refuse_oversized(self, variables: Mapping[str, Any], operation_name: str | None) -> None:
        """Refuse it where it is too deep or could answer too much.

        :raises GraphQLError: it is, or has several operations and none is named.
        """
        if len(self.operations) > 1 and operation_name is None:
            raise GraphQLError("There are several operations: name one in operationName.")
        if self._within_limits:
            return
        fragments = {
            node.name.value: node for node in self.node.definitions if isinstance(node, FragmentDefinitionNode)
        }
        measure = Measure(self.schema, fragments, variables)
        for operation in self.operations:
            refuse_oversized(operation, measure)
        self._within_limits = not measure.asked_variables


@lru_cache(maxsize=256)
def read(schema: GraphQLSchema, text: str, *, introspection: bool) -> Document:
    """Parse and validate a query.

    :raises GraphQLError: it can't be parsed.
    """
    node = parse(text, max_tokens=MOST_TOKENS)
    rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
    operations = [definition for definition in node.definitions if isinstance(definition, OperationDefinitionNode)]
    root_fields = frozenset(
        selected.name.value if isinstance(selected, FieldNode) else ""
        for operation in operations
        for selected in operation.selection_set.selections
    )
    return Document(
        schema=schema,
        node=node,
        faults=validate_document(schema, node, rules),
        operations=operations,
        root_fields=root_fields,
        # From a film, shows are the one way to anything else.
        films_alone=root_fields == {"movies"} and "shows" not in text,
        # Of all that a text can hold, directives alone make a selection depend on the variables.
        plans=None if "@" in text else {},
    )
