"""Import of movies from CSV files."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from catalog.models import MAX_DURATION, MAX_TITLE_LENGTH, Movie
from core.database import durable_transaction

_COLUMNS = ("title", "duration_minutes")
_BATCH = 1000


class UnreadableFile(Exception):
    """The file is not CSV, or lacks a column."""


def read_movies(lines: Iterable[str]) -> Iterator[Movie | str]:
    """Parse CSV into unsaved movies, or messages about bad rows.

    The first line names the columns.

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
            movie = _movie(row)
            yield movie if isinstance(movie, Movie) else f"line {reader.line_num}: {movie}"
    except csv.Error as error:
        raise UnreadableFile(f"line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"after line {reader.line_num}: not UTF-8") from error


def _movie(row: dict[str, str | None]) -> Movie | str:
    """Make an unsaved movie of a row, or say what is wrong with it."""
    title, duration = (row["title"] or "").strip(), (row["duration_minutes"] or "").strip()
    if not title:
        return "the title is missing"
    if len(title) > MAX_TITLE_LENGTH:
        return f"the title is longer than {MAX_TITLE_LENGTH} characters"
    if "\0" in title:
        return "the title contains a null character"
    if not (duration.isascii() and duration.isdecimal() and len(duration) < 9 and 1 <= int(duration) <= MAX_DURATION):
        return f"duration_minutes is {duration[:20]!r}, not a whole number from 1 to {MAX_DURATION}"
    return Movie(title=title, duration_minutes=int(duration))


@durable_transaction
def add_new_movies(movies: Sequence[Movie]) -> int:
    """Save the movies whose title and duration are new; return how many."""
    known = set(Movie.objects.values_list("title", "duration_minutes"))
    by_key = {(movie.title, movie.duration_minutes): movie for movie in movies}
    new = [movie for key, movie in by_key.items() if key not in known]
    Movie.objects.bulk_create(new, batch_size=_BATCH)
    return len(new)
