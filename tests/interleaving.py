"""Races made to happen: one call is stopped where it hurts, and another runs into it, on a connection of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import pytest
from django.db import connection, connections, transaction

from reservations import statements

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
def meanwhile(deed: Call) -> Iterator[None]:
    """Do something in a transaction that is open for as long as the block, on a connection of its own."""
    done, go_on = threading.Event(), threading.Event()

    def stay() -> None:
        with transaction.atomic():
            deed()
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


@contextmanager
def rewritten(monkeypatch: pytest.MonkeyPatch, verb: str, *pairs: tuple[str, str]) -> Iterator[None]:
    """Run a verb's statement with parts of its text replaced: with a guard taken out, or slowly."""
    original = getattr(statements, verb)
    found: set[str] = set()

    def changed(text: str) -> str:
        for old, new in pairs:
            if old in text:
                found.add(old)
            text = text.replace(old, new)
        return text

    texts = {part.name: getattr(original, part.name) for part in fields(original)}
    new = {name: changed(text) for name, text in texts.items() if isinstance(text, str)}
    new["writes"] = {name: changed(text) for name, text in original.writes.items()}
    assert found == {old for old, _ in pairs}, "the statement reads otherwise by now"
    with monkeypatch.context() as patch:
        patch.setattr(statements, verb, replace(original, **new))
        yield


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
