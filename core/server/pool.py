"""A worker pool: a few threads with one queue, which refuses work that would wait too long."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from django.db import connections

from core.errors import Overloaded
from core.observability import metrics

R = TypeVar("R")

MAX_WAIT = 0.5  # seconds


class WorkerPool:
    """Threads that run functions for the event loop, first come, first served."""

    def __init__(self, name: str, threads: int) -> None:
        self._arrivals: deque[float] = deque()  # of what waits; the queue itself can't say how long its first waits
        self._seconds_each = 0.0  # between the ends of two tasks, a moving average
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._waiting = metrics.POOL_WAITING.labels(name)
        self._busy = metrics.POOL_BUSY.labels(name)
        self._busy_seconds = metrics.POOL_BUSY_SECONDS.labels(name)
        metrics.POOL_THREADS.labels(name).set(threads)
        self._threads = [Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def refuse_excess(self) -> None:
        """Refuse more work while it would wait too long.

        :raises Overloaded: the first in the queue has waited too long, or the last would.
        """
        if len(self._arrivals) * self._seconds_each > MAX_WAIT:
            raise Overloaded
        with suppress(IndexError):  # nothing waits
            if time.monotonic() - self._arrivals[0] > MAX_WAIT:
                raise Overloaded

    def run(self, function: Callable[[], R]) -> asyncio.Future[R]:
        """Run a function in one of the threads.

        :raises Overloaded: it would wait too long, or its turn came too late.
        """
        self.refuse_excess()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()

        def task() -> None:
            arrival = self._arrivals.popleft()
            started = time.monotonic()
            self._waiting.dec()
            self._busy.inc()
            try:
                if started - arrival > 2 * MAX_WAIT:
                    raise Overloaded
                result = function()
            except Exception as error:
                loop.call_soon_threadsafe(_resolve, future, future.set_exception, error)
            else:
                loop.call_soon_threadsafe(_resolve, future, future.set_result, result)
            finally:
                seconds = time.monotonic() - started
                self._seconds_each += (seconds / len(self._threads) - self._seconds_each) / 20
                self._busy.dec()
                self._busy_seconds.inc(seconds)

        self._arrivals.append(time.monotonic())
        self._waiting.inc()
        self._queue.put(task)
        return future

    def close(self) -> None:
        """Finish what was queued, then end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while task := self._queue.get():
            task()
        connections.close_all()


def _resolve(future: asyncio.Future[Any], set_outcome: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():  # it was cancelled if nobody waits any more
        set_outcome(outcome)
