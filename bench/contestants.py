"""Who is measured: servers of the application and of the baseline, each with its database, its accounts and doors."""

import http.client
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from bench.data import BOOKERS, Database
from bench.doors import request
from bench.limit import Limit, create_database
from bench.load import Loader
from bench.watchers import Watchers
from tests.postgres import Server
from tests.service import Service

PASSWORD = "correct horse battery"  # noqa: S105
TOKENS_HOLD = 8 * 60  # seconds, of the application's fifteen minutes
FILM_SHOWS = 200
PATIENCE = 20  # seconds for a login

_PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "the benchmark serves on loopback and nothing else " * 2,
    "JWT_SIGNING_KEY": "the benchmark signs tokens for nobody but itself " * 2,
    "ALLOWED_HOSTS": "127.0.0.1",
    "NUM_PROXIES": "1",
    "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
}
_BASELINE = {"DJANGO_SETTINGS_MODULE": "bench.baseline.settings", "DJANGO_SUPERUSER_PASSWORD": PASSWORD}


@dataclass
class Site:
    """A running server, and the database behind it."""

    service: Service
    database: Database
    _tokens: tuple[list[str], str] | None = None
    _since: float = 0

    def tokens(self) -> list[str]:
        """Give an access token of each of those who book."""
        return self._log_in()[0]

    def reader(self) -> str:
        """Give an access token of the account with the 200 bookings."""
        return self._log_in()[1]

    def _log_in(self) -> tuple[list[str], str]:
        if self._tokens is None or time.monotonic() - self._since > TOKENS_HOLD:
            names = ["reader", *(f"booker{number}" for number in range(1, BOOKERS + 1))]
            with ThreadPoolExecutor(4) as pool:
                reader, *bookers = pool.map(self._token, names)
            self._tokens, self._since = (bookers, reader), time.monotonic()
        return self._tokens

    def _token(self, name: str) -> str:
        asked = request("POST", "/login", body={"username": name, "password": PASSWORD})
        for _ in range(PATIENCE):
            status, _, body = self.ask(asked)
            if status != 503:  # which a machine that has other work may make of a storm of logins
                break
            time.sleep(1)
        assert status == 200, f"{name} can't log in: {status} {body[:200]!r}"
        return str(json.loads(body)["access"])

    def ask(self, asked: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send one request, and give the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        connection.connect()
        try:
            connection.sock.sendall(asked)
            answer = http.client.HTTPResponse(connection.sock)
            answer.begin()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def answer(self, asked: bytes) -> Any:
        """Send one request, and give what the answer says."""
        return json.loads(self.ask(asked)[2])

    def processor_time(self) -> float:
        return processor_time(self.service.process.pid)


class Arena:
    """The database server and whoever was asked for so far; all of it ends with the block."""

    def __init__(self, server: Server, home: Path, say: Callable[[str], None]) -> None:
        self.server = server
        self._home = home
        self._say = say
        self._running = ExitStack()
        self.sites: dict[str, Site] = {}
        """Those that run, each with a database of its own."""

    def __enter__(self) -> "Arena":
        self.loader = self._running.enter_context(Loader())
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def processor_time(self) -> float:
        return processor_time(self.server.process.pid)

    @property
    def ours(self) -> Site:
        return self.grown("ours", FILM_SHOWS, 0)

    def grown(self, name: str, shows: int, bookings: int) -> Site:
        """Serve the application on a database of this name, with so many bookings in it."""
        if name in self.sites:
            return self.sites[name]
        return self.fresh(name, lambda database: database.furnish(shows=shows, bookings=bookings))

    @cached_property
    def alone(self) -> Site:
        """One process more that serves the application's database."""
        self._say("starting the application in one process …")
        service = Service(
            database_url=self.ours.database.url, log=self._home / "alone.log", settings=_PRODUCTION, workers=1
        )
        self._start(service)
        return Site(service, self.ours.database)

    @cached_property
    def watchers(self) -> Watchers:
        return self._running.enter_context(Watchers())

    def fresh(self, name: str, furnish: Callable[[Database], object]) -> Site:
        """Serve the application on a new database of this name, once it is furnished."""
        self._say(f"starting the application on the database {name} …")
        service = Service(
            database_url=create_database(self.server, name), log=self._home / f"{name}.log", settings=_PRODUCTION
        )
        self.sites[name] = self._furnished(service, "ours", furnish)
        return self.sites[name]

    @cached_property
    def published(self) -> Site:
        self._say("starting the baseline …")
        service = self._baseline("baseline", create_database(self.server, "baseline"), persistent=False)
        self.sites["baseline"] = self._furnished(
            service, "baseline", lambda database: database.furnish(shows=FILM_SHOWS)
        )
        return self.sites["baseline"]

    @cached_property
    def persistent(self) -> Site:
        """The same database as the baseline's, and the same tokens, under another setting."""
        published = self.published
        service = self._baseline("persistent", published.database.url, persistent=True)
        self._start(service)
        return Site(service, published.database, published._log_in(), float("inf"))  # they hold for hours

    @cached_property
    def limit(self) -> Limit:
        home = self._home / "pgbench"
        home.mkdir()
        return Limit(self.server, self.ours.service, self.ours.database, self.ours.tokens()[0], home)

    def _baseline(self, name: str, url: str, *, persistent: bool) -> Service:
        return Service(
            database_url=url,
            log=self._home / f"{name}.log",
            settings={**_BASELINE, "PERSISTENT": str(int(persistent))},
            command=[sys.executable, "-m", "bench.baseline.serve"],
        )

    def _furnished(self, service: Service, app: str, furnish: Callable[[Database], object]) -> Site:
        service.manage("migrate", "--verbosity", "0")
        if app == "baseline":  # it has no migrations; its tables refer to those just made
            service.manage("migrate", "--run-syncdb", "--verbosity", "0")
        service.manage("createsuperuser", "--noinput", "--username", "reader", "--email", "", "--verbosity", "0")
        database = Database(service.environment["DATABASE_URL"], app)
        self._running.callback(database.close)
        furnish(database)
        self._start(service)
        return Site(service, database)

    def _start(self, service: Service) -> None:
        self._running.callback(_stop, service)
        service.start()


def _stop(service: Service) -> None:
    if hasattr(service, "process"):
        service.stop()


def processor_time(root: int) -> float:
    """Give the seconds of processor that a process and all below it have used, those that ended included."""
    total = 0.0
    try:
        parent = psutil.Process(root)
        for process in [parent, *parent.children(recursive=True)]:
            try:
                spent = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += spent.user + spent.system + spent.children_user + spent.children_system
    except psutil.NoSuchProcess:
        return 0.0
    return total
