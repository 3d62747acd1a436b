"""Tells which migration is the latest of those that there are."""

from pathlib import Path

import reservations.migrations


def latest_migration() -> str:
    return max(path.stem for path in Path(reservations.migrations.__path__[0]).glob("[0-9]*.py"))
