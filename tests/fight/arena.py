"""Where they fight: a database, the application's processes on it, and who makes both fail."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.fight.history import HOLD_SECONDS, LONGEST_HOLD, by_the_monotonic_clock
from tests.fight.table import HoldRow, Row, Table
from tests.postgres import Server, server
from tests.service import Service

UNGUARDED = [sys.executable, "-m", "tests.fight.unguarded"]

_WITHOUT_THE_INDEX = """
    DROP INDEX seat_has_one_live_claim;
    CREATE INDEX seat_has_one_live_claim ON reservations_booking (show_id, seat_number)
    WHERE status IN ('booked', 'held', 'blocked');
"""

# What the fighters hold runs out while they fight, and some of them want more than they may hold.
_SETTINGS = {"HOLD_SECONDS": str(HOLD_SECONDS), "HOLD_LONGEST_SECONDS": str(LONGEST_HOLD), "HOLD_SEATS": "4"}


@dataclass
class Arena:
    """The application and its database; ``postgres`` is None on SQLite."""

    name: str
    service: Service
    postgres: Server | None = None

    def run(self, statements: str) -> None:
        """Change the database by hand."""
        if self.postgres:
            with _connected(self.postgres) as connection:
                connection.execute(statements)
        else:
            with sqlite3.connect(self._file) as connection:
                connection.executescript(statements)

    def take_the_index_away(self) -> None:
        """Leave an index that is not unique, so that the searches stay what they are."""
        self.run(_WITHOUT_THE_INDEX)

    def table(self, shows: list[int], client_of: dict[int, int]) -> Table:
        """Read what the table says of the shows: two statements, when nobody writes any more."""
        among = f"show_id IN ({', '.join(map(str, shows))}) ORDER BY id"
        start = time.monotonic_ns()
        claims = self._rows(
            "SELECT id, user_id, show_id, seat_number, status, hold_id, created_at, reason "
            f"FROM reservations_booking WHERE {among}"
        )
        holds = self._rows(
            f"SELECT id, user_id, show_id, size, created_at, released_at FROM reservations_hold WHERE {among}"
        )
        return Table(
            [
                Row(id, client_of.get(user, 0), show, seat, status, hold, _instant(created), reason)
                for id, user, show, seat, status, hold, created, reason in claims
            ],
            [
                HoldRow(id, client_of.get(user, 0), show, size, _instant(created), released is not None)
                for id, user, show, size, created, released in holds
            ],
            start,
            time.monotonic_ns(),
        )

    def deadlocks(self) -> int:
        """Tell how many PostgreSQL has found since it was made: it counts them, but forgets when it crashes, and logs
        each."""
        if not self.postgres:
            return 0
        counted = self._rows("SELECT sum(deadlocks) FROM pg_stat_database")[0][0] or 0
        return max(int(counted), (self.postgres.home / "log").read_text(errors="replace").count("deadlock detected"))

    def _rows(self, query: str) -> list[Any]:
        if self.postgres:
            with _connected(self.postgres) as connection:
                return connection.execute(query).fetchall()
        with sqlite3.connect(self._file) as connection:
            return connection.execute(query).fetchall()

    @property
    def _file(self) -> str:
        return self.service.environment["DATABASE_URL"].removeprefix("sqlite:///")


@contextmanager
def arena(database: str, *, command: list[str] | None = None) -> Iterator[Arena]:
    """Prepare a database and the service on it, which is not started yet; end both with the block."""
    with tempfile.TemporaryDirectory(prefix="fight-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        if database == "postgresql":
            with server() as postgres:
                service = Service(database_url=postgres.url, log=home / "log", settings=_SETTINGS, command=command)
                yield from _prepared(Arena(database, service, postgres))
        else:
            url = f"sqlite:///{home / 'cinema.sqlite3'}"
            service = Service(database_url=url, log=home / "log", settings=_SETTINGS, command=command)
            yield from _prepared(Arena(database, service))


def _prepared(place: Arena) -> Iterator[Arena]:
    place.service.manage("migrate", "--verbosity", "0")
    try:
        yield place
    finally:
        if hasattr(place.service, "process"):
            place.service.stop()


class Adversary(threading.Thread):
    """Kills one thing after the other, each kind as often as the others, until it is told to stop.

    When it ends, everything runs again.
    """

    def __init__(self, place: Arena, stop: threading.Event, *, seed: int, pause: tuple[float, float]) -> None:
        super().__init__(name="adversary")
        self.place = place
        self.stop = stop
        self.pause = pause
        self.chance = random.Random(f"{seed}:adversary")
        self.kills: Counter[str] = Counter()
        self.has_killed_all = threading.Event()
        self.fault: Exception | None = None
        self.kinds: dict[str, Callable[[], None]] = {"a worker": self._worker, "the server": self._server}
        if place.postgres:
            self.kinds["PostgreSQL"] = self._postgresql
            self.kinds["PostgreSQL amid commits"] = self._amid_commits
            self.kinds["a PostgreSQL process"] = self._backend

    def run(self) -> None:
        kinds: list[str] = []
        try:
            while not self.stop.wait(self.chance.uniform(*self.pause)):
                if not kinds:
                    kinds = self.chance.sample(list(self.kinds), len(self.kinds))
                kind = kinds.pop()
                self.kinds[kind]()
                self.kills[kind] += 1
                if len(self.kills) == len(self.kinds):
                    self.has_killed_all.set()
        except Exception as fault:
            self.fault = fault
            self.has_killed_all.set()  # as many as it can

    def _worker(self) -> None:
        if workers := self.place.service.workers():
            _kill(self.chance.choice(workers))

    def _server(self) -> None:
        self.place.service.kill()
        time.sleep(self.chance.uniform(0, 0.3))
        self.place.service.start()

    def _postgresql(self) -> None:
        """Kill the postmaster, and half of the time its children with it, which else end by themselves."""
        self._restart(at_once=self.chance.random() < 0.5)

    def _amid_commits(self) -> None:
        """Kill it when bookings are durable and their clients do not know: the moment that is too short to be hit.

        A commit waits for a standby that does not exist after it was written, and before it is answered.
        """
        self.place.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        self.place.run("SELECT pg_reload_conf()")
        time.sleep(self.chance.uniform(0.05, 0.2))
        self._restart(at_once=True)
        self.place.run("ALTER SYSTEM RESET synchronous_standby_names")
        self.place.run("SELECT pg_reload_conf()")

    def _restart(self, *, at_once: bool) -> None:
        assert self.place.postgres
        postmaster = self.place.postgres.process
        children = _children(postmaster.pid)
        postmaster.kill()
        if at_once:
            for child in children:
                _kill(child)
        postmaster.wait()
        time.sleep(self.chance.uniform(0, 0.3))
        # A new postmaster refuses to start while a child of the old one has the shared memory.
        _wait_until_gone(children)
        self.place.postgres.start()

    def _backend(self) -> None:
        """Kill one process of PostgreSQL that serves a connection: then it ends all others, and recovers."""
        assert self.place.postgres
        backends = [pid for pid in _children(self.place.postgres.process.pid) if _serves_a_connection(pid)]
        if backends:
            _kill(self.chance.choice(backends))


def _connected(postgres: Server) -> psycopg.Connection[Any]:
    """Connect, as soon as it has recovered."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return psycopg.connect(postgres.url, autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _instant(written: datetime | str) -> int:
    """Read a moment, which SQLite gives as text, and both without an offset or in UTC."""
    moment = datetime.fromisoformat(written) if isinstance(written, str) else written
    return by_the_monotonic_clock(moment.replace(tzinfo=moment.tzinfo or UTC))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _serves_a_connection(pid: int) -> bool:
    with suppress(OSError):
        return b"127.0.0.1" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(_is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired("the old PostgreSQL's children", 30)
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    """Tell whether it runs; one that ended, and that nobody has asked for its status, does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False
