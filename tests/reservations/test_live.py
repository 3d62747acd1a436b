"""Live seat maps: subscribers are sent each change within a second, whatever made it, and miss none."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from catalog.models import Movie, Show
from core.errors import Invalid, NotFound, Overloaded
from core.models import User
from reservations import live
from reservations.booking import book_seat, cancel_booking
from reservations.holds import hold_seats
from reservations.models import Booking, Claim
from reservations.seat_map import SeatMap, read_seat_maps, seat_map
from reservations.staff import block_seats, unblock_seat
from tests.conftest import make_show
from tests.interleaving import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

Told = tuple[str, dict[int, str]]


@pytest.fixture(autouse=True)
def _the_thread_ends() -> Iterator[None]:
    yield
    live.poller.subscriptions.clear()
    for thread in live_threads():
        thread.join(5)
        assert not thread.is_alive()


def live_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "live"]


@pytest.fixture(autouse=True, scope="module")
def _loop() -> Iterator[None]:
    """An event loop in a thread, as each process that serves has one."""
    Watching.loop = asyncio.new_event_loop()
    thread = threading.Thread(target=Watching.loop.run_forever)
    thread.start()
    yield
    Watching.loop.call_soon_threadsafe(Watching.loop.stop)
    thread.join()
    Watching.loop.close()


def render(seats: SeatMap) -> Any:
    """Give what a test looks at; streams send bytes, but nothing here looks at them."""
    return seats.version, {seat.seat_number: seat.status for seat in seats.seats()}


class Watching:
    """A client of a subscription."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, show: Show, since: str | None = None, render: Callable[[SeatMap], Any] = render) -> None:
        self.subscription = live.subscribe(show_id=show.pk, since=since, render=render)
        self.told: list[Any] = [self.subscription.first]
        self._in_the_loop(lambda: self.subscription.open(self._take))
        self._in_the_loop(self._take)

    def _in_the_loop(self, step: Callable[[], Any]) -> None:
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (step(), done.set()))
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
        self._in_the_loop(self.subscription.close)


@contextmanager
def watching(show: Show, since: str | None = None) -> Iterator[Watching]:
    watching = Watching(show, since)
    try:
        yield watching
    finally:
        watching.leave()


def test_all_seats_are_told_at_first(show: Show) -> None:
    with watching(show) as alice:
        assert alice.seats == dict.fromkeys(range(1, 6), "available")


def test_a_booking_is_told_within_a_second_and_mostly_at_once(show: Show, alice: User) -> None:
    with watching(show) as watcher:
        took = []
        for seat in range(1, 6):
            book_seat(user=alice, show_id=show.pk, seat_number=seat)
            took.append(watcher.hears(seat, "booked"))
        assert max(took) < 1
        assert sorted(took)[2] < 0.4


def test_a_cancellation_is_told(show: Show, alice: User) -> None:
    booking = book_seat(user=alice, show_id=show.pk, seat_number=3)
    with watching(show) as watcher:
        assert watcher.seats[3] == "booked"
        cancel_booking(user=alice, booking_id=booking.pk)
        assert watcher.hears(3, "available") < 1


def test_what_staff_do_is_told(show: Show) -> None:
    with watching(show) as watcher:
        block_seats(show_id=show.pk, seat_numbers=[2], reason="")
        assert watcher.hears(2, "blocked") < 1
        unblock_seat(show_id=show.pk, seat_number=2)
        assert watcher.hears(2, "available") < 1


def test_a_change_by_hand_is_told_within_a_second(show: Show, alice: User) -> None:
    book_seat(user=alice, show_id=show.pk, seat_number=3)
    with watching(show) as watcher:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE reservations_booking SET status = 'blocked', user_id = NULL, reason = 'by hand'")
        assert watcher.hears(3, "blocked") < 1


def test_a_change_of_another_process_is_told_within_a_second(show: Show, alice: User) -> None:
    """As another process has no way to this one but the database, a connection of its own stands for it."""
    with watching(show) as watcher:
        (booking,) = all_at_once([lambda: book_seat(user=alice, show_id=show.pk, seat_number=3)])
        assert booking.seat_number == 3
        assert watcher.hears(3, "booked") < 1


def test_a_change_that_is_not_committed_is_not_told(show: Show, alice: User) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("its readers may wait for a writer")
    with watching(show) as watcher, suppress(ZeroDivisionError), transaction.atomic():
        Claim.objects.create(show=show, user=alice, seat_number=3, status="booked", created_at=timezone.now())
        time.sleep(0.5)
        assert watcher.seats[3] == "available"
        raise ZeroDivisionError
    assert len(watcher.told) == 1


def test_a_slow_read_stretches_the_pause_and_all_is_told_within_a_second(
    show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def slow(show_ids: Any) -> dict[int, SeatMap]:
        reads.append(time.monotonic())
        time.sleep(0.1)
        return read_seat_maps(show_ids)

    with watching(show) as watcher:
        monkeypatch.setattr(live, "read_seat_maps", slow)
        for seat in (1, 2, 3):
            book_seat(user=alice, show_id=show.pk, seat_number=seat)
            assert watcher.hears(seat, "booked") < 1
    assert all(second - first > 0.5 for first, second in pairwise(reads))


def test_a_hold_that_runs_out_is_told(show: Show, alice: User) -> None:
    hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
    Claim.objects.filter(hold=hold.pk).update(expires_at=timezone.now() + timedelta(seconds=0.8))
    with watching(show) as watcher:
        assert watcher.seats[2] == "held"
        assert 0.3 < watcher.hears(2, "available") < 0.8 + 1


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
            live.subscribe(show_id=show.pk, since=since, render=render)

    def test_of_no_show_is_refused(self, show: Show) -> None:
        with pytest.raises(NotFound):
            live.subscribe(show_id=show.pk + 1, since=None, render=render)


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
    actual = render(seat_map(show_id=show.pk))[1]
    begun = time.monotonic()
    while any(know | watcher.seats != actual for know, watcher in zip(known, watchers, strict=True)):
        assert time.monotonic() - begun < 3, f"seed {seed}"
        time.sleep(0.02)
    for watcher in watchers:
        watcher.leave()


def test_nobody_is_told_an_older_map_than_the_first(show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that began before somebody came ends after it; what it shows is older than what was sent."""
    is_read, goes_on = threading.Event(), threading.Event()

    def delayed(show_ids: Any) -> dict[int, SeatMap]:
        maps = read_seat_maps(show_ids)
        is_read.set()
        assert goes_on.wait(5)
        return maps

    with watching(show) as early:
        monkeypatch.setattr(live, "read_seat_maps", delayed)
        assert is_read.wait(5)
        book_seat(user=alice, show_id=show.pk, seat_number=3)
        with watching(show) as late:
            assert late.seats[3] == "booked"
            goes_on.set()
            early.hears(3, "booked")
            time.sleep(0.5)
            assert len(late.told) == 1


def test_what_changed_back_is_told_to_who_came_between(
    show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poller has never read the map that the latecomer was sent."""
    with watching(show):
        monkeypatch.setattr(live, "POLL", 0.6)
        time.sleep(0.3)
        booking = book_seat(user=alice, show_id=show.pk, seat_number=3)
        with watching(show) as between:
            assert between.seats[3] == "booked"
            cancel_booking(user=alice, booking_id=booking.pk)
            between.hears(3, "available")


def test_a_slow_client_skips_what_lay_between(show: Show, alice: User) -> None:
    with watching(show) as slow, watching(show) as quick:
        slow.subscription.wake = lambda: None
        before = len(slow.told)
        for seat in (1, 2, 3):
            book_seat(user=alice, show_id=show.pk, seat_number=seat)
            quick.hears(seat, "booked")
        slow.subscription.wake = slow._take
        slow._in_the_loop(slow._take)
        slow.hears(3, "booked")
        assert slow.seats == quick.seats
        assert len(slow.told) == before + 1
        assert slow.told[-1][1] == dict.fromkeys((1, 2, 3), "booked")


def test_a_slow_client_that_missed_nothing_in_the_end_is_sent_nothing(show: Show, alice: User) -> None:
    with watching(show) as slow, watching(show) as quick:
        slow.subscription.wake = lambda: None
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        quick.hears(1, "booked")
        cancel_booking(user=alice, booking_id=booking.pk)
        quick.hears(1, "available")
        before = len(slow.told)
        slow._in_the_loop(slow._take)
        time.sleep(0.1)
        assert len(slow.told) == before


def test_what_a_thousand_see_is_rendered_once(show: Show, alice: User) -> None:
    rendered = []

    def counted(seats: SeatMap) -> Any:
        rendered.append(seats.changed)
        return render(seats)

    watchers = [Watching(show, render=counted) for _ in range(5)]
    assert rendered == [None]
    watchers += [Watching(show, render=counted) for _ in range(995)]
    assert len({id(watcher.told[0]) for watcher in watchers}) == 1
    book_seat(user=alice, show_id=show.pk, seat_number=1)
    for watcher in watchers:
        watcher.hears(1, "booked")
    assert len({id(watcher.told[-1]) for watcher in watchers}) == 1
    assert rendered == [None, {1}]
    for watcher in watchers:
        watcher.leave()


def test_too_many_different_selections_are_refused(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_RENDERERS", 1)
    with watching(show), watching(show), pytest.raises(Overloaded):
        live.subscribe(show_id=show.pk, since=None, render=lambda seats: b"")
    live.subscribe(show_id=show.pk, since=None, render=lambda seats: b"").close()


def test_what_is_cached_of_a_show_is_bounded(show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_RENDERED", 3)
    versions = []
    for seat in range(1, 6):
        versions.append(seat_map(show_id=show.pk).version)
        book_seat(user=alice, show_id=show.pk, seat_number=seat)
    with watching(show):
        time.sleep(0.3)
        for number, version in enumerate(versions, 1):
            with watching(show, version) as late:
                assert late.told[0][1] == dict.fromkeys(range(number, 6), "booked")
        time.sleep(0.3)
        assert len(live.poller.newest[show.pk].rendered) <= 3


def test_the_end_of_a_show_is_told(show: Show) -> None:
    with watching(show) as watcher:
        Show.objects.filter(pk=show.pk).delete()
        begun = time.monotonic()
        while not watcher.subscription.is_over:
            assert time.monotonic() - begun < 3
            time.sleep(0.02)


def test_nothing_is_left_of_closed_subscriptions(show: Show) -> None:
    with watching(show), watching(show):
        assert [len(same) for same in live.poller.subscriptions[show.pk].values()] == [2]
        assert len(live_threads()) == 1
    assert not live.poller.subscriptions
    begun = time.monotonic()
    while live_threads():
        assert time.monotonic() - begun < 3
        time.sleep(0.02)


def test_the_thread_begins_again_after_its_end(show: Show, alice: User) -> None:
    for seat in (1, 2, 3):
        with watching(show) as watcher:
            book_seat(user=alice, show_id=show.pk, seat_number=seat)
            watcher.hears(seat, "booked")
        if seat > 1:
            for thread in live_threads():
                thread.join()


def test_nothing_is_left_of_refused_subscriptions(show: Show) -> None:
    with watching(show):
        with pytest.raises(NotFound):
            live.subscribe(show_id=show.pk + 1, since=None, render=render)
        with pytest.raises(Invalid):
            live.subscribe(show_id=show.pk, since="x", render=render)
        assert [*live.poller.subscriptions] == [show.pk]
        assert [len(same) for same in live.poller.subscriptions[show.pk].values()] == [1]


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
    time.sleep(0.5)  # until the thread has read
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert cursor.fetchone()[0] == 2  # this one, and the thread's
    for watcher in watchers:
        watcher.leave()


def test_while_the_database_is_away_subscribers_stay_and_are_told_afterwards(
    show: Show, alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = []

    def away(show_ids: Any) -> Any:
        failed.append(show_ids)
        raise OperationalError

    with watching(show) as watcher:
        with monkeypatch.context() as patch:
            patch.setattr(live, "read_seat_maps", away)
            while not failed:  # a read that has begun before does not fail
                time.sleep(0.02)
            book_seat(user=alice, show_id=show.pk, seat_number=3)
            time.sleep(1)
            assert len(failed) >= 3
            assert len(watcher.told) == 1
            assert not watcher.subscription.is_over
        assert watcher.hears(3, "booked") < 1
    warnings = [record for record in caplog.records if record.name == live.__name__]
    assert [record.levelname for record in warnings] == ["WARNING"]


def test_a_fault_does_not_end_the_thread(show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(show_ids: Any) -> Any:
        raise ZeroDivisionError

    with watching(show) as watcher:
        with monkeypatch.context() as patch:
            patch.setattr(live, "read_seat_maps", faulty)
            time.sleep(0.5)
        book_seat(user=alice, show_id=show.pk, seat_number=3)
        assert watcher.hears(3, "booked") < 1


def test_many_shows_are_read_in_one_statement(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[list[int]] = []

    def counted(show_ids: Any) -> dict[int, SeatMap]:
        reads.append(sorted(show_ids))
        return read_seat_maps(show_ids)

    shows = [make_show(movie) for _ in range(5)]
    watchers = [Watching(show) for show in shows]
    monkeypatch.setattr(live, "read_seat_maps", counted)
    time.sleep(5 * live.POLL)
    assert 1 <= len(reads) <= 6
    assert all(read == [show.pk for show in shows] for read in reads)
    for watcher in watchers:
        watcher.leave()
