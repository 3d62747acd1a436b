"""Answers that are kept in the process for as long as what they are made of stays the same."""

from collections.abc import Callable, Hashable
from typing import TypeVar

V = TypeVar("V")


class Kept(dict[Hashable, tuple[str, V]]):
    """Answers by what was asked, each with the version that it was made of. When full, it drops them all."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def answer(self, asked: Hashable, version: str, answered: Callable[[], V], *, worth: Callable[[V], bool]) -> V:
        """Give what was answered for this version before, or answer, and keep it if it is worth it."""
        kept_version, kept = self.get(asked, (None, None))
        if kept is not None and kept_version == version:
            return kept
        answer = answered()
        if worth(answer):
            if len(self) >= self.most:
                self.clear()
            self[asked] = version, answer
        return answer
