"""Races made to happen: one call is stopped where it hurts, and another runs into it, on a connection of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction

from reservations import claims
from reservations.models import ClaimQuerySet, HoldQuerySet

Call = Callable[[], Any]
PATIENCE = 20  # seconds until a test that hangs fails


class Racer(threading.Thread):
    """A call in a thread; its outcome is what it returned or the exception that it raised."""

    def __init__(self, call: Call) -> None:
        super().__init__(daemon=True)
        self.call = call
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self.call()
        except Exception as raised:
            self.outcome = raised
        finally:
            connections.close_all()

    def finish(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive(), "the call hangs"
        return self.outcome


def all_at_once(calls: list[Call]) -> list[Any]:
    """Start the calls together, and give their outcomes in the same order."""
    barrier = threading.Barrier(len(calls))

    def started(call: Call) -> Call:
        def run() -> Any:
            connection.ensure_connection()
            barrier.wait(PATIENCE)
            return call()

        return run

    racers = [Racer(started(call)) for call in calls]
    return [racer.finish() for racer in racers]


def run_into(
    first: Call,
    second: Call,
    *,
    module: Any,
    stop_after: str,
    monkeypatch: pytest.MonkeyPatch,
    abort: bool = False,
    until_done: bool = False,
) -> tuple[Any, Any]:
    """Stop ``first`` in its transaction, after it called ``module.stop_after``; let ``second`` come as far as it can.

    ``second`` comes until it waits for a lock or is done (with ``until_done``, until it is done); then ``first`` goes
    on, or fails if ``abort`` is set.
    """
    stopped, go_on = threading.Event(), threading.Event()
    original = getattr(module, stop_after)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if threading.current_thread() is leader:
            stopped.set()
            assert go_on.wait(PATIENCE)
            if abort:
                raise RuntimeError("aborted by the test")
        return result

    monkeypatch.setattr(module, stop_after, stopping)
    leader: Racer
    started = threading.Event()

    def led() -> Any:
        started.wait(PATIENCE)
        return first()

    leader = Racer(led)
    started.set()
    assert stopped.wait(PATIENCE), f"{stop_after} was not called: {leader.outcome!r}"
    follower = Racer(second)
    if until_done:
        follower.join(PATIENCE)
    else:
        wait_until_blocked_or_done(follower)
    go_on.set()
    return leader.finish(), follower.finish()


def wait_until_blocked_or_done(racer: Racer, *, waiting: int = 1) -> None:
    """Wait until so many connections wait for a lock, or the racer is done."""
    deadline = time.monotonic() + PATIENCE
    while racer.is_alive() and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0] >= waiting:
                return
        time.sleep(0.005)


@contextmanager
def meanwhile(operation: Call) -> Iterator[None]:
    """Do something in a transaction that is open for as long as the block, on a connection of its own."""
    done, go_on = threading.Event(), threading.Event()

    def stay() -> None:
        with transaction.atomic():
            operation()
            done.set()
            assert go_on.wait(PATIENCE)

    other = Racer(stay)
    try:
        assert done.wait(PATIENCE), f"it did not come so far: {other.outcome!r}"
        yield
    finally:
        go_on.set()
        assert other.finish() is None, other.outcome


def deadlocks() -> int:
    """Count the deadlocks that the database had to resolve so far, when the connections of racers have told theirs."""
    with connection.cursor() as cursor:
        deadline = time.monotonic() + 2  # there may be others, which stay
        others = True
        while others and time.monotonic() < deadline:  # a connection tells at the latest when it is closed
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            others = cursor.fetchone()[0] > 0
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


# --- Guards, each taken away by its name --------------------------------------------------------


@contextmanager
def without_words(monkeypatch: pytest.MonkeyPatch, **words: str) -> Iterator[None]:
    """Sell with other words of PostgreSQL's dialect: see ``reservations.claims.DIALECTS``."""
    assert words.keys() <= claims.DIALECTS["postgresql"].keys()
    with monkeypatch.context() as patch:
        for name, word in words.items():
            patch.setitem(claims.DIALECTS["postgresql"], name, word)
        yield


@contextmanager
def without_the_unique_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sell without the index that keeps claims on a seat apart, and without the clause that relies on it."""
    with without_index("seat_has_one_live_claim"), without_words(monkeypatch, on_conflict=""):
        yield


@contextmanager
def without_the_shared_lock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Book, hold and so on without locking the show."""
    with without_words(monkeypatch, queue="(SELECT 1)", lock_queue="1", share_lock=""):
        yield


@contextmanager
def without_the_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Book with the lock of the show's row alone."""
    with without_words(monkeypatch, queue="(SELECT 1)"):
        yield


@contextmanager
def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cancel, move, confirm and so on without locking the booking, the hold or its claims."""
    with monkeypatch.context() as patch:
        patch.setattr(ClaimQuerySet, "select_for_update", lambda rows, **options: rows.all())
        patch.setattr(HoldQuerySet, "select_for_update", lambda rows, **options: rows.all())
        yield


@contextmanager
def slow_inserts(seconds: float) -> Iterator[None]:
    """Let every claim that is inserted take its time."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE FUNCTION slow_insert() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
            CREATE TRIGGER slow_insert BEFORE INSERT ON reservations_booking
            FOR EACH ROW EXECUTE FUNCTION slow_insert()
            """
        )
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER slow_insert ON reservations_booking; DROP FUNCTION slow_insert()")


@contextmanager
def without_index(name: str) -> Iterator[None]:
    """Take an index away for the block."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [name])
        (definition,) = cursor.fetchone()
        cursor.execute(f"DROP INDEX {name}")
        try:
            yield
        finally:
            # What was wrong without it must not be there when it comes back.
            for table in ("reservations_booking", "core_user"):
                cursor.execute(f"TRUNCATE {table} CASCADE")
            cursor.execute(definition)
