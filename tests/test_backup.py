"""What docs/operations.md says of backing up and restoring, done: the seats that were sold are sold afterwards."""

import json
import os
import pwd
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Server, server
from tests.service import Service, serving

pytestmark = pytest.mark.only("postgresql")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_folder_of_the_server(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Iterator[tuple[Server, Service, str]]:
    """A server that archives its log, the demo on it, and the customer's password."""
    postgres = Server(reachable(tmp_path_factory.mktemp("original")))
    configure(postgres, archive_mode="on", archive_command=f"test ! -f {archive}/%f && cp %p {archive}/%f")
    with running(postgres):
        service = Service(database_url=postgres.url, log=postgres.home / "service.log", workers=1)
        yield postgres, service, service.prepare()["customer"]


def test_a_dump_is_restored_into_a_fresh_server(cinema: tuple[Server, Service, str], tmp_path: Path) -> None:
    postgres, service, password = cinema
    with serving(service):
        token = log_in(service, password)
        sold, free = free_seats(postgres.url)
        assert book(service, token, sold) == 201
    before = rows(postgres.url)
    dump = tmp_path / "tickets.dump"
    client(postgres, "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={postgres.url}")
    with server() as fresh:
        client(
            fresh,
            "pg_restore",
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            "--single-transaction",
            f"--dbname={fresh.url}",
            str(dump),
        )
        client(fresh, "vacuumdb", "--analyze-only", f"--dbname={fresh.url}")
        assert rows(fresh.url) == before
        restored = Service(database_url=fresh.url, log=tmp_path / "log", workers=1)
        assert "No migrations to apply" in restored.manage("migrate")
        with serving(restored):
            assert book(restored, token, sold) == 409, "the seat that was sold before is sold"
            assert book(restored, log_in(restored, password), free) == 201
        assert rows(fresh.url)["reservations_booking"] == before["reservations_booking"] + 1


def test_a_base_backup_and_the_log_lead_back_to_a_moment(
    cinema: tuple[Server, Service, str], archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    postgres, service, password = cinema
    copy = Server(reachable(tmp_path_factory.mktemp("copy")))
    empty(copy.data)
    copy._run("pg_basebackup", f"--dbname={postgres.url}", f"--pgdata={copy.data}", "--checkpoint=fast")
    sold, free = free_seats(postgres.url)
    with serving(service):
        assert book(service, log_in(service, password), sold) == 201
    before = rows(postgres.url)
    with psycopg.connect(postgres.url, autocommit=True) as staff:
        (moment,) = staff.execute("SELECT clock_timestamp()").fetchone() or ()
        time.sleep(0.1)
        staff.execute("TRUNCATE reservations_booking CASCADE")  # the accident
        (last,) = staff.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or ()
    wait_for(archive / last)
    configure(
        copy,
        archive_mode="off",
        restore_command=f"cp {archive}/%f %p",
        recovery_target_time=moment.isoformat(),
        recovery_target_action="promote",
    )
    (copy.data / "recovery.signal").touch()
    with running(copy):
        wait_until_it_takes_writes(copy)
        assert rows(copy.url) == before
        restored = Service(database_url=copy.url, log=copy.home / "service.log", workers=1)
        with serving(restored):
            token = log_in(restored, password)
            assert book(restored, token, sold) == 409
            assert book(restored, token, free) == 201


# --- A client of the service ---------------------------------------------------------------------


def log_in(service: Service, password: str) -> str:
    _, answer = send(service, "/login", {"username": "customer", "password": password})
    return str(answer["access"])


def book(service: Service, token: str, seat: tuple[int, int]) -> int:
    return send(service, f"/shows/{seat[0]}/book/", {"seat_number": seat[1]}, token)[0]


def send(service: Service, path: str, body: dict[str, object], token: str = "") -> tuple[int, dict[str, object]]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(service.origin + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


# --- The servers -----------------------------------------------------------------------------------


def rows(url: str) -> dict[str, int]:
    """Count the rows of each table that holds what people did."""
    tables = ("core_user", "catalog_movie", "catalog_show", "reservations_booking", "django_migrations")
    with psycopg.connect(url) as session:
        return {table: (session.execute(f"SELECT count(*) FROM {table}").fetchone() or [0])[0] for table in tables}


def free_seats(url: str) -> list[tuple[int, int]]:
    """Give two seats of the demo that nobody has, of the last show."""
    with psycopg.connect(url) as session:
        return session.execute(
            """
            SELECT show.id, seat FROM catalog_show AS show, generate_series(1, show.total_seats) AS seat
            WHERE NOT EXISTS (
                SELECT 1 FROM reservations_booking
                WHERE show_id = show.id AND seat_number = seat AND status IN ('booked', 'held', 'blocked')
            ) ORDER BY show.date_time DESC, show.id LIMIT 2
            """
        ).fetchall()


def client(postgres: Server, program: str, *arguments: str) -> None:
    subprocess.run([postgres.bin / program, *arguments], check=True, capture_output=True, timeout=60)


def empty(folder: Path) -> None:
    for inside in folder.iterdir():
        shutil.rmtree(inside) if inside.is_dir() else inside.unlink()


def configure(postgres: Server, **settings: str) -> None:
    with (postgres.data / "postgresql.auto.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())


@contextmanager
def running(postgres: Server) -> Iterator[None]:
    postgres.start()
    try:
        yield
    finally:
        postgres.stop()


def reachable(folder: Path) -> Path:
    """Let the server's own user pass through the folders that pytest keeps to itself."""
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o755)
    return folder


def a_folder_of_the_server(folder: Path) -> Path:
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return reachable(folder)


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} was not archived"
        time.sleep(0.1)


def wait_until_it_takes_writes(postgres: Server) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with psycopg.connect(postgres.url, autocommit=True) as session:
            if session.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,):
                return
        time.sleep(0.1)
    raise AssertionError("it is in recovery still")
