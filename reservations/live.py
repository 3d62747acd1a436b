"""Live seat maps: a thread reads shows and sends changes to subscribers.

It reads five times a second, and finds each change, whatever made it: this process, another one, SQL by hand, or a hold
that expires. So what writes need not know of it, and a change reaches a subscriber within a second.

There are no numbered changes and no queues. A subscription remembers the map that it was sent last; as soon as its
client can take it, it is sent the difference to the newest map, which is rendered once for all who want the same. So
a slow client skips what lay in between, and nobody waits for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, islice
from threading import Lock, Thread

from django.db import Error, connection

from core.errors import Overloaded
from reservations.seat_map import SeatMap, read_seat_maps, read_version, seat_map

log = logging.getLogger(__name__)

POLL = 0.2  # seconds between two reads
MAX_POLL = 0.6  # with the reads before and after, and sending, less than a second
PAUSE_PER_READ = 5  # times as long as the last read took, so that reading takes a small part of the time
PAUSE_PER_EVENT = 0.0005  # seconds for each subscription that was just woken, so that sending does as well
WOKEN_TOGETHER = 50  # subscriptions, before the event loop turns to other work
MAX_RENDERERS = 20  # of a show: each change is rendered by each
MAX_RENDERED = 40  # differences to the newest map that are cached for a show

Render = Callable[[SeatMap], bytes]
"""Renders the ``changed`` seats of a map. Equal ones give equal results, so that one is asked for all."""


def subscribe(*, show_id: int, since: str | None, render: Render) -> "Subscription":
    """Watch the seats of a show from a version on.

    :raises NotFound: there is no such show.
    :raises Invalid: ``since`` is no version of a map.
    :raises Overloaded: the show is watched with too many different renderers.
    """
    earlier = read_version(since)
    seats = seat_map(show_id=show_id)
    newest = poller.newest.setdefault(show_id, RenderedMap(seats))
    if newest.seats.state != seats.state:
        newest = RenderedMap(seats)
    subscription = Subscription(show_id, newest, earlier, render)
    poller.add(subscription)
    return subscription


class RenderedMap:
    """A map of a show, with the rendered differences to it."""

    def __init__(self, seats: SeatMap) -> None:
        self.seats = seats
        self.rendered: dict[tuple[bytes | None, Render], bytes] = {}

    def render(self, earlier: bytes | None, render: Render) -> bytes:
        """Render the difference from an earlier state; from None, all seats."""
        piece = self.rendered.get((earlier, render))
        if piece is None:
            if len(self.rendered) >= MAX_RENDERED:
                self.rendered.clear()
            piece = render(self.seats.changes_since(earlier))
            self.rendered[earlier, render] = piece
        return piece


class Subscription:
    """A subscriber to a show; once open, the event loop owns it."""

    def __init__(self, show_id: int, newest: RenderedMap, earlier: bytes | None, render: Render) -> None:
        self.show_id, self.render = show_id, render
        self.first = newest.render(earlier, render)
        self.sent = newest.seats.state
        self.newest = newest  # read after what was sent; replaced by the poller
        self.is_over = False
        self.wake: Callable[[], None] = lambda: None

    def open(self, wake: Callable[[], None]) -> None:
        self.wake, poller.loop = wake, asyncio.get_running_loop()

    def take(self) -> bytes | None:
        newest = self.newest
        if self.sent == newest.seats.state:
            return None
        piece = newest.rendered.get((self.sent, self.render))
        if piece is not None:
            self.sent = newest.seats.state
        else:  # The client was slow, and has skipped a map. It waits, and not the event loop.
            rendering = asyncio.get_running_loop().run_in_executor(None, newest.render, self.sent, self.render)
            rendering.add_done_callback(lambda _: self.wake())
        return piece

    def close(self) -> None:
        poller.remove(self)


class Poller:
    """The thread that reads the watched shows.

    It begins with the first subscription and ends after the last.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None  # that all streams of the process live in
        self.newest: dict[int, RenderedMap] = {}
        self.subscriptions: dict[int, dict[Render, set[Subscription]]] = {}
        self._lock = Lock()  # of the subscriptions, and of the thread's beginning and end
        self._is_running = False

    def add(self, subscription: Subscription) -> None:
        with self._lock:
            by_renderer = self.subscriptions.get(subscription.show_id, {})
            if subscription.render not in by_renderer and len(by_renderer) >= MAX_RENDERERS:
                raise Overloaded
            self.subscriptions[subscription.show_id] = by_renderer
            by_renderer.setdefault(subscription.render, set()).add(subscription)
            if not self._is_running:
                Thread(target=self._run, name="live", daemon=True).start()
                self._is_running = True

    def remove(self, subscription: Subscription) -> None:
        with self._lock:
            by_renderer = self.subscriptions.get(subscription.show_id, {})
            same = by_renderer.get(subscription.render, set())
            same.discard(subscription)
            if not same:
                by_renderer.pop(subscription.render, None)
            if not by_renderer:
                self.subscriptions.pop(subscription.show_id, None)

    def _run(self) -> None:
        has_failed, woken = False, 0
        while watched := self._watched():
            began = time.monotonic()
            try:
                if has_failed:
                    connection.close()
                woken = self._poll(watched)
                has_failed = False
            except Exception as fault:
                if not isinstance(fault, Error):
                    log.exception("internal_error")
                elif not has_failed:
                    log.warning("live seat maps have to wait for the database: %s", type(fault).__name__)
                has_failed = True
            took = time.monotonic() - began
            time.sleep(min(max(POLL, PAUSE_PER_READ * took, PAUSE_PER_EVENT * woken), MAX_POLL))
        connection.close()

    def _watched(self) -> dict[int, list[Subscription]]:
        """Give the subscriptions by show; without any, the thread ends."""
        with self._lock:
            self._is_running = bool(self.subscriptions)
            return {show_id: [*chain(*each.values())] for show_id, each in self.subscriptions.items()}

    def _poll(self, watched: dict[int, list[Subscription]]) -> int:
        """Read the shows and wake late subscriptions; return how many."""
        maps = read_seat_maps(watched)
        newest = {show_id: self._rendered(seats, watched[show_id]) for show_id, seats in maps.items()}
        late = []
        for show_id, subscriptions in watched.items():
            for subscription in subscriptions:
                subscription.is_over = show_id not in newest
                subscription.newest = newest.get(show_id, subscription.newest)
                if subscription.is_over or subscription.sent != subscription.newest.seats.state:
                    late.append(subscription)
        self.newest = newest
        if late and self.loop:
            with suppress(RuntimeError):  # the loop has ended, and all streams with it
                self.loop.call_soon_threadsafe(_wake_some, iter(late))
        return len(late)

    def _rendered(self, seats: SeatMap, subscriptions: list[Subscription]) -> RenderedMap:
        """Render what has changed since the last read."""
        before = self.newest.get(seats.show.pk)
        if before and before.seats.state == seats.state:
            return before
        newest = RenderedMap(seats)
        if before:
            for render in {subscription.render for subscription in subscriptions}:
                newest.render(before.seats.state, render)
        return newest


poller = Poller()


def _wake_some(subscriptions: Iterator[Subscription]) -> None:
    """Wake a few subscriptions now, and the others a little later.

    The event loop turns to other work between.
    """
    some = [*islice(subscriptions, WOKEN_TOGETHER)]
    for subscription in some:
        subscription.wake()
    if some:
        asyncio.get_running_loop().call_soon(_wake_some, subscriptions)
