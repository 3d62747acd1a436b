"""What Prometheus is told: figures that are right whichever process is asked, and nothing to strangers."""

import asyncio
import http.client
import json
import os
import re
import signal
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from core.server.gate import Lane
from django.db import OperationalError
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import resolve
from prometheus_client import values

from core.database import durable_transaction
from core.errors import NotFound
from core.observability import metrics
from core.observability.metrics import counted
from tests.core.test_settings import GOOD, production, run
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
        settings={"METRICS_TOKEN": TOKEN, "METRICS_FOLDER": str(folder), "THROTTLE_REFRESH": "1/hour"},
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

    def test_and_then_nothing_is_imported_for_it(self) -> None:
        loaded = run("-c", "import core.asgi, sys; print('prometheus_client' in sys.modules)", **GOOD)
        assert loaded.stdout.strip() == "False", loaded.stderr

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
        asked.send("BREW", "/movies/")
        rise = {name: figure - before.get(name, 0) for name, figure in asked.figures().items()}
        assert rise['tickets_requests_total{method="GET",route="movies",status="200"}'] == 3
        assert rise['tickets_requests_total{method="GET",route="movie",status="404"}'] == 1
        assert rise['tickets_requests_total{method="GET",route="other",status="404"}'] == 1
        assert rise['tickets_requests_total{method="other",route="movies",status="405"}'] == 1
        assert rise['tickets_request_seconds_count{method="GET",route="movies"}'] == 3
        assert rise['tickets_request_seconds_bucket{le="+Inf",method="GET",route="movies"}'] == 3
        assert not re.search("/|knows|BREW", "".join(rise))

    def test_what_the_gate_and_the_budgets_refuse_is_counted(self, asked: Asked) -> None:
        assert asked.send("POST", "/login", b"x" * 70_000)[0] == 413
        assert {asked.send("POST", "/token/refresh/", {"refresh": "x"})[0] for _ in range(3)} == {401, 429}
        figures = asked.figures()
        assert figures['tickets_gate_refusals_total{code="payload_too_large"}'] == 1
        assert figures['tickets_throttled_total{budget="refresh"}'] == 2

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
        assert len(list(folder.glob("slot-*"))) <= 3, "two, and one for a successor while its predecessor ends"

    def test_what_the_dead_were_doing_is_forgotten(self, asked: Asked) -> None:
        figures = asked.figures()
        assert figures['tickets_lane_threads{lane="answers"}'] == 4
        assert figures['tickets_lane_busy{lane="answers"}'] == figures['tickets_lane_waiting{lane="answers"}'] == 0
        assert figures['tickets_lane_busy{lane="health"}'] == 1  # whoever asked


@pytest.fixture
def counting(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Count in this process, and tell the figures."""
    settings.METRICS_TOKEN, settings.METRICS_FOLDER = TOKEN, ""
    monkeypatch.setattr(metrics, "_figures", None)
    monkeypatch.setattr(metrics, "_registry", None)
    metrics.start()
    asked = RequestFactory().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    yield lambda: read(metrics.metrics(asked).content)
    metrics._outcomes.set(None)


class TestSlots:
    def test_are_taken_by_one_process_each_and_free_when_it_ends(self, tmp_path: Path) -> None:
        held = []
        for wanted in (0, 1, 2):
            assert metrics._take_slot(tmp_path) == wanted
            held.append(metrics._slot)
        (tmp_path / "gauge_livesum_1.db").touch()
        (tmp_path / "gauge_livesum_2.db").touch()
        held[1].close()
        metrics._forget_who_has_ended(tmp_path)
        assert [path.name for path in tmp_path.glob("gauge_*")] == ["gauge_livesum_2.db"]
        assert metrics._take_slot(tmp_path) == 1
        for file in (*held, metrics._slot):
            file.close()

    def test_a_process_goes_on_where_an_earlier_one_has_ended(
        self, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.METRICS_TOKEN, settings.METRICS_FOLDER = TOKEN, str(tmp_path)
        monkeypatch.setattr(values, "ValueClass", values.ValueClass)
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
        for life in (1, 2):
            monkeypatch.setattr(metrics, "_figures", None)
            metrics.start()
            metrics.count_request("GET", resolve("/movies/"), 200, 0.02)
            asked = RequestFactory().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            figures = read(metrics.metrics(asked).content)
            assert figures['tickets_requests_total{method="GET",route="movies",status="200"}'] == life
            assert figures['tickets_request_seconds_bucket{le="0.025",method="GET",route="movies"}'] == life
            assert figures["tickets_workers"] == 1
            metrics._slot.close()
        monkeypatch.setattr(metrics, "_figures", None)


class TestVerbs:
    @pytest.mark.parametrize(("path", "door"), [("/shows/1/book/", "rest"), ("/graphql/", "graphql")])
    def test_are_counted_with_what_came_of_them(self, counting: Any, path: str, door: str) -> None:
        for outcome in (None, NotFound(), ZeroDivisionError()):
            metrics.begin_try()
            ask(outcome)
            metrics.end_try(resolve(path), missed_a_lock=False, comes_again=False)
        verbs = {name: figure for name, figure in counting().items() if name.startswith("tickets_verbs")}
        assert verbs == {
            f'tickets_verbs_total{{door="{door}",outcome="{outcome}",verb="ask"}}': 1
            for outcome in ("done", "not_found", "fault")
        }

    def test_an_outcome_that_is_told_again_is_not_done_again(self, counting: Any) -> None:
        refusal = NotFound()
        refusal.replayed = True
        metrics.begin_try()
        ask(refusal)
        metrics.end_try(None, missed_a_lock=False, comes_again=False)
        assert counting()['tickets_verbs_total{door="rest",outcome="replayed",verb="ask"}'] == 1

    def test_a_try_that_comes_again_is_nobodys_outcome(self, counting: Any) -> None:
        for comes_again in (True, False):
            metrics.begin_try()
            ask(NotFound() if comes_again else None)
            metrics.end_try(None, missed_a_lock=comes_again, comes_again=comes_again)
        figures = counting()
        assert figures["tickets_locks_missed_total"] == figures["tickets_came_again_total"] == 1
        assert [name for name in figures if "verbs" in name] == [
            'tickets_verbs_total{door="rest",outcome="done",verb="ask"}'
        ]

    def test_nothing_is_kept_of_what_no_request_asked_for(self, counting: Any) -> None:
        ask(None)
        assert not [name for name in counting() if "verbs" in name]


def ask(outcome: Exception | None) -> None:
    @counted("ask")
    def verb() -> None:
        if outcome:
            raise outcome

    with suppress(NotFound, ZeroDivisionError):
        verb()


def test_strangers_learn_nothing_from_the_view_itself(counting: Any) -> None:
    with pytest.raises(Http404):
        metrics.metrics(RequestFactory().get("/metrics"))


def test_operators_are_told_of_each_figure_and_of_no_other(counting: Any) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    told = {re.sub("_(total|bucket)$", "", name) for name in re.findall(r"tickets_\w+", page)}
    assert told == {figure.name for figure in metrics._registry.collect()}


def test_a_lane_tells_who_waits_and_who_is_answered(counting: Any) -> None:
    may_end = threading.Event()

    async def crowd() -> dict[str, float]:
        lane = Lane("answers", 1)
        asked = [lane.take(may_end.wait) for _ in range(3)]
        while counting()['tickets_lane_busy{lane="answers"}'] < 1:
            await asyncio.sleep(0.01)
        figures = counting()
        may_end.set()
        await asyncio.gather(*asked)
        lane.close()
        return dict(figures)

    during = asyncio.run(crowd())
    assert during['tickets_lane_threads{lane="answers"}'] == during['tickets_lane_busy{lane="answers"}'] == 1
    assert during['tickets_lane_waiting{lane="answers"}'] == 2
    after = counting()
    assert after['tickets_lane_busy{lane="answers"}'] == after['tickets_lane_waiting{lane="answers"}'] == 0
    assert after['tickets_lane_busy_seconds_total{lane="answers"}'] > 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("sqlstate", "reason"), [("40P01", "deadlock"), ("40001", "serialization")])
def test_a_transaction_that_is_begun_anew_is_counted(counting: Any, sqlstate: str, reason: str) -> None:
    faults = [psycopg.errors.lookup(sqlstate)()]

    @durable_transaction
    def verb() -> None:
        if faults:
            raise OperationalError from faults.pop()

    verb()
    assert counting()[f'tickets_retries_total{{reason="{reason}"}}'] == 1


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asked, str, str]]:
    """A service on the demo, the address of its database, and the customer's token."""
    folder = tmp_path_factory.mktemp("figures")
    with server() as postgres:
        settings = {"METRICS_TOKEN": TOKEN, "METRICS_FOLDER": str(folder)}
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
            assert asked.send("POST", f"/shows/{show}/book/", {"seat_number": seat}, token)[0] == 201
        figures = asked.figures()
        assert figures["tickets_locks_missed_total"] == figures["tickets_came_again_total"] > 0
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
        rise = {name: figure - before.get(name, 0) for name, figure in asked.figures().items() if "verbs" in name}
        assert {name: figure for name, figure in rise.items() if figure} == {
            'tickets_verbs_total{door="rest",outcome="done",verb="book"}': 2,
            'tickets_verbs_total{door="rest",outcome="replayed",verb="book"}': 1,
            'tickets_verbs_total{door="rest",outcome="seat_taken",verb="book"}': 1,
            'tickets_verbs_total{door="graphql",outcome="seat_taken",verb="book"}': 1,
        }


def free_seats(url: str, count: int) -> list[tuple[int, int]]:
    """Find seats that nobody has, in the last show of the demo."""
    with psycopg.connect(url) as session:
        return session.execute(
            """
            SELECT show.id, seat FROM catalog_show AS show, generate_series(1, show.total_seats) AS seat
            WHERE NOT EXISTS (
                SELECT 1 FROM reservations_booking WHERE show_id = show.id AND seat_number = seat AND status = 'booked'
            ) ORDER BY show.date_time DESC, show.id LIMIT %s
            """,
            [count],
        ).fetchall()
