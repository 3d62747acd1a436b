"""What Prometheus is told: figures that are right whichever process is asked, and nothing to strangers."""

import asyncio
import http.client
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.http import Http404
from django.test import Client, RequestFactory

from core.observability import metrics
from core.server.pool import WorkerPool
from tests.core.test_settings import GOOD, production
from tests.postgres import server
from tests.service import ROOT, Service, serving

TOKEN = "t" * 32


class Asked:
    """A service, and what it tells those who know the token."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def send(self, method: str, path: str, body: Any = None, bearer: str = "", **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=10)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers |= {"Authorization": f"Bearer {bearer}"} if bearer else {}
        connection.request(method, path, content, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def figures(self) -> dict[str, float]:
        status, told = self.send("GET", "/metrics", bearer=TOKEN)
        assert status == 200
        return read(told)


def read(told: bytes) -> dict[str, float]:
    lines = [line for line in told.decode().splitlines() if not line.startswith("#")]
    return {name: float(figure) for name, figure in (line.rsplit(" ", 1) for line in lines)}


def until(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):  # whoever is killed takes the connections in its hands with it
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError("it has not come true")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("figures")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Asked]:
    home = tmp_path_factory.mktemp("service")
    service = Service(
        database_url=f"sqlite:///{home / 'db.sqlite3'}",
        log=home / "log",
        settings={"METRICS_TOKEN": TOKEN, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )
    service.manage("migrate", "--verbosity", "0")
    with serving(service):
        asked = Asked(service)
        until(lambda: asked.figures()["tickets_workers"] == 2)
        yield asked


class TestWhoMayAsk:
    def test_whoever_knows_the_token(self, asked: Asked) -> None:
        assert asked.send("GET", "/metrics", bearer=TOKEN)[0] == 200
        assert asked.send("GET", "/metrics/", bearer=TOKEN)[0] == 200

    @pytest.mark.parametrize(
        ("method", "bearer"),
        [("GET", ""), ("GET", "x"), ("GET", TOKEN + "t"), ("GET", TOKEN[1:]), ("GET", "\xe9" * 32), ("POST", TOKEN)],
    )
    def test_to_everybody_else_there_is_no_such_address(self, asked: Asked, method: str, bearer: str) -> None:
        assert asked.send(method, "/metrics", bearer=bearer) == asked.send(method, "/nowhere", bearer=bearer)
        assert asked.send(method, "/metrics", bearer=bearer)[0] == 404

    def test_without_a_token_of_its_own_nobody(self, client: Client) -> None:
        answer = client.get("/metrics", headers={"Authorization": "Bearer "})
        assert answer.status_code == 404
        assert answer.content == client.get("/nowhere").content

    def test_a_token_that_could_be_guessed_does_not_start(self) -> None:
        assert "METRICS_TOKEN is shorter than 32" in production(**GOOD, METRICS_TOKEN="t" * 31).stderr


class TestSeveralProcesses:
    def test_whoever_is_asked_tells_of_all(self, asked: Asked, folder: Path) -> None:
        name = 'tickets_requests_total{method="GET",route="livez",status="200"}'
        before = asked.figures()[name]
        for _ in range(40):
            asked.send("GET", "/livez")
        assert {asked.figures()[name] for _ in range(10)} == {before + 40}
        answered = [b"livez" in path.read_bytes() for path in folder.glob("counter_*.db")]
        assert answered.count(True) == 2, "one process has answered all of them, which proves nothing"

    def test_a_request_is_counted_by_the_name_of_its_address(self, asked: Asked) -> None:
        before = asked.figures()
        for path in ("/movies", "/movies/", "/api/movies/?limit=5", "/movies/1/", "/nobody/knows/this"):
            asked.send("GET", path)
        asked.send("PROPFIND", "/movies/")
        rise = {name: figure - before.get(name, 0) for name, figure in asked.figures().items()}
        assert rise['tickets_requests_total{method="GET",route="movies",status="200"}'] == 3
        assert rise['tickets_requests_total{method="GET",route="movie",status="404"}'] == 1
        assert rise['tickets_requests_total{method="GET",route="other",status="404"}'] == 1
        assert rise['tickets_requests_total{method="other",route="movies",status="405"}'] == 1
        assert rise['tickets_request_seconds_count{method="GET",route="movies"}'] == 3
        assert rise['tickets_request_seconds_bucket{le="+Inf",method="GET",route="movies"}'] == 3
        assert not re.search("/|knows|PROPFIND", "".join(rise))

    def test_what_the_server_refuses_is_counted(self, asked: Asked) -> None:
        assert asked.send("POST", "/login", b"x" * 70_000)[0] == 413
        assert asked.figures()['tickets_server_refusals_total{code="payload_too_large"}'] == 1

    def test_figures_outlive_the_processes_that_counted_them(self, asked: Asked, folder: Path) -> None:
        name = 'tickets_requests_total{method="GET",route="livez",status="200"}'
        service, before = asked.service, asked.figures()[name]
        for _ in range(2):
            old = set(service.workers())
            service.reload()
            until(lambda old=old: not old & set(service.workers()))
            until(lambda: asked.figures()["tickets_workers"] == 2)
        killed = service.workers()[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in service.workers() and len(service.workers()) == 2)
        until(lambda: asked.figures()["tickets_workers"] == 2)
        assert asked.figures()[name] >= before

    def test_what_the_dead_were_doing_is_forgotten(self, asked: Asked) -> None:
        figures = asked.figures()
        assert figures['tickets_pool_threads{pool="requests"}'] == 8  # 2 workers of 2 threads, and 2 more in each
        assert figures['tickets_pool_waiting{pool="requests"}'] == figures['tickets_pool_waiting{pool="health"}'] == 0


@pytest.fixture
def counting(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Count in this process, and give the metrics."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    settings.METRICS_TOKEN = TOKEN
    importlib.reload(metrics)
    request = RequestFactory().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    yield lambda: read(metrics.metrics(request).content)
    settings.METRICS_TOKEN = ""
    importlib.reload(metrics)


def test_operations_are_counted_by_outcome_and_door(counting: Any) -> None:
    metrics.count_operation("book", "done", "rest")
    metrics.count_operation("book", "done", "rest")
    metrics.count_operation("book", "seat_taken", "graphql")
    figures = counting()
    assert figures['tickets_operations_total{door="rest",operation="book",outcome="done"}'] == 2
    assert figures['tickets_operations_total{door="graphql",operation="book",outcome="seat_taken"}'] == 1


def test_without_a_token_no_request_is_counted(counting: Any, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    metrics.count_request("movies", "GET", 200, 0.1)
    settings.METRICS_TOKEN = TOKEN
    assert not any("movies" in name for name in counting())


def test_strangers_learn_nothing_from_the_view_itself(counting: Any) -> None:
    with pytest.raises(Http404):
        metrics.metrics(RequestFactory().get("/metrics"))


def test_operators_are_told_of_each_metric_and_of_no_other(counting: Any) -> None:
    page, _, former = (ROOT / "docs" / "operations.md").read_text().partition("<!-- former names -->")
    page += former.partition("<!-- end -->")[2]
    told = {re.sub("_(total|bucket)$", "", name) for name in re.findall(r"tickets_\w+", page)}
    assert told == {metric.name for metric in metrics.REGISTRY.collect()}


def test_a_pool_tells_who_waits_and_how_long_its_threads_worked(counting: Any) -> None:
    may_end = threading.Event()

    async def crowd() -> dict[str, float]:
        pool = WorkerPool("requests", 1)
        asked = [pool.run(may_end.wait) for _ in range(3)]
        while counting()['tickets_pool_waiting{pool="requests"}'] > 2:
            await asyncio.sleep(0.01)
        figures = counting()
        may_end.set()
        await asyncio.gather(*asked)
        pool.close()
        return dict(figures)

    during = asyncio.run(crowd())
    assert during['tickets_pool_threads{pool="requests"}'] == 1
    assert during['tickets_pool_waiting{pool="requests"}'] == 2
    after = counting()
    assert after['tickets_pool_waiting{pool="requests"}'] == 0
    assert after['tickets_pool_busy_seconds_total{pool="requests"}'] > 0


def test_dead_processes_keep_their_counters_and_lose_their_gauges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f"gauge_livesum_{pid}.db" for pid in (dead.pid, os.getpid())] + [f"counter_{dead.pid}.db"]
    for name in names:
        (tmp_path / name).touch()
    metrics._forget_dead_processes(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asked, str, str]]:
    """A service on the demo, the address of its database, and the customer's token."""
    folder = tmp_path_factory.mktemp("figures")
    with server() as postgres:
        settings = {"METRICS_TOKEN": TOKEN, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
        service = Service(database_url=postgres.url, log=folder / "log", settings=settings)
        credentials = {"username": "customer", "password": service.prepare()["customer"]}
        with serving(service):
            asked = Asked(service)
            token = json.loads(asked.send("POST", "/login", credentials)[1])["access"]
            yield asked, postgres.url, token


@pytest.mark.only("postgresql")
class TestOnPostgreSQL:
    def test_a_lock_that_was_not_had_at_once(self, cinema: tuple[Asked, str, str]) -> None:
        asked, url, token = cinema
        ((show, seat),) = free_seats(url, 1)
        with psycopg.connect(url) as staff:
            staff.execute("SELECT 1 FROM catalog_show WHERE id = %s FOR UPDATE", [show])
            threading.Timer(0.4, staff.rollback).start()
            answer = asked.send("POST", f"/shows/{show}/book/", {"seat_number": seat}, token)
        assert answer[0] == 201, answer
        figures = asked.figures()
        assert figures["tickets_lock_timeouts_total"] == figures["tickets_request_retries_total"] > 0
        assert figures['tickets_request_seconds_count{method="POST",route="book"}'] == 1

    def test_bookings_are_counted_by_outcome_and_door(self, cinema: tuple[Asked, str, str]) -> None:
        asked, url, token = cinema
        before = asked.figures()
        (show, one), (_, other) = free_seats(url, 2)
        asked.send("POST", f"/shows/{show}/book/", {"seat_number": one}, token)
        asked.send("POST", f"/shows/{show}/book/", {"seat_number": one}, token)
        for _ in range(2):
            key = {"Idempotency-Key": "k"}
            asked.send("POST", f"/shows/{show}/book/", {"seat_number": other}, token, **key)
        wanted = {"showId": b64encode(f"Show:{show}".encode()).decode(), "seatNumber": one}
        mutation = "mutation($input: BookSeatInput!) { bookSeat(input: $input) { __typename } }"
        asked.send("POST", "/graphql/", {"query": mutation, "variables": {"input": wanted}}, token)
        rise = {name: figure - before.get(name, 0) for name, figure in asked.figures().items() if "operations" in name}
        assert {name: figure for name, figure in rise.items() if figure} == {
            'tickets_operations_total{door="rest",operation="book",outcome="done"}': 2,
            'tickets_operations_total{door="rest",operation="book",outcome="replayed"}': 1,
            'tickets_operations_total{door="rest",operation="book",outcome="seat_taken"}': 1,
            'tickets_operations_total{door="graphql",operation="book",outcome="seat_taken"}': 1,
        }


def free_seats(url: str, count: int) -> list[tuple[int, int]]:
    """Find seats that nobody has, in the last show of the demo."""
    with psycopg.connect(url) as session:
        return session.execute(
            """
            SELECT show.id, seat FROM catalog_show AS show, generate_series(1, show.total_seats) AS seat
            WHERE NOT EXISTS (
                SELECT 1 FROM reservations_booking WHERE show_id = show.id AND seat_number = seat
                AND status IN ('booked', 'held', 'blocked')
            ) ORDER BY show.date_time DESC, show.id LIMIT %s
            """,
            [count],
        ).fetchall()
