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
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from threading import Lock, Thread
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction

from core.errors import DatabaseUnavailable, DomainError, NotFound, Overloaded
from reservations.seat_map import SeatMap, read_seat_maps, read_version, without_mine

log = logging.getLogger(__name__)

CHANNEL = "seats"
POLL = 0.5  # seconds between two reads of a show, if nothing is published
SHORTEST_PAUSE = 0.05  # seconds between two reads of a show that changes, and between two notifications
LONGEST_PAUSE = 0.5
PAUSE_PER_SUBSCRIPTION = 0.0005  # seconds, so that sending takes a small part of the time
PAUSE_PER_READ = 20  # times as long as the read took, so that reading takes a small part of the time
PAUSE_UNWATCHED = 0.2  # seconds between two notifications of a process that has no subscriptions
FIRST_READ_TIMEOUT = 2.0  # seconds
WOKEN_TOGETHER = 50  # subscriptions, before the event loop turns to other work
MOST_RENDERERS = 20  # of a show: each change is rendered by each
MOST_RENDERED = 40  # differences to the present map that are cached for a show
MOST_SHOWS_PER_NOTIFICATION = 500  # a payload has at most 8000 bytes

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
        self.state = seat_map.layout_and_codes
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

    subscriptions: dict[Render, set["Subscription"]] = field(default_factory=dict)
    joining: list[Future[None]] = field(default_factory=list)
    """Of subscribers who wait for a read that begins after they came."""
    present: PresentMap | None = None
    is_gone: bool = False
    read_at: float = 0
    """When it is read next, by ``time.monotonic()``."""
    not_read_before: float = 0


class Subscription:
    """A subscriber to a show. Once it is open, it belongs to the event loop."""

    def __init__(self, hub: "Hub", show: WatchedShow, render: Render) -> None:
        self._hub, self._show, self.render = hub, show, render
        self._sent: bytes | None = None
        self.wake: Callable[[], None] = lambda: None

    def begin(self, since: bytes | None) -> None:
        """Prepare the first piece: what has changed since, perhaps nothing; or all seats."""
        present = self._present()
        self.first = present.render(since, self.render)
        self._sent = present.state

    def open(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self._hub.loop = asyncio.get_running_loop()

    @property
    def is_over(self) -> bool:
        return self._show.is_gone

    def take(self) -> bytes | None:
        present = self._present()
        if self._sent == present.state:
            return None
        piece = present.rendered.get((self._sent, self.render))
        if piece is None:
            self._hub.render_later(self)
        else:
            self._sent = present.state
        return piece

    def render_difference(self) -> None:
        """Render, in the hub's thread, what ``take`` did not find: the client has skipped a map."""
        self._present().render(self._sent, self.render)

    def close(self) -> None:
        self._hub.leave(self._show, self)

    def _present(self) -> PresentMap:
        assert self._show.present  # it is read before a subscription begins
        return self._show.present


class Hub:
    """The thread that reads, and what it shares with others; the lock guards shows, their subscriptions and times."""

    def __init__(self) -> None:
        self.shows: dict[int, WatchedShow] = {}
        self.loop: asyncio.AbstractEventLoop | None = None  # that all streams of the process live in
        self._lock = Lock()
        self._late: set[Subscription] = set()
        self._published: set[int] = set()
        self._next_notification = 0.0
        self._seconds_of_a_read = 0.0
        self._listening: Any = None  # the connection that LISTEN was sent on
        self._is_ending = False
        self._awake, self._waker = os.pipe()
        os.set_blocking(self._awake, False)
        os.set_blocking(self._waker, False)
        self._thread = Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    # --- For other threads ---

    def publish(self, show_id: int) -> None:
        with self._lock:
            is_first = not self._published
            self._published.add(show_id)
        if is_first:
            self._wake()

    def subscribe(self, show_id: int, since: str | None, render: Render) -> Subscription:
        earlier = None if since is None else without_mine(read_version(since))
        joined: Future[None] = Future()
        with self._lock:
            show = self.shows.setdefault(show_id, WatchedShow())
            if render not in show.subscriptions and len(show.subscriptions) >= MOST_RENDERERS:
                raise Overloaded
            subscription = Subscription(self, show, render)
            show.subscriptions.setdefault(render, set()).add(subscription)
            show.joining.append(joined)
            show.read_at = 0
        self._wake()
        try:
            joined.result(FIRST_READ_TIMEOUT)
            subscription.begin(earlier)
        except TimeoutError as late:
            subscription.close()
            raise DatabaseUnavailable from late
        except BaseException:
            subscription.close()
            raise
        return subscription

    def leave(self, show: WatchedShow, subscription: Subscription) -> None:
        with self._lock:
            same = show.subscriptions.get(subscription.render, set())
            same.discard(subscription)
            if not same:
                show.subscriptions.pop(subscription.render, None)

    def render_later(self, subscription: Subscription) -> None:
        with self._lock:
            self._late.add(subscription)
        self._wake()

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
                self._turn()
                pause = 0.1
            except Exception as fault:
                if isinstance(fault, DatabaseError | InterfaceError | DomainError):
                    log.warning("live seat maps have to wait for the database: %s", type(fault).__name__)
                else:
                    log.exception("internal_error")
                with suppress(Exception):
                    connection.close()
                for show in list(self.shows.values()):
                    self._answer_joining(show, len(show.joining), DatabaseUnavailable)
                time.sleep(pause)
                pause = min(5.0, 2 * pause)
        connection.close()
        os.close(self._awake)
        os.close(self._waker)

    def _turn(self) -> None:
        self._listen()
        self._sleep()
        self._notify()
        self._read()
        self._render_late_ones()

    def _listen(self) -> None:
        if connection.vendor != "postgresql" or not self.shows:
            return
        connection.ensure_connection()
        if self._listening is not connection.connection:
            self._listening = connection.connection
            self._listening.add_notify_handler(lambda notification: self._mark(notification.payload.split(",")))
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._mark(self.shows)  # what was published before is not heard

    def _sleep(self) -> None:
        """Wait until something is due, another thread wakes this one, or a notification has come."""
        poll = select.poll()
        poll.register(self._awake, select.POLLIN)
        with self._lock:
            moments = [show.read_at for show in self.shows.values()]
            if self._published:
                moments.append(self._next_notification)
        if self._listening and connection.connection is self._listening:
            poll.register(self._listening.fileno(), select.POLLIN)
        ready = poll.poll(max(0.0, min(moments) - time.monotonic()) * 1000 if moments else None)
        with suppress(BlockingIOError):
            os.read(self._awake, 4096)
        if any(descriptor != self._awake for descriptor, _ in ready):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")  # any statement hands over the notifications that have come

    def _mark(self, show_ids: Iterable[int | str]) -> None:
        """Read shows as soon as may be."""
        with self._lock:
            for show_id in map(int, show_ids):
                if show := self.shows.get(show_id):
                    show.read_at = min(show.read_at, show.not_read_before)

    def _notify(self) -> None:
        """Hand on what this process has published."""
        now = time.monotonic()
        with self._lock:
            if not self._published or now < self._next_notification:
                return
            published, self._published = sorted(self._published), set()
            self._next_notification = now + (SHORTEST_PAUSE if self.shows else PAUSE_UNWATCHED)
        self._mark(published)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                for start in range(0, len(published), MOST_SHOWS_PER_NOTIFICATION):
                    payload = ",".join(map(str, published[start : start + MOST_SHOWS_PER_NOTIFICATION]))
                    cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])

    def _read(self) -> None:
        """Read the shows that are due, and wake the subscriptions of those that have changed."""
        due = self._due()
        if not due:
            return
        joining = {show_id: len(show.joining) for show_id, show in due.items()}
        began = time.monotonic()
        maps = read_seat_maps(due)
        self._seconds_of_a_read = time.monotonic() - began
        for show_id, show in due.items():
            if show_id in maps:
                self._update(show, PresentMap(maps[show_id]))
            else:
                self._end(show_id, show)
            self._answer_joining(show, joining[show_id], NotFound if show.is_gone else None)

    def _due(self) -> dict[int, WatchedShow]:
        """Forget shows that nobody watches any more, give those that are due, and say when they are due again."""
        now = time.monotonic()
        with self._lock:
            self.shows = {show_id: show for show_id, show in self.shows.items() if show.subscriptions}
            subscriptions = sum(len(same) for show in self.shows.values() for same in show.subscriptions.values())
            after_reading = max(SHORTEST_PAUSE, PAUSE_PER_READ * self._seconds_of_a_read)
            after_sending = min(LONGEST_PAUSE, PAUSE_PER_SUBSCRIPTION * subscriptions)
            due = {show_id: show for show_id, show in self.shows.items() if show.read_at <= now}
            for show in due.values():
                show.not_read_before = now + max(after_reading, after_sending)
                show.read_at = math.ceil((now + after_reading) / POLL) * POLL  # together with other shows
        return due

    def _update(self, show: WatchedShow, present: PresentMap) -> None:
        before = show.present
        if before and before.state == present.state:
            return
        with self._lock:
            renderers = list(show.subscriptions)
        if before:
            for render in renderers:
                present.render(before.state, render)
        show.present = present
        self._wake_all(show)

    def _end(self, show_id: int, show: WatchedShow) -> None:
        show.is_gone = True
        with self._lock:
            self.shows.pop(show_id, None)
        self._wake_all(show)

    def _answer_joining(self, show: WatchedShow, count: int, refusal: type[DomainError] | None) -> None:
        with self._lock:
            joining, show.joining = show.joining[:count], show.joining[count:]
        for future in joining:
            if refusal:
                future.set_exception(refusal())
            else:
                future.set_result(None)

    def _render_late_ones(self) -> None:
        with self._lock:
            late, self._late = self._late, set()
        for subscription in late:
            subscription.render_difference()
        self._wake_in_loop(late)

    def _wake_all(self, show: WatchedShow) -> None:
        with self._lock:
            self._wake_in_loop(chain(*map(list, show.subscriptions.values())))

    def _wake_in_loop(self, subscriptions: Iterable[Subscription]) -> None:
        if self.loop:
            with suppress(RuntimeError):  # the loop has ended, and all streams with it
                self.loop.call_soon_threadsafe(_wake_some, self.loop, iter([*subscriptions]))


def _wake_some(loop: asyncio.AbstractEventLoop, subscriptions: Iterator[Subscription]) -> None:
    """Wake a few subscriptions, and the others after the loop has turned to other work."""
    some = [*islice(subscriptions, WOKEN_TOGETHER)]
    for subscription in some:
        subscription.wake()
    if some:
        loop.call_soon(_wake_some, loop, subscriptions)
