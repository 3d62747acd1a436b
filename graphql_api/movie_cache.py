"""Answers of movies alone are cached until a movie changes."""

import hashlib
import json
from collections.abc import Iterator

import orjson
from django.core.cache import cache
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

from catalog.models import movies_version

MAX_CACHED_BYTES = 64 * 1024  # a page of a hundred movies has some 10 kB


class MovieCache(SchemaExtension):
    """Answers a query for movies, the same for all, from Django's cache."""

    def on_execute(self) -> Iterator[None]:
        execution, context = self.execution_context, self.execution_context.context
        # Without a context, an event of a subscription is rendered.
        is_of_movies_alone = context and context.root_fields == {"movies"} and "shows" not in context.operation.query
        # The version is read before the movies, so that what is cached under it is never older.
        version = movies_version() if is_of_movies_alone else None
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
