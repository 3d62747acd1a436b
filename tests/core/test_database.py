"""What the databases' faults become, at both doors: busy, unavailable, tried again, or a mistake of ours."""

import json
import sqlite3
import time
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connection, transaction

from catalog.models import Show
from core.database import durable_transaction, refusal_of
from core.errors import Busy, DatabaseUnavailable
from core.models import User
from reservations import booking as domain
from reservations.models import Booking
from tests.conftest import make_show
from tests.interleaving import Racer

QUERY = {"query": '{ movies(search: "fault") { totalCount } }'}  # and not what is kept from another test


def fault(kind: type[Exception], words: str, sqlstate: str | None = None) -> Exception:
    raised = kind(words)
    if sqlstate:
        raised.__cause__ = psycopg.errors.lookup(sqlstate)(words)
    return raised


def fault_of_sqlite(words: str) -> Exception:
    raised = OperationalError(words)
    raised.__cause__ = sqlite3.OperationalError(words)
    return raised


class TestRefusalOf:
    @pytest.mark.parametrize("state", ["55P03", "57014", "40001", "40P01"])
    def test_is_busy_where_a_lock_was_not_had_in_time(self, state: str) -> None:
        assert isinstance(refusal_of(fault(OperationalError, "", state)), Busy)

    @pytest.mark.parametrize("state", ["53300", "57P01", "57P03", "08006", "25006", "53100", "25P03", "58030"])
    def test_is_unavailable_where_the_server_does_not_serve(self, state: str) -> None:
        assert isinstance(refusal_of(fault(InternalError, "", state)), DatabaseUnavailable)

    @pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
    def test_is_unavailable_where_no_server_answered(self, kind: type[Exception]) -> None:
        assert isinstance(refusal_of(fault(kind, "connection refused")), DatabaseUnavailable)

    @pytest.mark.parametrize(
        "words",
        [
            "attempt to write a readonly database",
            "unable to open database file",
            "disk I/O error",
            "database or disk is full",
        ],
    )
    def test_understands_sqlite(self, words: str) -> None:
        assert isinstance(refusal_of(fault_of_sqlite(words)), DatabaseUnavailable)
        assert isinstance(refusal_of(fault_of_sqlite("database is locked")), Busy)

    @pytest.mark.parametrize("words", ["no such table: x", "syntax error", "LIKE or GLOB pattern too complex"])
    def test_is_none_where_sqlite_was_asked_nonsense(self, words: str) -> None:
        assert refusal_of(fault_of_sqlite(words)) is None

    @pytest.mark.parametrize(
        ("kind", "state", "words"),
        [
            (DatabaseError, "42P01", "no such relation"),
            (DatabaseError, "22003", "out of range"),
            (DatabaseError, None, "Save with update_fields did not affect any rows."),
        ],
    )
    def test_is_none_where_the_mistake_is_ours(self, kind: type[Exception], state: str | None, words: str) -> None:
        assert refusal_of(fault(kind, words, state)) is None


@pytest.mark.django_db(transaction=True)
class TestOneTransaction:
    @pytest.mark.parametrize("state", ["40001", "40P01"])
    def test_tries_again_three_times_what_the_database_rolled_back(self, state: str) -> None:
        calls: list[int] = []

        @durable_transaction
        def verb() -> None:
            calls.append(1)
            raise fault(OperationalError, "deadlock detected", state)

        with pytest.raises(Busy):
            verb()
        assert len(calls) == 4

    def test_gives_what_a_later_try_gives(self) -> None:
        outcomes = iter([fault(OperationalError, "", "40001"), None])

        @durable_transaction
        def verb() -> str:
            if raised := next(outcomes):
                raise raised
            return "done"

        assert verb() == "done"

    @pytest.mark.parametrize("state", ["55P03", "57014", "57P01", None])
    def test_tries_nothing_else_again(self, state: str | None) -> None:
        calls: list[int] = []

        @durable_transaction
        def verb() -> None:
            calls.append(1)
            raise fault(OperationalError, "connection lost", state)

        with pytest.raises((Busy, DatabaseUnavailable)):
            verb()
        assert len(calls) == 1

    def test_leaves_nothing_of_a_verb_that_refuses(self) -> None:
        @durable_transaction
        def verb() -> None:
            User.objects.create(username="half done")
            raise Busy

        with pytest.raises(Busy):
            verb()
        assert not User.objects.exists()

    def test_is_never_part_of_another(self) -> None:
        verb = durable_transaction(lambda: None)
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            verb()


class TestFaultsAtTheDoors:
    @pytest.fixture(
        params=[
            (fault(OperationalError, "", "55P03"), "busy", 503),
            (fault_of_sqlite("database is locked"), "busy", 503),
            (fault(OperationalError, "", "57P03"), "database_unavailable", 503),
            (fault(InternalError, "", "25006"), "database_unavailable", 503),
            (fault(InterfaceError, "connection already closed"), "database_unavailable", 503),
            (fault(DatabaseError, "secret words", "42P01"), "internal_error", 500),
            (ValueError("secret words"), "internal_error", 500),
        ],
        ids=str,
    )
    def case(self, request: pytest.FixtureRequest) -> Any:
        return SimpleNamespace(raised=request.param[0], code=request.param[1], status=request.param[2])

    def test_a_verb_that_fails_is_told_alike(
        self, door: Any, alice: User, show: Show, case: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*_: Any, **__: Any) -> None:
            raise case.raised

        monkeypatch.setattr(domain, "look", failing)
        answer = door.book(alice, show.pk, 3)
        assert (answer.code, answer.status) == (case.code, case.status)
        if case.status == 503:
            assert int(answer.headers["Retry-After"]) >= 1

    @pytest.mark.only("postgresql")
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("state", [None, "08006", "57P01"])
    def test_a_connection_lost_under_a_verb_leaves_its_outcome_unknown(
        self, door: Any, alice: User, show: Show, state: str | None
    ) -> None:
        def losing(execute: Any, sql: str, *rest: Any) -> Any:
            if "INSERT INTO reservations_booking" in sql:
                raise fault(OperationalError, "server closed the connection unexpectedly", state)
            return execute(sql, *rest)

        with connection.execute_wrapper(losing):
            answer = door.book(alice, show.pk, 3)
        assert (answer.code, answer.status) == ("outcome_unknown", 503)
        assert int(answer.headers["Retry-After"]) >= 1

    def test_a_read_that_fails_is_told_alike(
        self, rest: Any, graph: Any, db: None, case: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*_: Any, **__: Any) -> None:
            raise case.raised

        monkeypatch.setattr("catalog.models.MovieQuerySet.search", failing)
        for response in (rest.send("GET", "/movies/?search=fault"), graph.send(QUERY)):
            body = json.loads(response.content)
            code = body["code"] if "code" in body else body["errors"][0]["extensions"]["code"]
            assert (code, response.status_code) == (case.code, case.status)
            assert "secret" not in response.content.decode()
            if case.status == 503:
                assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.only("postgresql")
@pytest.mark.django_db(transaction=True)
class TestLocks:
    def test_a_booking_of_a_locked_show_is_busy_in_time_and_other_shows_do_not_notice(
        self, rest: Any, alice: User, show: Show, movie: Any
    ) -> None:
        other = make_show(movie)
        with transaction.atomic():
            Show.objects.select_for_update().get(pk=show.pk)
            racer = Racer(lambda: _timed(lambda: rest.book(alice, show.pk, 3)))
            elsewhere = Racer(lambda: _timed(lambda: rest.book(alice, other.pk, 3))).finish()
            seconds, answer = racer.finish()
        assert (answer.code, answer.status) == ("busy", 503)
        assert 1.5 < seconds < 4.5  # the lock timeout, not the statement timeout
        assert elsewhere[1].ok
        assert Booking.objects.count() == 1

    def test_no_connection_is_left_in_a_transaction(self, rest: Any, alice: User, show: Show) -> None:
        rest.book(alice, show.pk, 3)
        rest.book(alice, show.pk, 3)
        assert connection.get_autocommit()


def _timed(call: Any) -> Any:
    started = time.monotonic()
    outcome = call()
    return time.monotonic() - started, outcome


@pytest.mark.only("sqlite")
@pytest.mark.django_db(transaction=True)
def test_sqlite_answers_a_crowd_without_a_fault(show: Show) -> None:
    from reservations.booking import book_seat
    from reservations.errors import SeatTaken, ShowFull
    from tests.conftest import make_user
    from tests.interleaving import all_at_once

    crowd = [make_user(f"user{number}") for number in range(8)]
    calls = [
        lambda user=user, seat=seat: book_seat(user=user, show_id=show.pk, seat_number=seat)
        for seat in range(1, 6)
        for user in crowd
    ]
    outcomes = all_at_once(calls)
    assert sum(isinstance(outcome, Booking) for outcome in outcomes) == 5
    assert all(isinstance(outcome, Booking | SeatTaken | ShowFull) for outcome in outcomes)


@pytest.mark.only("sqlite")
def test_sqlite_is_durable_and_takes_its_lock_first(db: None) -> None:
    with connection.cursor() as cursor:
        pragmas = {}
        for name in ("journal_mode", "synchronous"):
            cursor.execute(f"PRAGMA {name}")
            pragmas[name] = cursor.fetchone()[0]
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.only("postgresql")
def test_postgresql_waits_for_nothing_for_ever(db: None) -> None:
    with connection.cursor() as cursor:
        settings = {}
        for name in (
            "lock_timeout",
            "statement_timeout",
            "idle_in_transaction_session_timeout",
            "transaction_isolation",
        ):
            cursor.execute(f"SHOW {name}")
            settings[name] = cursor.fetchone()[0]
    assert settings == {
        "lock_timeout": "2s",
        "statement_timeout": "0",  # commands take any time; core.wsgi and core.asgi set a limit
        "idle_in_transaction_session_timeout": "10s",
        "transaction_isolation": "read committed",
    }
