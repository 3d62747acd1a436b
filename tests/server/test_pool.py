"""Worker pools: order, errors, and the refusal of work that would wait too long."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from core.errors import Overloaded
from core.server import pool as module
from core.server.pool import WorkerPool


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool("test", 1)
    yield pool
    pool.close()


def run_all(pool: WorkerPool, functions: list[Callable[[], Any]]) -> list[Any]:
    async def run() -> list[Any]:
        futures: list[Awaitable[Any]] = []
        for function in functions:
            try:
                futures.append(pool.run(function))
            except Overloaded as refused:
                futures.append(asyncio.sleep(0, refused))
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(run())


def test_runs_first_what_came_first(pool: WorkerPool) -> None:
    done: list[int] = []
    run_all(pool, [lambda n=n: done.append(n) for n in range(50)])
    assert done == list(range(50))


def test_passes_errors_on(pool: WorkerPool) -> None:
    def fail() -> None:
        raise ValueError("an error")

    first, second = run_all(pool, [fail, lambda: "fine"])
    assert isinstance(first, ValueError)
    assert second == "fine"


def test_refuses_what_would_wait_too_long(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    run_all(pool, [lambda: time.sleep(0.2)])  # now it knows how long work takes: some 10 ms on average
    monkeypatch.setattr(module, "MAX_WAIT", 0.05)
    holding = threading.Event()
    threading.Timer(0.02, holding.set).start()
    outcomes = run_all(pool, [holding.wait] * 20)
    refused = [isinstance(outcome, Overloaded) for outcome in outcomes]
    assert 4 <= refused.count(False) <= 7
    assert refused == sorted(refused)


def test_refuses_while_the_first_has_waited_too_long(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAIT", 0.05)
    holding = threading.Event()

    async def story() -> None:
        first, second = pool.run(holding.wait), pool.run(lambda: None)
        await asyncio.sleep(0.08)
        with pytest.raises(Overloaded):
            pool.refuse_excess()
        holding.set()
        await asyncio.gather(first, second)
        pool.refuse_excess()

    asyncio.run(story())


def test_does_not_begin_what_would_be_answered_too_late(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAIT", 0.05)
    done: list[int] = []

    def work() -> None:
        time.sleep(0.15)
        done.append(1)

    outcomes = run_all(pool, [work, work])
    assert outcomes[0] is None
    assert isinstance(outcomes[1], Overloaded)
    assert done == [1]


def test_a_caller_that_was_cancelled_is_no_error(pool: WorkerPool) -> None:
    async def story() -> str:
        pool.run(lambda: time.sleep(0.05)).cancel()
        return await pool.run(lambda: "fine")

    assert asyncio.run(story()) == "fine"
