"""Executes a query: the library's way, but that rows are answered column by column where they can be."""

from typing import Any

from graphql import (
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from graphql_api.executor.columns import (
    GLOBAL_ID,
    Column,
    Plan,
    TypenameColumn,
    Write,
    attribute_of,
    write_each_once,
    write_global_ids,
    write_leaves,
    write_lists,
    write_nulls,
)


class Executor(StrawberryGraphQLCoreExecutionContext):
    """The library's executor, with plans for rows. ``plans`` may be kept for other executions of the same document."""

    def __init__(self, *args: Any, plans: dict[Any, Plan] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[Any, Plan] = {} if plans is None else plans
        self._by_columns = True

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        item_type = get_nullable_type(return_type.of_type)
        if isinstance(item_type, GraphQLObjectType) and isinstance(result, list):
            plan = self._plan(item_type, field_details_list)
            rows = self._rows(plan, result, info)
            if rows is not None:
                if not plan.complete:
                    self._add_the_rest(rows, plan, return_type.of_type, field_details_list, path, result)
                return rows
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        plan = self._plan(return_type, field_details_list)
        rows = self._rows(plan, [result], info) if plan.complete else None
        if rows is not None:
            return rows[0]
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def _rows(self, plan: Plan, rows: list[Any], info: GraphQLResolveInfo) -> list[Any] | None:
        """Answer rows by their columns; None if they have to be answered one by one."""
        if not self._by_columns or not plan.columns:
            return None
        try:
            return plan.write(rows, info)
        except Exception:
            # The library will meet it again and tell where it was. Nothing is tried a third time, least of all
            # a statement that the database could not answer.
            self._by_columns = False
            return None

    def _add_the_rest(
        self,
        rows: list[Any],
        plan: Plan,
        item_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        path: Path,
        sources: list[Any],
    ) -> None:
        for index, source in enumerate(sources):
            item_path = path.add_key(index, None)
            try:
                both = rows[index] | self.execute_fields(plan.row_type, source, item_path, plan.rest, None)
                rows[index] = {key: both[key] for key in plan.keys}
            except Exception as fault:
                self.handle_field_error(fault, item_type, field_details_list, item_path)
                rows[index] = None

    # --- Plans ---

    def _plan(self, type_: GraphQLObjectType, field_details_list: FieldDetailsList) -> Plan:
        key = (type_.name, *(id(details.node) for details in field_details_list))
        if key not in self._plans:
            self._plans[key] = self._make_plan(type_, field_details_list)
        return self._plans[key]

    def _make_plan(self, type_: GraphQLObjectType, field_details_list: FieldDetailsList) -> Plan:
        selected = self.collect_subfields(type_, field_details_list).grouped_field_set
        columns = {key: self._column(type_, details) for key, details in selected.items()}
        return Plan(
            row_type=type_,
            keys=[*selected],
            columns={key: column for key, column in columns.items() if column},
            rest={key: details for key, details in selected.items() if not columns[key]},
        )

    def _column(self, type_: GraphQLObjectType, field_details_list: FieldDetailsList) -> Column | TypenameColumn | None:
        """Make the column of a field; None if the library has to be asked for it row by row."""
        name = field_details_list[0].node.name.value
        if name == "__typename":
            return TypenameColumn(type_.name)
        field = type_.fields[name]
        attribute = attribute_of(field)
        if attribute is None:
            return None
        if attribute is GLOBAL_ID:
            return Column(attribute, write_global_ids(type_))
        write = self._write(field.type, field_details_list)
        return Column(attribute, write) if write else None

    def _write(self, type_: GraphQLOutputType, field_details_list: FieldDetailsList) -> Write | None:
        """Tell how values of a type are written; None if the library has to write them."""
        inner = get_nullable_type(type_)
        if is_leaf_type(inner):
            return write_nulls(write_leaves(inner), type_)
        if is_object_type(inner):
            plan = self._plan(inner, field_details_list)
            return write_nulls(write_each_once(plan.write), type_) if plan.complete else None
        if is_list_type(inner):
            write = self._write(inner.of_type, field_details_list)
            return write_nulls(write_lists(write), type_) if write else None
        return None
