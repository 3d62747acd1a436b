"""Answers of movies alone are cached until a movie changes."""

import hashlib
import json
from collections.abc import Iterator

import orjson
from django.core.cache import cache
from graphql import get_operation_ast
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

from catalog.models import movies_version
from graphql_api.context import root_fields

MAX_CACHED_BYTES = 64 * 1024  # a page of a hundred movies has some 10 kB


class MovieCache(SchemaExtension):
    """Answers a query for movies, the same for all, from Django's cache."""

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        # The version is read before the movies, so that what is cached under it is never older.
        version = movies_version() if self._is_of_movies_alone() else None
        if version is None:
            yield
            return
        request = json.dumps([execution.query, execution.operation_name, execution.variables], default=repr)
        key = f"graphql:{version}:{hashlib.sha256(request.encode()).hexdigest()}"
        cached = cache.get(key)
        if cached is not None:
            execution.result = ExecutionResult(data=orjson.loads(cached), errors=None)
        yield
        if cached is None and execution.result and not execution.result.errors:
            answer = orjson.dumps(execution.result.data)
            if len(answer) <= MAX_CACHED_BYTES:
                cache.set(key, answer)

    def _is_of_movies_alone(self) -> bool:
        """Whether the operation asks for movies alone, without their shows."""
        execution = self.execution_context
        assert execution.graphql_document
        operation = get_operation_ast(execution.graphql_document, execution.operation_name)
        assert operation
        return root_fields(operation) == {"movies"} and "shows" not in (execution.query or "")
