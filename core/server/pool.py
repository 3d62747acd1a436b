"""A worker pool: threads with one queue, which refuses excess work."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from django.db import connections

from core.errors import Overloaded
from core.observability import metrics

MAX_WAIT = 0.5  # seconds


class WorkerPool:
    """Threads that run functions for the event loop, in order of arrival."""

    def __init__(self, name: str, threads: int) -> None:
        # The standard library's executor hands over through three futures and a lock, which costs four times as much.
        self._queue: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._arrivals: deque[float] = deque()  # times of what waits in the queue
        self._seconds_each = 0.0  # between the ends of two functions, a moving average
        self._waiting = metrics.POOL_WAITING.labels(name)
        self._busy_seconds = metrics.POOL_BUSY_SECONDS.labels(name)
        metrics.POOL_THREADS.labels(name).set(threads)
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
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

    def run(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run a function in one of the threads, also if the caller is cancelled meanwhile.

        :raises Overloaded: it would wait too long, or its turn came too late.
        """
        self.refuse_excess()
        future = asyncio.get_running_loop().create_future()
        self._arrivals.append(time.monotonic())
        self._waiting.inc()
        self._queue.put((function, future))
        return future

    def close(self) -> None:
        """Finish what was queued, then close the database connections and end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while queued := self._queue.get():
            function, future = queued
            result, error = None, None
            try:
                result = self._timed(function)
            except BaseException as raised:
                error = raised
            future.get_loop().call_soon_threadsafe(_set_outcome, future, result, error)
        connections.close_all()

    def _timed(self, function: Callable[[], Any]) -> Any:
        arrival, started = self._arrivals.popleft(), time.monotonic()
        self._waiting.dec()
        try:
            if started - arrival > 2 * MAX_WAIT:
                raise Overloaded
            return function()
        finally:
            seconds = time.monotonic() - started
            self._seconds_each += (seconds / len(self._threads) - self._seconds_each) / 20
            self._busy_seconds.inc(seconds)


def _set_outcome(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error:
        future.set_exception(error)
    else:
        future.set_result(result)
