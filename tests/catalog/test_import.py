"""``manage.py import_movies``"""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Movie

pytestmark = pytest.mark.django_db

GOOD = 'title,duration_minutes,year\nBrazil,136,1985\n "M" ,111,1931\n"Crouching Tiger, Hidden Dragon",120,2000\n'


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(content: str | bytes, *options: str) -> tuple[str, str]:
        file = tmp_path / "films.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        call_command("import_movies", str(file), *options)
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


def test_adds_films_and_ignores_further_columns(run: Any) -> None:
    out, _ = run(GOOD)
    assert out == "3 movies added, 0 existed already, 0 bad rows skipped.\n"
    assert Movie.objects.get(title="Crouching Tiger, Hidden Dragon").duration_minutes == 120


def test_leaves_films_alone_that_are_there(run: Any) -> None:
    run(GOOD)
    out, _ = run(GOOD + "Brazil,94,1985\nBrazil,94,1985\n")
    assert out == "1 movies added, 4 existed already, 0 bad rows skipped.\n"
    assert Movie.objects.filter(title="Brazil").count() == 2


def test_takes_the_mark_that_spreadsheets_write(run: Any) -> None:
    run("\ufeff" + GOOD)
    assert Movie.objects.count() == 3


BAD = (
    'title,duration_minutes\nBrazil,136\n,100\n"two\nlines",x\nZero,0\nLong,1441\nHalf,00000009099\nShort\n'
    f"{'a' * 256},90\nArabic,٩٠\n"
)
REASONS = [
    "line 3: the title is missing",
    "line 5: duration_minutes is 'x', not a whole number from 1 to 1440",
    "line 6: duration_minutes is '0', not",
    "line 7: duration_minutes is '1441', not",
    "line 8: duration_minutes is '00000009099', not",
    "line 9: duration_minutes is '', not",
    "line 10: the title is longer than 255 characters",
    "line 11: duration_minutes is '٩٠', not",
]


def test_writes_nothing_unless_every_row_is_good(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"Nothing was written: 8 bad rows\. --skip-bad writes the 1 good ones\."):
        run(BAD)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 8
    assert all(line.startswith(reason) for line, reason in zip(lines, REASONS, strict=True))
    assert not Movie.objects.exists()


def test_writes_the_good_rows_if_told_so(run: Any) -> None:
    out, err = run(BAD, "--skip-bad")
    assert out == "1 movies added, 0 existed already, 8 bad rows skipped.\n"
    assert len(err.splitlines()) == 8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1: there is no column title and no column duration_minutes"),
        ("title,minutes\nBrazil,136\n", "line 1: there is no column duration_minutes"),
        ("title,duration_minutes\nMoli\xe8re,120\n".encode("latin-1"), "not UTF-8"),
        ("title,title,duration_minutes\nBrazil,M,136\n", "there are several columns title"),
        ('title,duration_minutes\n"never closed,120\n', "unexpected end of data"),
        ("title,duration_minutes\n" + "a" * 200_000 + ",120\n", "field larger than field limit"),
    ],
)
def test_refuses_a_file_that_it_cannot_read(run: Any, content: str | bytes, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(content, "--skip-bad")
    assert not Movie.objects.exists()


def test_refuses_a_null_in_a_title(run: Any) -> None:
    with pytest.raises(CommandError):
        run("title,duration_minutes\na\0b,120\n")


def test_refuses_a_file_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_movies", "/nowhere/films.csv")


def test_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(("\ufeff" + GOOD).encode()), encoding="ascii"))
    call_command("import_movies", "-", verbosity=0)
    assert Movie.objects.count() == 3
