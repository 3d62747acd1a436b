"""The database is gone, silent, closed to writes or full: every address says so in time, and recovers by itself."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.faults.cinema import Cinema, lock_waits, wait_until
from tests.faults.load import Answer, Request, ask_all
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.only("postgresql")

SAYS_SO = 3.0
SAYS_SO_WHERE_PACKETS_ARE_LOST = 5.0
BACK = 2.0
AT_ONCE = 4  # as many as there are threads


def test_a_stopped_server_is_told_at_every_address(cinema: Cinema, figure: Callable[[str], None]) -> None:
    kinds = cinema.each_kind()
    with _stopped(cinema):
        answers = {kind: cinema.ask(request) for kind, request in kinds.items()}
        alive, ready = cinema.ask(Request("GET", "/livez")), cinema.ask(Request("GET", "/readyz"))
    seconds = cinema.is_back(cinema.book(), within=BACK)
    _assert_unavailable(answers, SAYS_SO)
    assert alive.status == 200
    assert (ready.status, ready.code) == (503, "database_unavailable")
    figure(f"told within {max(answer.seconds for answer in answers.values()):.2f} s, back after {seconds:.2f} s")
    assert all(cinema.ask(request).ok for request in kinds.values())


def test_a_server_that_stops_under_requests_is_told_to_them(cinema: Cinema, figure: Callable[[str], None]) -> None:
    answers: list[Answer] = []
    requests = [cinema.book(cinema.shows[0], 4), cinema.cancel(cinema.ask(cinema.book(cinema.shows[0], 5)).json["id"])]
    waiting = threading.Thread(target=lambda: answers.extend(ask_all(cinema.service.port, requests)))
    staff = cinema.session(autocommit=False)
    staff.execute("SELECT 1 FROM catalog_show WHERE id = %s FOR UPDATE", [cinema.shows[0]])
    with cinema.session() as session:
        waiting.start()
        wait_until(lambda: lock_waits(session) == len(requests), within=1.5)
    with _stopped(cinema):
        staff.close()
        waiting.join()
    seconds = cinema.is_back(cinema.list_movies(), within=BACK)
    figure(f"told within {max(answer.seconds for answer in answers):.2f} s, back after {seconds:.2f} s")
    # A request that was between two attempts may be done after the restart; what is answered must be so.
    refused = [answer for answer in answers if not answer.ok]
    assert {answer.status for answer in refused} <= {503}
    assert {answer.code for answer in refused} <= {"database_unavailable", "outcome_unknown"}
    assert max(answer.seconds for answer in answers) <= SAYS_SO
    assert cinema.booked(cinema.shows[0], 4) == sum(answer.status == 201 for answer in answers)


def test_lost_packets_are_told_at_every_address(wired: Cinema, wire: Proxy, figure: Callable[[str], None]) -> None:
    kinds = wired.each_kind()
    _warm_up(wired)
    try:
        answers = _answers_on_a_silent_wire(wired, wire, kinds)
        seconds = wired.is_back(wired.book(), within=BACK)
    finally:
        wire.cut()  # whatever waits on it, so that the next test finds a service that answers
    alive = answers.pop("livez")
    figure(f"{ {name: round(answer.seconds, 2) for name, answer in answers.items()} } s, back after {seconds:.2f} s")
    # Whoever sent a write and heard nothing can't promise that nothing happened.
    unknown = {kind for kind in ("book", "cancel", "mutation") if answers[kind].code == "outcome_unknown"}
    # And whoever stood behind them, while every thread waited for the database, was let in nowhere.
    told = {kind: answer for kind, answer in answers.items() if answer.code != "overloaded"}
    _assert_unavailable(told, SAYS_SO_WHERE_PACKETS_ARE_LOST, unknown)
    assert told
    assert all(answer.status == 503 for answer in answers.values())
    assert max(answer.seconds for answer in answers.values()) <= SAYS_SO_WHERE_PACKETS_ARE_LOST
    assert alive.status == 200


def test_cut_connections_are_replaced(wired: Cinema, wire: Proxy, figure: Callable[[str], None]) -> None:
    requests = list(wired.each_kind().values())
    _warm_up(wired)
    wire.cut()
    answers = ask_all(wired.service.port, requests)
    figure(f"{max(answer.seconds for answer in answers):.2f} s")
    assert all(answer.ok for answer in answers), answers


def test_a_server_closed_to_writes_is_told_to_who_writes(cinema: Cinema, figure: Callable[[str], None]) -> None:
    kinds = cinema.each_kind()
    with _read_only(cinema):
        answers = {kind: cinema.ask(request) for kind, request in kinds.items()}
    seconds = cinema.is_back(cinema.book(), within=BACK)
    writes = {kind: answers[kind] for kind in ("book", "cancel", "login", "mutation")}
    figure(f"told within {max(answer.seconds for answer in writes.values()):.2f} s, back after {seconds:.2f} s")
    _assert_unavailable(writes, SAYS_SO)
    assert all(answers[kind].ok for kind in answers.keys() - writes.keys())


def test_a_server_without_a_connection_left_is_told(cinema: Cinema, figure: Callable[[str], None]) -> None:
    kinds = cinema.each_kind()
    with cinema.session() as session:
        session.execute("ALTER ROLE cinema CONNECTION LIMIT 0")
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cinema'")
        try:
            answers = {kind: cinema.ask(request) for kind, request in kinds.items()}
        finally:
            session.execute("ALTER ROLE cinema CONNECTION LIMIT -1")
    seconds = cinema.is_back(cinema.book(), within=BACK)
    figure(f"told within {max(answer.seconds for answer in answers.values()):.2f} s, back after {seconds:.2f} s")
    _assert_unavailable(answers, SAYS_SO)


def _assert_unavailable(answers: dict[str, Answer], within: float, unknown: Collection[str] = ()) -> None:
    told = {kind: (answer.status, answer.code) for kind, answer in answers.items()}
    assert told == {kind: (503, "outcome_unknown" if kind in unknown else "database_unavailable") for kind in answers}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers.values())
    late = {kind: answer.seconds for kind, answer in answers.items() if answer.seconds > within}
    assert not late


def _answers_on_a_silent_wire(wired: Cinema, wire: Proxy, kinds: dict[str, Request]) -> dict[str, Answer]:
    """Send the requests, a few at once and each time together with one that needs no database."""
    answers: dict[str, Answer] = {}
    wire.swallow()
    try:
        for names in (list(kinds)[:AT_ONCE], list(kinds)[AT_ONCE:]):
            requests = [kinds[name] for name in names]
            told = ask_all(wired.service.port, [*requests, Request("GET", "/livez")], patience=8)
            answers |= dict(zip([*names, "livez"], told, strict=True))
    finally:
        wire.heal()
    return answers


def _warm_up(cinema: Cinema) -> None:
    """Let each thread of the service have its connection."""
    for _ in range(3):
        ask_all(cinema.service.port, [cinema.read() for _ in range(16)])


@contextmanager
def _stopped(cinema: Cinema) -> Iterator[None]:
    cinema.postgres.stop()
    try:
        yield
    finally:
        cinema.postgres.start()


@contextmanager
def _read_only(cinema: Cinema) -> Iterator[None]:
    with cinema.session() as session:
        session.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        _reload(cinema, session, "on")
        try:
            yield
        finally:
            session.execute("ALTER SYSTEM RESET default_transaction_read_only")
            _reload(cinema, session, "off")


def _reload(cinema: Cinema, session: psycopg.Connection[Any], then: str) -> None:
    """Let the server read its configuration, and wait until it has."""
    session.execute("SELECT pg_reload_conf()")

    def is_read() -> bool:
        with cinema.session() as another:
            return another.execute("SHOW default_transaction_read_only").fetchone() == (then,)

    wait_until(is_read, within=2)
