"""Live seat maps: pushes what changes on the seats of a show to its subscribers, within a second.

A process that serves has one hub: a thread with a database connection. It reads the maps of the shows that somebody
watches, all that are due in one statement: when this process has published a change, when another one has (LISTEN and
NOTIFY), and twice a second in any case. For a hold runs out without a word, a process can die before it has published,
and some poolers pass no notifications on.

There are no numbered changes and no queues. A subscription remembers the map that it was sent last; as soon as its
client can take it, it is sent the difference to the present map, which is rendered once for all who want the same. So
a slow client skips what lay in between, and nobody waits for it.

NOTIFY within a booking's transaction would let one booking commit at a time. The hub's is a statement of its own.
"""

import asyncio
import logging
import math
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from threading import Condition, Lock, Thread
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction

from core.errors import DatabaseUnavailable, NotFound, Overloaded
from reservations.seat_map import SeatMap, read_seat_maps, read_version

log = logging.getLogger(__name__)

CHANNEL = "seats"
POLL = 0.5  # seconds between two reads of a show, if nothing is published
SHORTEST_PAUSE = 0.05  # seconds between two reads of a show that changes, and between two notifications
LONGEST_PAUSE = 0.5
PAUSE_PER_SUBSCRIPTION = 0.0005  # seconds, so that sending takes a small part of the time
PAUSE_PER_READ = 20  # times as long as the last read took, so that reading takes a small part of the time
FIRST_READ_TIMEOUT = 2.0  # seconds
WOKEN_TOGETHER = 50  # subscriptions, before the event loop turns to other work
MOST_RENDERERS = 20  # of a show: each change is rendered by each
MOST_RENDERED = 40  # differences to the present map that are cached for a show

Render = Callable[[SeatMap], bytes]
"""Renders the ``changed`` seats of a map. Equal ones give equal results, so that one is asked for all."""


def publish(show_id: int) -> None:
    """Push what has changed on the seats of a show, after the commit.

    In a process that does not serve, such as a command, this does nothing: the others find the change as they poll.
    """
    if _serving or _hub:
        _get_hub().publish(show_id)


def publish_on_commit(show_id: int) -> None:
    """Publish after the present transaction, if it commits; at once if there is none."""
    transaction.on_commit(partial(publish, show_id))


def subscribe(*, show_id: int, since: str | None, render: Render) -> "Subscription":
    """Watch the seats of a show from a version on; None stands for all seats.

    :raises NotFound: there is no such show.
    :raises Invalid: ``since`` is no version of a map.
    :raises Overloaded: the show is watched with too many different renderers.
    :raises DatabaseUnavailable: the database does not answer.
    """
    return _get_hub().subscribe(show_id, since, render)


def start() -> None:
    """Let this process publish its changes; the hub itself begins with the first of them."""
    global _serving
    _serving = True


def stop() -> None:
    """End the hub and its connection."""
    global _hub
    with _hub_lock:
        hub, _hub = _hub, None
    if hub:
        hub.stop()


_serving = False
_hub: "Hub | None" = None
_hub_lock = Lock()


def _get_hub() -> "Hub":
    global _hub
    with _hub_lock:
        _hub = _hub or Hub()
        return _hub


class PresentMap:
    """The newest map of a show, and the differences to it that were rendered."""

    def __init__(self, seat_map: SeatMap) -> None:
        self.map = seat_map
        self.state = seat_map.state
        self.rendered: dict[tuple[bytes | None, Render], bytes] = {}

    def render(self, earlier: bytes | None, render: Render) -> bytes:
        """Render the difference from an earlier state; from None, all seats."""
        piece = self.rendered.get((earlier, render))
        if piece is None:
            if len(self.rendered) >= MOST_RENDERED:
                self.rendered.clear()
            piece = render(self.map if earlier is None else self.map.changes_since(earlier))
            self.rendered[earlier, render] = piece
        return piece


@dataclass(eq=False)
class WatchedShow:
    """A show with subscriptions."""

    present: PresentMap
    """Set by the first read; nobody asks before."""
    subscriptions: dict[Render, set["Subscription"]] = field(default_factory=dict)
    is_gone: bool = False
    read_at: float = 0
    """When it is read next, by ``time.monotonic()``."""
    not_read_before: float = 0
    reads_begun: int = 0
    reads_done: int = 0


class Subscription:
    """A subscriber to a show. Once it is open, it belongs to the event loop."""

    first: bytes
    """All seats; or what has changed since a version, perhaps nothing."""

    def __init__(self, hub: "Hub", show: WatchedShow, render: Render) -> None:
        self._hub, self._show, self._render = hub, show, render
        self._sent = b""
        self.wake: Callable[[], None] = lambda: None

    def begin(self, earlier: bytes | None) -> None:
        present = self._show.present
        self.first, self._sent = present.render(earlier, self._render), present.state

    def open(self, wake: Callable[[], None]) -> None:
        self.wake, self._hub.loop = wake, asyncio.get_running_loop()

    @property
    def is_over(self) -> bool:
        return self._show.is_gone

    def take(self) -> bytes | None:
        present = self._show.present
        if self._sent == present.state:
            return None
        piece = present.rendered.get((self._sent, self._render))
        if piece is not None:
            self._sent = present.state
        else:  # The client was slow, and has skipped a map. It waits, and not the event loop.
            rendering = asyncio.get_running_loop().run_in_executor(None, present.render, self._sent, self._render)
            rendering.add_done_callback(lambda _: self.wake())
        return piece

    def close(self) -> None:
        self._hub.leave(self._show, self._render, self)


class Hub:
    """The thread that reads and notifies, and what it shares with other threads, guarded by the condition."""

    def __init__(self) -> None:
        self.shows: dict[int, WatchedShow] = {}
        self.loop: asyncio.AbstractEventLoop | None = None  # that all streams of the process live in
        self._condition = Condition()
        self._published: set[int] = set()
        self._next_notification = 0.0
        self._seconds_of_a_read = 0.0
        self._listening: Any = None  # the connection that LISTEN was sent on
        self._is_ending = False
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._thread = Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    # --- For other threads ---

    def publish(self, show_id: int) -> None:
        with self._condition:
            is_first = not self._published
            self._published.add(show_id)
        if is_first:
            self._wake()

    def subscribe(self, show_id: int, since: str | None, render: Render) -> Subscription:
        earlier = None if since is None else read_version(since)
        with self._condition:
            show = self.shows.setdefault(show_id, WatchedShow(present=None))  # type: ignore[arg-type]
            if render not in show.subscriptions and len(show.subscriptions) >= MOST_RENDERERS:
                raise Overloaded
            subscription = Subscription(self, show, render)
            show.subscriptions.setdefault(render, set()).add(subscription)
            number, show.read_at = show.reads_begun, 0
        self._wake()
        try:
            with self._condition:  # for a read that begins now, so that it shows what the client has just done
                self._condition.wait_for(lambda: show.reads_done > number or show.is_gone, FIRST_READ_TIMEOUT)
            if show.is_gone:
                raise NotFound
            if show.reads_done <= number:
                raise DatabaseUnavailable
            subscription.begin(earlier)
        except BaseException:
            subscription.close()
            raise
        return subscription

    def leave(self, show: WatchedShow, render: Render, subscription: Subscription) -> None:
        with self._condition:
            same = show.subscriptions.get(render, set())
            same.discard(subscription)
            if not same:
                show.subscriptions.pop(render, None)

    def stop(self) -> None:
        self._is_ending = True
        self._wake()
        self._thread.join(5)

    def _wake(self) -> None:
        with suppress(OSError):  # it has ended, or the pipe is full and will wake it as well
            os.write(self._waker, b".")

    # --- The thread ---

    def _run(self) -> None:
        pause = 0.1
        while not self._is_ending:
            try:
                self._listen()
                self._sleep()
                self._notify()
                self._read()
                pause = 0.1
            except Exception as fault:
                if isinstance(fault, DatabaseError | InterfaceError):
                    log.warning("live seat maps have to wait for the database: %s", type(fault).__name__)
                else:
                    log.exception("internal_error")
                with suppress(Exception):
                    connection.close()
                time.sleep(pause)
                pause = min(5.0, 2 * pause)
        connection.close()
        os.close(self._woken)
        os.close(self._waker)

    def _listen(self) -> None:
        if connection.vendor != "postgresql" or not self.shows:
            return
        connection.ensure_connection()
        if self._listening is not connection.connection:
            self._listening = connection.connection
            self._listening.add_notify_handler(lambda notification: self._mark([int(notification.payload)]))
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._mark([*self.shows])  # what was published before was not heard

    def _sleep(self) -> None:
        """Wait until something is due, another thread wakes this one, or a notification has come."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._listening and self._listening is connection.connection:
            poll.register(self._listening.fileno(), select.POLLIN)
        with self._condition:
            moments = [show.read_at for show in self.shows.values()]
            if self._published:
                moments.append(self._next_notification)
        ready = poll.poll(max(0.0, min(moments) - time.monotonic()) * 1000 if moments else None)
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        if any(descriptor != self._woken for descriptor, _ in ready):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")  # any statement hands over the notifications that have come

    def _mark(self, show_ids: Iterable[int]) -> None:
        """Let shows be read as soon as their pause is over."""
        with self._condition:
            for show in filter(None, map(self.shows.get, show_ids)):
                show.read_at = min(show.read_at, show.not_read_before)

    def _notify(self) -> None:
        """Tell this hub, and those of other processes, what this process has published."""
        now = time.monotonic()
        with self._condition:
            if not self._published or now < self._next_notification:
                return
            published, self._published = [*self._published], set()
        self._next_notification = now + SHORTEST_PAUSE
        self._mark(published)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, id::text) FROM unnest(%s) AS id", [CHANNEL, published])

    def _read(self) -> None:
        """Read the shows that are due, and wake the subscriptions of those that have changed."""
        due = self._due()
        if not due:
            return
        began = time.monotonic()
        maps = read_seat_maps(due)
        self._seconds_of_a_read = time.monotonic() - began
        for show_id, show in due.items():
            if show_id in maps:
                self._update(show, PresentMap(maps[show_id]))
            show.is_gone = show_id not in maps
            if show.is_gone:
                self._wake_all(show)
        with self._condition:
            for show_id, show in due.items():
                show.reads_done = show.reads_begun
                if show.is_gone:
                    del self.shows[show_id]
            self._condition.notify_all()

    def _due(self) -> dict[int, WatchedShow]:
        """Forget shows that nobody watches any more, give those that are due, and set when they are due again."""
        now = time.monotonic()
        with self._condition:
            self.shows = {show_id: show for show_id, show in self.shows.items() if show.subscriptions}
            subscriptions = sum(len(same) for show in self.shows.values() for same in show.subscriptions.values())
            after_reading = max(SHORTEST_PAUSE, PAUSE_PER_READ * self._seconds_of_a_read)
            after_sending = min(LONGEST_PAUSE, PAUSE_PER_SUBSCRIPTION * subscriptions)
            due = {show_id: show for show_id, show in self.shows.items() if show.read_at <= now}
            for show in due.values():
                show.reads_begun += 1
                show.not_read_before = now + max(after_reading, after_sending)
                show.read_at = math.ceil((now + after_reading) / POLL) * POLL  # together with other shows
        return due

    def _update(self, show: WatchedShow, present: PresentMap) -> None:
        before = show.present
        if before and before.state == present.state:
            return
        with self._condition:
            renderers = [*show.subscriptions]
        for render in renderers if before else ():
            present.render(before.state, render)
        show.present = present
        self._wake_all(show)

    def _wake_all(self, show: WatchedShow) -> None:
        with self._condition:
            subscriptions = [*chain(*show.subscriptions.values())]
        if self.loop:
            with suppress(RuntimeError):  # the loop has ended, and all streams with it
                self.loop.call_soon_threadsafe(_wake_some, iter(subscriptions))


def _wake_some(subscriptions: Iterator[Subscription]) -> None:
    """Wake a few subscriptions, and the others after the loop has turned to other work."""
    some = [*islice(subscriptions, WOKEN_TOGETHER)]
    for subscription in some:
        subscription.wake()
    if some:
        asyncio.get_running_loop().call_soon(_wake_some, subscriptions)
