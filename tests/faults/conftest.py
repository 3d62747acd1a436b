"""One PostgreSQL, one service on it, and another that reaches it over a wire that can fail."""

import dataclasses
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cinema import Cinema, database_url, make_database, open_cinema
from tests.faults.proxy import Proxy
from tests.postgres import Server, server
from tests.service import Service, serving


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server() as postgres:
        make_database(postgres)
        yield postgres


@pytest.fixture(scope="session")
def cinema(postgres: Server, logs: Path) -> Iterator[Cinema]:
    _allow_many_connections()
    service = Service(database_url=database_url(postgres.port), log=logs / "service.log")
    service.manage("migrate", "--verbosity", "0")
    with serving(service):
        cinema = Cinema(service, postgres)
        open_cinema(cinema)
        yield cinema


def _allow_many_connections() -> None:
    """Open as many files as we may, and the servers that we start: a flood has thousands of connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.fixture(scope="session")
def wire(postgres: Server) -> Iterator[Proxy]:
    proxy = Proxy(postgres.port)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def wired(cinema: Cinema, wire: Proxy, logs: Path) -> Iterator[Cinema]:
    """The same cinema, served by processes whose connections go over the wire."""
    service = Service(database_url=database_url(wire.port), log=logs / "wired.log")
    with serving(service):
        yield dataclasses.replace(cinema, service=service)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tell what was measured; ``pytest -s`` shows it."""
    return lambda words: print(f"\n    {request.node.name}: {words}", end="")
