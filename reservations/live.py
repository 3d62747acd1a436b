"""Tells whoever watches a show that its seats have changed, whichever process has changed them.

A process that serves has one hub: a thread with a connection of its own, which sleeps until something happens. Verbs
``announce`` what they have changed once it is committed, which leaves the id of the show and wakes the hub. The hub
tells other processes with NOTIFY, hears of theirs with LISTEN, reads what has changed of the shows that somebody
watches, puts it into words once, and hands it to the event loop, where the subscriptions are. However many there are,
the database answers one statement a show.

Words may be lost: a process can die before it has told, somebody may write to the tables by hand, and a pooler that
gives each transaction another connection takes NOTIFY but passes none on. So the versions of what is watched are also
looked at once a second, in one statement; then this is all that there is. On SQLite, where one look costs
microseconds, a number that changes with each commit is looked at ten times a second.

NOTIFY within a booking's transaction would let one booking commit at a time. The hub's is a statement of its own.
"""

import asyncio
import logging
import os
import select
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from core.errors import DatabaseUnavailable, DomainError, Invalid, NotFound, Overloaded
from reservations.seat_map import Seat, SeatChanges, seat_changes, versions_of

log = logging.getLogger(__name__)

SHORTEST_PAUSE = 0.05  # seconds between two reads of a show, and between two words to other processes
LONGEST_PAUSE = 0.5
PAUSE_BEFORE_WORDS = 0.2  # seconds between two words to other processes, where nobody watches in this one
PAUSE_FOR_EACH = 0.0005  # seconds a subscription, so that telling all takes a small part of the time
SECONDS_A_LOOK = 1.0
SECONDS_A_LOOK_AT_SQLITE = 0.1
LONGEST_WAIT = 2.0  # seconds for a first read
AT_ONCE = 50  # subscriptions that are woken before the loop turns to others
MOST_WORDINGS = 20  # of a show: each change is put into each
CHANNEL = "seats"
MOST_IN_A_WORD = 500  # shows; a payload has at most 8000 bytes

Words = Callable[[SeatChanges], bytes]
"""Puts changes into words. Equal ones give equal words, so that they are asked once for all who want the same."""


def announce(show_id: int) -> None:
    """Tell, after the commit, that seats of a show have changed.

    A process that does not serve, such as a command, tells nobody; those who watch find out within a second.
    """
    if _hub or _tells:
        _the_hub().announce(show_id)


def publish_on_commit(show_id: int) -> None:
    """Tell that seats of a show have changed, as soon as the present transaction is committed; at once if there is
    none."""
    transaction.on_commit(partial(announce, show_id))


def subscribe(*, show_id: int, since: str | None, words: Words) -> "Subscription":
    """Watch the seats of a show from a version on, or from now on if it is None.

    :raises NotFound: there is no such show.
    :raises Invalid: ``since`` is no version, or one that is still to come.
    :raises Overloaded: those who watch the show want to be told in too many ways.
    :raises DatabaseUnavailable: the database does not answer.
    """
    return _the_hub().subscribe(show_id, since, words)


def tell_other_processes() -> None:
    """Let this process tell others what it announces; its thread begins when there is something to tell."""
    global _tells
    _tells = True


def stop() -> None:
    """End the hub, and its connection."""
    global _hub
    with _starting:
        hub, _hub = _hub, None
    if hub:
        hub.stop()


_tells = False
_hub: "_Hub | None" = None
_starting = Lock()


def _the_hub() -> "_Hub":
    global _hub
    if _hub is None:
        with _starting:
            _hub = _hub or _Hub()
    return _hub


class Subscription:
    """One who watches. It belongs to the event loop as soon as it is open.

    It has no queue: it knows up to which change it has told everything, and whoever could not take one when it came
    is told later, at once, what all the seats have come to since then.
    """

    is_over = False

    def __init__(self, watched: "_Watched", words: Words, first: "_First", number: int) -> None:
        self.words = words
        self._first = first
        self.number = number
        self._watched = watched
        self._piece: bytes | None = None
        self._is_idle = False
        self._has_asked = False
        self._is_closed = False

    @property
    def first(self) -> bytes:
        """What has changed since the version that was asked for, or all seats."""
        if self.words not in self._first.found:
            self._first.found[self.words] = self.words(self._first.changes)
        return self._first.found[self.words]

    def open(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._watched.loop = asyncio.get_running_loop()
        self._watched.subscriptions.setdefault(self.words, set()).add(self)
        self.is_over = self._watched.is_gone

    def take(self) -> bytes | None:
        piece, self._piece = self._piece, None
        self._is_idle = piece is None
        # The number is the hub's, which may be telling of it just now; then it is heard once all the same.
        if self._is_idle and self.number < self._watched.number:
            self._ask()
        return piece

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if together := self._watched.subscriptions.get(self.words):
                together.discard(self)
                if not together:
                    del self._watched.subscriptions[self.words]
            self._watched.leave()

    def hear(self, number: int, piece: bytes, *, after: int) -> None:
        """Take words of all that has changed after one number, up to another."""
        if not self._is_idle or self.number >= number:
            return
        if self.number < after:
            self._ask()
            return
        self.number, self._piece, self._is_idle = number, piece, False
        self._wake()

    def hear_late(self, number: int, piece: bytes) -> None:
        """Take what it has asked for."""
        self._has_asked = False
        self.hear(number, piece, after=self.number)

    def hear_of_the_end(self) -> None:
        self.is_over = True
        self._wake()

    def _ask(self) -> None:
        if not self._has_asked:
            self._has_asked = True
            self._watched.catch_up(self)


@dataclass
class _First:
    """What some who came together with the same version are told first."""

    changes: SeatChanges
    found: dict[Words, bytes] = field(default_factory=dict)


@dataclass(eq=False)
class _Watched:
    """A show that somebody watches."""

    hub: "_Hub"
    show_id: int
    version: str = ""
    number: int = 0
    """Of the last change that the hub has read; changes are numbered as they come."""
    watchers: int = 0
    latest: dict[int, tuple[int, Seat]] = field(default_factory=dict)
    """Each seat that has changed since the first watched, with the number of its last change."""
    next_read: float = 0
    next_expiry: datetime | None = None
    is_stale: bool = False
    is_gone: bool = False

    # The event loop's.
    subscriptions: dict[Words, set[Subscription]] = field(default_factory=dict)
    """Those who are told the same together."""
    loop: asyncio.AbstractEventLoop | None = None

    def leave(self) -> None:
        self.hub.ask(lambda: self.hub.forget(self))

    def catch_up(self, subscription: Subscription) -> None:
        self.hub.ask(lambda: self.hub.catch_up(self, subscription))

    def since(self, number: int) -> SeatChanges:
        """Tell what all the seats have come to that have changed after a change."""
        seats = [seat for changed, seat in self.latest.values() if changed > number]
        return SeatChanges(self.version, seats, None)

    def in_the_loop(self, step: Callable[..., object], *parameters: Any) -> None:
        if self.loop:
            with suppress(RuntimeError):  # the loop has ended, and all who listened with it
                self.loop.call_soon_threadsafe(step, *parameters)

    def tell(self, number: int, words: dict[Words, bytes]) -> None:
        """Hand a change to everybody; in the event loop, which gets to other work between some and the next."""
        for wanted, subscriptions in self.subscriptions.items():
            # Those whose words were not looked for have just come; they ask for what they have missed.
            after = number - 1 if wanted in words else number
            self._tell_some(number, words.get(wanted, b""), after, iter(list(subscriptions)))

    def _tell_some(self, number: int, piece: bytes, after: int, to: Iterable[Subscription]) -> None:
        some = list(islice(to, AT_ONCE))
        for subscription in some:
            subscription.hear(number, piece, after=after)
        if some and self.loop:
            self.loop.call_soon(self._tell_some, number, piece, after, to)

    def end(self) -> None:
        for subscriptions in list(self.subscriptions.values()):
            for subscription in list(subscriptions):
                subscription.hear_of_the_end()


class _Hub:
    def __init__(self) -> None:
        self._lock = Lock()
        self._announced: set[int] = set()
        self._is_poked = False
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)  # a pipe that is full will wake it as well
        self._watched: dict[int, _Watched] = {}
        self._firsts: dict[tuple[int, str | None], _First] = {}
        self._next_word = self._next_look = 0.0
        self._is_listening = False
        self._heard_on: Any = None
        self._data_version: int | None = None
        self._is_ending = False
        self._thread = Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    # --- From other threads ---

    def announce(self, show_id: int) -> None:
        with self._lock:
            self._announced.add(show_id)
            is_first, self._is_poked = not self._is_poked, True
        if is_first:
            with suppress(OSError):
                os.write(self._wake, b".")

    def ask(self, step: Callable[[], None]) -> None:
        """Let the hub do something."""
        self._asked.put(step)
        with suppress(OSError):  # it has ended
            os.write(self._wake, b".")

    def subscribe(self, show_id: int, since: str | None, words: Words) -> Subscription:
        joined: Future[Subscription] = Future()

        def join() -> None:
            if not joined.set_running_or_notify_cancel():
                return
            try:
                joined.set_result(self._join(show_id, since, words))
            except DomainError as refusal:
                joined.set_exception(refusal)
            except Exception as fault:
                joined.set_exception(DatabaseUnavailable())
                raise fault

        self.ask(join)
        try:
            return joined.result(LONGEST_WAIT)
        except TimeoutError as late:
            if not joined.cancel():
                joined.result().close()
            raise DatabaseUnavailable from late

    def stop(self) -> None:
        self._is_ending = True
        self.ask(lambda: None)
        self._thread.join(5)

    # --- The thread ---

    def _run(self) -> None:
        pause = 0.1
        while not self._is_ending:
            try:
                self._turn()
                pause = 0.1
            except Exception as fault:
                if isinstance(fault, DatabaseError | InterfaceError):
                    log.warning("nobody is told of seats for the moment: %s", type(fault).__name__)
                else:
                    log.exception("internal_error")
                self._lose_the_connection()
                time.sleep(pause)
                pause = min(5.0, 2 * pause)
        connection.close()
        os.close(self._woken)
        os.close(self._wake)

    def _lose_the_connection(self) -> None:
        """Begin anew with the next turn; whoever watches stays, and catches up."""
        with suppress(Exception):
            connection.close()
        self._is_listening = False
        self._next_look = 0
        for watched in self._watched.values():
            watched.is_stale = True

    def _turn(self) -> None:
        self._listen()
        self._sleep()
        self._hear()
        self._take_announcements()
        self._do_what_is_asked()
        self._look()
        for watched in list(self._watched.values()):
            if self._is_due(watched):
                self._read(watched)

    def _sleep(self) -> None:
        until = min([self._next_word if self._is_poked else float("inf"), *self._times()])
        wait = max(0.0, until - time.monotonic()) if until != float("inf") else None
        poll = select.poll()  # select() takes no number from 1024 on, and connections of clients may have those before
        poll.register(self._woken, select.POLLIN)
        if self._is_listening:
            poll.register(connection.connection.fileno(), select.POLLIN)
        poll.poll(None if wait is None else wait * 1000)
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)

    def _times(self) -> Iterable[float]:
        """Tell when something is to be done, if nothing happens before."""
        if not self._asked.empty():
            yield 0
        for watched in self._watched.values():
            yield self._next_look
            if watched.is_stale:
                yield watched.next_read
            elif watched.next_expiry:
                yield max(watched.next_read, self._moment(watched.next_expiry))

    def _moment(self, instant: datetime) -> float:
        return time.monotonic() + (instant - timezone.now()).total_seconds()

    # --- Other processes ---

    def _listen(self) -> None:
        if connection.vendor != "postgresql" or self._is_listening == bool(self._watched):
            return
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}" if self._watched else f"UNLISTEN {CHANNEL}")
        if self._watched and self._heard_on is not connection.connection:
            self._heard_on = connection.connection
            self._heard_on.add_notify_handler(self._take_word)  # for those that come beside an answer
        self._is_listening = bool(self._watched)

    def _hear(self) -> None:
        """Take the words that have come; the connection's own way of waiting for them holds it for as long."""
        if self._is_listening:
            libpq = connection.connection.pgconn
            with connection.wrap_database_errors:
                libpq.consume_input()
            while word := libpq.notifies():
                self._mark(map(int, word.extra.split(b",")))

    def _take_word(self, word: Any) -> None:
        self._mark(map(int, word.payload.split(",")))

    def _take_announcements(self) -> None:
        now = time.monotonic()
        if not self._is_poked or now < self._next_word:
            return
        with self._lock:
            announced, self._announced, self._is_poked = self._announced, set(), False
        if not announced:
            return
        self._mark(announced)
        self._next_word = now + (SHORTEST_PAUSE if self._watched else PAUSE_BEFORE_WORDS)
        if connection.vendor == "postgresql":
            self._tell_other_processes(iter(announced))

    def _tell_other_processes(self, announced: Iterable[int]) -> None:
        with connection.cursor() as cursor:
            while some := list(islice(announced, MOST_IN_A_WORD)):
                cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, ",".join(map(str, some))])

    def _mark(self, show_ids: Iterable[int]) -> None:
        for show_id in show_ids:
            if show_id in self._watched:
                self._watched[show_id].is_stale = True

    def _look(self) -> None:
        now = time.monotonic()
        if not self._watched or now < self._next_look:
            return
        sqlite = connection.vendor == "sqlite"
        self._next_look = now + (SECONDS_A_LOOK_AT_SQLITE if sqlite else SECONDS_A_LOOK)
        if sqlite and not self._is_written_to():
            return
        versions = versions_of(list(self._watched))
        for watched in self._watched.values():
            if versions.get(watched.show_id) != watched.version:
                watched.is_stale = True

    def _is_written_to(self) -> bool:
        with connection.cursor() as cursor:
            before, self._data_version = self._data_version, cursor.execute("PRAGMA data_version").fetchone()[0]
        return before != self._data_version

    # --- Those who watch ---

    def _do_what_is_asked(self) -> None:
        self._firsts.clear()
        with suppress(Empty):
            for _ in range(self._asked.qsize()):
                self._asked.get_nowait()()

    def _join(self, show_id: int, since: str | None, words: Words) -> Subscription:
        self._refuse_many_wordings(self._watched.get(show_id), words)
        first = self._firsts.get((show_id, since)) or _First(seat_changes(show_id=show_id, since=since))
        self._firsts[show_id, since] = first
        watched = self._watched.get(show_id)
        if watched is None:
            version, next_expiry = first.changes.version, first.changes.next_expiry
            watched = self._watched[show_id] = _Watched(self, show_id, version=version, next_expiry=next_expiry)
            self._listen()
            watched.is_stale = True  # what was told between the read and LISTEN was told to nobody
        watched.watchers += 1
        # What is read next was not yet read before this: so it has all that has changed since.
        return Subscription(watched, words, first, watched.number)

    def _refuse_many_wordings(self, watched: _Watched | None, words: Words) -> None:
        known = list(watched.subscriptions) if watched else []
        if len(known) >= MOST_WORDINGS and words not in known:
            raise Overloaded

    def forget(self, watched: _Watched) -> None:
        watched.watchers -= 1
        if not watched.watchers and self._watched.get(watched.show_id) is watched:
            del self._watched[watched.show_id]

    def catch_up(self, watched: _Watched, subscription: Subscription) -> None:
        piece = subscription.words(watched.since(subscription.number))
        watched.in_the_loop(subscription.hear_late, watched.number, piece)

    def _is_due(self, watched: _Watched) -> bool:
        if time.monotonic() < watched.next_read:
            return False
        return watched.is_stale or bool(watched.next_expiry and watched.next_expiry <= timezone.now())

    def _read(self, watched: _Watched) -> None:
        """Read what has changed of a show, and tell those who watch it."""
        watched.is_stale = False
        try:
            changes = _changes(watched)
        except NotFound:
            del self._watched[watched.show_id]
            watched.is_gone = True
            watched.in_the_loop(watched.end)
            return
        watched.version, watched.next_expiry = changes.version, changes.next_expiry
        if changes.seats:
            found = {words: words(changes) for words in list(watched.subscriptions)}
            number = watched.number + 1
            watched.latest.update({seat.seat_number: (number, seat) for seat in changes.seats})
            watched.number = number
            watched.in_the_loop(watched.tell, number, found)
        watched.next_read = time.monotonic() + self._pause()

    def _pause(self) -> float:
        everybody = sum(watched.watchers for watched in self._watched.values())
        return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, PAUSE_FOR_EACH * everybody))


def _changes(watched: _Watched) -> SeatChanges:
    try:
        return seat_changes(show_id=watched.show_id, since=watched.version)
    except Invalid:  # the database is another one than it was, such as an older copy
        return seat_changes(show_id=watched.show_id, since=None)
