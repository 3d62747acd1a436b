"""A worker pool: threads with one queue, which refuses excess work."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from django.db import connections

from core.errors import Overloaded
from core.observability import metrics

R = TypeVar("R")

MAX_WAIT = 0.5  # seconds


class WorkerPool:
    """Threads that run functions for the event loop, in order of arrival."""

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._arrivals: deque[float] = deque()  # times of what waits; the executor's queue has none
        self._seconds_each = 0.0  # between the ends of two functions, a moving average
        self._waiting = metrics.POOL_WAITING.labels(name)
        self._busy_seconds = metrics.POOL_BUSY_SECONDS.labels(name)
        metrics.POOL_THREADS.labels(name).set(threads)

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
        self._arrivals.append(time.monotonic())
        self._waiting.inc()
        # What is queued stays queued when its caller is cancelled: each arrival is taken by its own function.
        return asyncio.shield(asyncio.get_running_loop().run_in_executor(self._executor, self._run, function))

    def close(self) -> None:
        """Finish what was queued, then close the database connections and end the threads."""
        barrier = threading.Barrier(self._threads)

        def close_connections() -> None:
            connections.close_all()
            barrier.wait()  # so that each thread does it

        for _ in range(self._threads):
            self._executor.submit(close_connections)
        self._executor.shutdown()

    def _run(self, function: Callable[[], R]) -> R:
        arrival, started = self._arrivals.popleft(), time.monotonic()
        self._waiting.dec()
        try:
            if started - arrival > 2 * MAX_WAIT:
                raise Overloaded
            return function()
        finally:
            seconds = time.monotonic() - started
            self._seconds_each += (seconds / self._threads - self._seconds_each) / 20
            self._busy_seconds.inc(seconds)
