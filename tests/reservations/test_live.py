"""Whoever watches a show hears of each change, whoever made it, and misses none."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from catalog.models import Show
from core.errors import DatabaseUnavailable, DomainError, Invalid, NotFound
from core.models import User
from reservations import live
from reservations.booking import book_seat, cancel_booking
from reservations.models import Booking, Claim
from reservations.seat_map import SeatChanges, seat_changes

pytestmark = pytest.mark.django_db(transaction=True)

Told = tuple[str, dict[int, str]]


@pytest.fixture(autouse=True)
def _the_hub_ends() -> Iterator[None]:
    yield
    live.stop()


def words(changes: SeatChanges) -> Any:
    """Let what is told be what is read; streams send bytes, but nothing here looks at them."""
    return changes.version, {seat.seat_number: seat.status for seat in changes.seats}


class Watching:
    """Somebody who watches, in an event loop that runs in a thread."""

    def __init__(self, show: Show, since: str | None = None) -> None:
        self.subscription = live.subscribe(show_id=show.pk, since=since, words=words)
        self.told: list[Any] = [self.subscription.first]
        self._heard = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._in_the_loop(lambda: self.subscription.open(self._take))
        self._in_the_loop(self._take)

    def _in_the_loop(self, step: Callable[[], Any]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (step(), done.set()))
        assert done.wait(5)

    def _take(self) -> None:
        while piece := self.subscription.take():
            self.told.append(piece)  # type: ignore[arg-type]

    @property
    def seats(self) -> dict[int, str]:
        """What all that was told comes to."""
        return {number: status for _, seats in self.told for number, status in seats.items()}

    @property
    def version(self) -> str:
        return self.told[-1][0]

    def hears(self, seat: int, status: str, within: float = 3) -> float:
        """Wait until the seat is so, and tell how long it took."""
        begun = time.monotonic()
        while self.seats.get(seat) != status:
            assert time.monotonic() - begun < within, f"{seat} is {self.seats.get(seat)} after {within} s"
            time.sleep(0.005)
        return time.monotonic() - begun

    def leave(self) -> None:
        if self._thread.is_alive():
            self._in_the_loop(self.subscription.close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


@contextmanager
def watching(show: Show, since: str | None = None) -> Iterator[Watching]:
    watching = Watching(show, since)
    try:
        yield watching
    finally:
        watching.leave()


def elsewhere(step: Callable[[], Any]) -> None:
    """Do something as another process does it, of whose announcements nothing is heard."""
    announced, live._hub = live._hub, None
    try:
        step()
    finally:
        live._hub = announced


def test_all_seats_are_told_at_first(show: Show) -> None:
    with watching(show) as alice:
        assert alice.seats == dict.fromkeys(range(1, 6), "available")


def test_a_booking_is_told_at_once(show: Show, alice: User) -> None:
    with watching(show) as watcher:
        time.sleep(0.2)
        book_seat(user=alice, show_id=show.pk, seat_number=3)
        assert watcher.hears(3, "booked") < 0.5


def test_a_cancellation_is_told(show: Show, alice: User) -> None:
    booking = book_seat(user=alice, show_id=show.pk, seat_number=3)
    with watching(show) as watcher:
        assert watcher.seats[3] == "booked"
        cancel_booking(user=alice, booking_id=booking.pk)
        watcher.hears(3, "available")


def test_what_was_written_without_a_word_is_told_within_a_second(show: Show, alice: User) -> None:
    with watching(show) as watcher:
        elsewhere(lambda: book_seat(user=alice, show_id=show.pk, seat_number=3))
        assert watcher.hears(3, "booked") < 1.5


@pytest.mark.only("postgresql")
def test_a_word_of_another_process_is_heard(show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS_A_LOOK", 60)
    with watching(show) as watcher:
        watcher.hears(3, "available")
        time.sleep(0.2)
        elsewhere(lambda: book_seat(user=alice, show_id=show.pk, seat_number=3))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [live.CHANNEL, f"{show.pk + 1},{show.pk}"])
        assert watcher.hears(3, "booked") < 0.5


@pytest.mark.only("postgresql")
def test_a_word_is_sent_to_other_processes(show: Show, alice: User) -> None:
    listening = connection.copy()
    with listening.cursor() as cursor:
        cursor.execute(f"LISTEN {live.CHANNEL}")
    try:
        with watching(show):
            book_seat(user=alice, show_id=show.pk, seat_number=3)
            time.sleep(0.3)
        with listening.cursor() as cursor:
            cursor.execute("SELECT 1")
        words = list(listening.connection._notifies_backlog)
        assert [word.payload for word in words] == [str(show.pk)]
    finally:
        listening.close()


def test_a_hold_that_runs_out_is_told(show: Show, alice: User) -> None:
    from reservations.holds import hold_seats

    hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
    Claim.objects.filter(hold=hold.pk).update(expires_at=timezone.now() + timedelta(seconds=0.8))
    with watching(show) as watcher:
        assert watcher.seats[2] == "held"
        assert 0.3 < watcher.hears(2, "available") < 1.5


class TestResuming:
    def test_tells_what_has_changed_since(self, show: Show, alice: User) -> None:
        with watching(show) as before:
            version = before.version
        book_seat(user=alice, show_id=show.pk, seat_number=3)
        with watching(show, version) as after:
            assert after.told[0][1] == {3: "booked"}

    def test_tells_nothing_where_nothing_has_changed(self, show: Show) -> None:
        with watching(show) as before:
            version = before.version
        with watching(show, version) as after:
            assert after.told[0][1] == {}

    @pytest.mark.parametrize("since", ["", "yesterday", "-1", "9" * 18])
    def test_from_what_is_no_version_is_refused(self, show: Show, since: str) -> None:
        with pytest.raises(Invalid):
            live.subscribe(show_id=show.pk, since=since, words=words)

    def test_of_no_show_is_refused(self, show: Show) -> None:
        with pytest.raises(NotFound):
            live.subscribe(show_id=show.pk + 1, since=None, words=words)


def test_nobody_misses_anything(show: Show, alice: User, movie: Any) -> None:
    """Seats are booked and cancelled at random while people come, leave, and come again with what they know."""
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    Show.objects.filter(pk=show.pk).update(total_seats=12)
    ended = threading.Event()

    def book_and_cancel() -> None:
        own = random.Random(seed)
        taken: dict[int, Booking] = {}
        while not ended.is_set():
            seat = own.randint(1, 12)
            step: Callable[[], Any]
            if seat in taken:
                booking = taken.pop(seat)
                step = lambda b=booking: cancel_booking(user=alice, booking_id=b.pk)  # type: ignore[misc]  # noqa: E731
            else:
                step = lambda s=seat: taken.update({s: book_seat(user=alice, show_id=show.pk, seat_number=s)})  # type: ignore[misc]  # noqa: E731
            step()
            time.sleep(own.uniform(0, 0.02))
        connections.close_all()

    writer = threading.Thread(target=book_and_cancel)
    watchers = [Watching(show) for _ in range(4)]
    known = [dict(watcher.seats) for watcher in watchers]
    writer.start()
    until = time.monotonic() + 4
    while time.monotonic() < until:
        time.sleep(dice.uniform(0, 0.15))
        one = dice.randrange(len(watchers))
        watchers[one].leave()
        known[one] |= watchers[one].seats
        watchers[one] = Watching(show, watchers[one].version)
    ended.set()
    writer.join()
    actual = words(seat_changes(show_id=show.pk, since=None))[1]
    begun = time.monotonic()
    while any(know | watcher.seats != actual for know, watcher in zip(known, watchers, strict=True)):
        assert time.monotonic() - begun < 3, f"seed {seed}"
        time.sleep(0.02)
    for watcher in watchers:
        stamps = [int(version.partition("-")[0]) for version, _ in watcher.told]
        assert stamps == sorted(stamps), f"seed {seed}"
        watcher.leave()


def test_whoever_could_not_listen_is_told_all_at_once(show: Show, alice: User) -> None:
    with watching(show) as slow, watching(show) as quick:
        take, slow._take = slow._take, lambda: None  # type: ignore[method-assign]
        slow.subscription._wake = lambda: None
        for seat in (1, 2, 3):
            book_seat(user=alice, show_id=show.pk, seat_number=seat)
            quick.hears(seat, "booked")
        slow.subscription._wake = take
        slow._in_the_loop(take)
        slow.hears(3, "booked")
        assert slow.seats == quick.seats
        assert len(slow.told) <= 3  # what could be taken when it stopped, and all that came after it


def test_the_end_of_a_show_is_told(show: Show) -> None:
    with watching(show) as watcher:
        Show.objects.filter(pk=show.pk).delete()
        begun = time.monotonic()
        while not watcher.subscription.is_over:
            assert time.monotonic() - begun < 3
            time.sleep(0.02)


def test_nothing_is_kept_of_those_who_have_left(show: Show) -> None:
    with watching(show), watching(show):
        assert live._hub
        hub = live._hub
        assert hub._watched[show.pk].watchers == 2
    begun = time.monotonic()
    while hub._watched:
        assert time.monotonic() - begun < 3
        time.sleep(0.02)


@pytest.mark.only("postgresql")
def test_a_lost_connection_is_made_anew_and_nothing_missed(show: Show, alice: User) -> None:
    with watching(show) as watcher:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            own = cursor.fetchone()[0]
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> %s AND query LIKE %s", [own, "%"]
            )
        book_seat(user=alice, show_id=show.pk, seat_number=3)
        watcher.hears(3, "booked")
        time.sleep(0.3)
        book_seat(user=alice, show_id=show.pk, seat_number=4)
        watcher.hears(4, "booked")


@pytest.mark.only("postgresql")
def test_however_many_watch_they_hold_one_connection(show: Show) -> None:
    watchers = [Watching(show) for _ in range(50)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert cursor.fetchone()[0] == 2  # this one, and the hub's
    for watcher in watchers:
        watcher.leave()


def test_without_a_database_nobody_waits_for_long(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST_WAIT", 0.2)

    def hang(**_: Any) -> Any:
        time.sleep(0.5)
        raise DatabaseUnavailable

    monkeypatch.setattr(live, "seat_changes", hang)
    with pytest.raises(DomainError):
        live.subscribe(show_id=show.pk, since=None, words=words)


def test_a_process_that_does_not_serve_tells_nobody(show: Show, alice: User) -> None:
    book_seat(user=alice, show_id=show.pk, seat_number=3)
    assert live._hub is None


def test_those_who_come_at_once_share_a_read(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str | None] = []

    def counted(*, show_id: int, since: str | None) -> SeatChanges:
        reads.append(since)
        time.sleep(0.2)
        return seat_changes(show_id=show_id, since=since)

    with watching(show):
        time.sleep(0.3)
        monkeypatch.setattr(live, "seat_changes", counted)
        joining = [
            threading.Thread(target=lambda: live.subscribe(show_id=show.pk, since=None, words=words).first)
            for _ in range(20)
        ]
        for thread in joining:
            thread.start()
        for thread in joining:
            thread.join()
    assert reads.count(None) <= 3
