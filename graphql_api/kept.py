"""Answers that are made of films alone, kept for as long as no film changes. They are the same for everybody."""

import json
from collections.abc import Callable
from typing import Any

from graphql import ExecutionResult

from catalog.models import movies_version
from core.kept import Kept

_MOST_KEPT = 32  # a page of films is some 10 kB; the most that the limits let through is near a megabyte
_kept: Kept[ExecutionResult] = Kept(_MOST_KEPT)


def answer_kept(
    query: str, operation_name: str | None, variables: dict[str, Any] | None, answered: Callable[[], ExecutionResult]
) -> ExecutionResult:
    """Answer as ``answered`` does, or with what it answered to the same query before, if no film has changed since."""
    version = movies_version()
    if version is None:
        return answered()
    asked = query, operation_name, json.dumps(variables, sort_keys=True, default=repr)
    return _kept.answer(asked, version, answered, worth=lambda result: not result.errors)
