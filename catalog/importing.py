"""Import of movies from CSV files."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from catalog.models import MAX_DURATION, MAX_TITLE_LENGTH, Movie
from core.database import durable_transaction

_COLUMNS = ("title", "duration_minutes")
_BATCH = 1000


class UnreadableFile(Exception):
    """The file is not CSV, or lacks a column."""


@dataclass(frozen=True)
class BadRow:
    """A row that is not a valid movie, and its last line."""

    line: int
    reason: str


def read_movies(lines: Iterable[str]) -> Iterator[Movie | BadRow]:
    """Parse CSV into unsaved movies; the first line names the columns.

    :raises UnreadableFile: not CSV, or a column is missing.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        columns = reader.fieldnames or ()
        if repeated := [column for column in _COLUMNS if columns.count(column) > 1]:
            raise UnreadableFile(f"line 1: there are several columns {' and '.join(repeated)}")
        missing = [column for column in _COLUMNS if column not in columns]
        if missing:
            raise UnreadableFile(f"line 1: there is no column {' and no column '.join(missing)}")
        for row in reader:
            yield _movie(row, reader.line_num)
    except csv.Error as error:
        raise UnreadableFile(f"line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"after line {reader.line_num}: not UTF-8") from error


def _movie(row: dict[str, str | None], line: int) -> Movie | BadRow:
    title, duration = (row["title"] or "").strip(), (row["duration_minutes"] or "").strip()
    if not title:
        return BadRow(line, "the title is missing")
    if len(title) > MAX_TITLE_LENGTH:
        return BadRow(line, f"the title is longer than {MAX_TITLE_LENGTH} characters")
    if "\0" in title:
        return BadRow(line, "the title contains a null character")
    if not (duration.isascii() and duration.isdecimal() and len(duration) < 9 and 1 <= int(duration) <= MAX_DURATION):
        return BadRow(line, f"duration_minutes is {duration[:20]!r}, not a whole number from 1 to {MAX_DURATION}")
    return Movie(title=title, duration_minutes=int(duration))


@durable_transaction
def add_new_movies(movies: Sequence[Movie]) -> int:
    """Save the movies whose title and duration are new; return how many."""
    known = set(Movie.objects.values_list("title", "duration_minutes"))
    by_key = {(movie.title, movie.duration_minutes): movie for movie in movies}
    new = [movie for key, movie in by_key.items() if key not in known]
    Movie.objects.bulk_create(new, batch_size=_BATCH)
    return len(new)
