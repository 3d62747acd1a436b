"""``manage.py import_movies FILE.csv``"""

import io
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.importing import UnreadableFile, add_new_movies, read_movies


class Command(BaseCommand):
    help = (
        "Import movies from a CSV file with the columns title and duration_minutes; further columns are ignored. "
        "Movies that exist (same title and duration) are skipped. "
        "Nothing is written unless every row is good."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a CSV file in UTF-8, or - for standard input")
        parser.add_argument("--skip-bad", action="store_true", help="write the good rows even if others are bad")

    def handle(self, *, file: str, skip_bad: bool, **options: Any) -> None:
        movies, bad = [], 0
        try:
            source = sys.stdin.buffer if file == "-" else open(file, "rb")  # noqa: SIM115
            with io.TextIOWrapper(source, encoding="utf-8-sig", newline="") as lines:
                for row in tqdm(read_movies(lines), unit=" rows", disable=None):
                    if isinstance(row, str):
                        bad += 1
                        self.stderr.write(row)
                    else:
                        movies.append(row)
        except (UnreadableFile, OSError) as fault:
            raise CommandError(f"Nothing was written. {file}: {fault}") from fault
        if bad and not skip_bad:
            raise CommandError(f"Nothing was written: {bad} bad rows. --skip-bad writes the {len(movies)} good ones.")
        added = add_new_movies(movies)
        self.stdout.write(f"{added} movies added, {len(movies) - added} existed already, {bad} bad rows skipped.")
