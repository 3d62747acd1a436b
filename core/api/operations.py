"""``@operation`` declares a view's method for the OpenAPI document and for metrics."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

from core.errors import DomainError
from core.idempotency import Operation

M = TypeVar("M", bound=Callable[..., Any])


@dataclass(frozen=True)
class Declaration:
    """What a view's method declares of itself, as its decorator."""

    operation_id: str
    """The name that generated clients give it."""
    summary: str
    _: KW_ONLY
    request: Any = None
    """The serializer of the body."""
    query: Any = None
    """The serializer of the query string."""
    response: Any = None
    """The serializer of the answer; without one, the answer is 204."""
    status: int = 200
    media_type: str | None = None
    """Of an answer that is not JSON."""
    refusals: Iterable[type[DomainError]] = ()
    """What it can refuse besides, apart from what is refused everywhere."""
    links: Mapping[str, Any] = field(default_factory=dict)
    """OpenAPI's links: the operations that take something of the answer, and what."""
    verb: Operation[Any] | None = None
    """The verb of the domain that it runs: it takes an idempotency key, and has refusals of its own."""
    etag: bool = False
    database: bool = True
    """Whether it queries the database."""
    metric: str = ""
    """The name under which outcomes are counted, if it is not the verb's."""

    def __call__(self, method: M) -> M:
        """Attach it to a method, whose docstring is the description."""
        method.operation = self  # type: ignore[attr-defined]
        return method


operation = Declaration
