"""The code of today serves on while the schema of tomorrow is put under it.

``releases.next`` is an example of what a release may do to the tables, ``releases.breaking`` of what it may not; each
comes after the migrations that there are.
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.cinema import Cinema, lock_waits, locked, wait_until
from tests.faults.load import Answer, Load, Request, ask_all, in_ms
from tests.postgres import server
from tests.service import ROOT, Service

pytestmark = pytest.mark.only("postgresql")

TODAY = "next"  # the migrations of today are among those of each release
LOCK_TIMEOUT = 2.0
GRACE = 0.5


class TestMigrating:
    @pytest.fixture(autouse=True)
    def _tomorrow_is_undone(self, cinema: Cinema) -> Iterator[None]:
        yield
        with cinema.session() as session:
            session.execute("ALTER TABLE reservations_booking DROP COLUMN IF EXISTS channel")
            session.execute("DELETE FROM django_migrations WHERE name = 'tomorrow'")

    def test_the_code_of_today_serves_on_the_schema_of_tomorrow(
        self, cinema: Cinema, figure: Callable[[str], None]
    ) -> None:
        with Load(cinema.service.port, _mixed(cinema), connections=8, period=0.02) as load:
            begun = time.monotonic()
            first, again = (_manage(cinema, "next", "migrate") for _ in range(2))
            seconds = time.monotonic() - begun
            time.sleep(0.5)  # and goes on upon it
        assert "reservations.tomorrow... OK" in first.stdout
        assert "No migrations to apply" in again.stdout
        with cinema.session() as session:
            channels = session.execute("SELECT DISTINCT channel FROM reservations_booking").fetchall()
        assert channels == [("web",)]
        figure(f"{len(load.answers)} requests in {seconds:.1f} s of migrating, at worst {in_ms(load.answers, 1)} ms")
        assert _failures(load.answers) == {}

    def test_a_migration_that_has_to_wait_gives_way_to_the_bookings(
        self, cinema: Cinema, figure: Callable[[str], None]
    ) -> None:
        answers: list[Answer] = []
        migrating = threading.Thread(target=lambda: outcomes.append(_manage(cinema, "next", "migrate")))
        outcomes: list[subprocess.CompletedProcess[str]] = []
        with locked(cinema, "SELECT 1 FROM reservations_booking LIMIT 1"), cinema.session() as session:
            migrating.start()
            wait_until(lambda: lock_waits(session) > 0, within=10)
            begun = time.monotonic()
            answers += ask_all(cinema.service.port, [cinema.book(), cinema.read(), cinema.my_bookings()])
            migrating.join()
            seconds = time.monotonic() - begun
            answers.append(cinema.ask(cinema.book()))
        figure(f"it gave way after {seconds:.1f} s; requests {[round(answer.seconds, 1) for answer in answers]} s")
        assert outcomes[0].returncode != 0
        assert "lock timeout" in outcomes[0].stdout
        assert _failures(answers) == {}
        assert max(answer.seconds for answer in answers) <= LOCK_TIMEOUT + GRACE
        assert answers[-1].ok
        assert _manage(cinema, "next", "migrate").returncode == 0


class TestTheLinter:
    def test_finds_nothing_in_the_migrations_that_there_are(self, cinema: Cinema) -> None:
        told = _lint(cinema, "next")
        assert told.returncode == 0, told.stdout

    def test_finds_what_the_code_of_today_could_not_serve_on(self, cinema: Cinema) -> None:
        told = _lint(cinema, "breaking")
        assert told.returncode != 0
        assert "(reservations, tomorrow)... ERR" in told.stdout
        assert "NOT NULL constraint" in told.stdout
        assert "DROPPING columns" in told.stdout


def _mixed(cinema: Cinema) -> Iterator[Request]:
    while True:
        yield from (cinema.book(), cinema.read(), cinema.mutate(), cinema.my_bookings())


def _failures(answers: list[Answer]) -> dict[tuple[int, str], int]:
    """Count what failed; to be busy for a moment is none."""
    told = ((answer.status, answer.code) for answer in answers if not answer.ok)
    return {outcome: times for outcome, times in Counter(told).items() if outcome != (503, "busy")}


def _lint(cinema: Cinema, release: str) -> subprocess.CompletedProcess[str]:
    return _manage(
        cinema,
        release,
        *("lintmigrations", "--include-apps", "core", "catalog", "reservations"),
        *("--no-cache", "--sql-analyser", "postgresql"),
    )


def _manage(cinema: Cinema, release: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ``manage.py`` with the migrations of a release."""
    environment = {**cinema.service.environment, "DJANGO_SETTINGS_MODULE": "tests.faults.settings", "RELEASE": release}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_migration_that_was_ended_half_way_is_run_again(tmp_path: Path) -> None:
    """What a build that was ended leaves behind is an index that holds nothing apart; it must not stay for one."""
    with server() as postgres:
        service = Service(database_url=postgres.url, log=tmp_path / "service.log")
        service.manage("migrate", "reservations", "0002", "--verbosity", "0")
        with psycopg.connect(postgres.url) as rival:
            rival.execute("LOCK TABLE reservations_booking IN ROW EXCLUSIVE MODE")
            with pytest.raises(subprocess.CalledProcessError):
                service.manage("migrate", "--verbosity", "0")
            rival.rollback()
        with psycopg.connect(postgres.url) as session:
            assert _indexes(session)["seat_has_one_live_claim"] is False
            assert _indexes(session)["seat_has_one_live_booking"] is True
        service.manage("migrate", "--verbosity", "0")
        with psycopg.connect(postgres.url) as session:
            assert _indexes(session)["seat_has_one_live_claim"] is True
            assert "seat_has_one_live_booking" not in _indexes(session)


def _indexes(session: psycopg.Connection[Any]) -> dict[str, bool]:
    """Give the indexes of the table of bookings, and whether each holds."""
    rows = session.execute(
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE indrelid = 'reservations_booking'::regclass"
    )
    return dict(rows.fetchall())
