"""Races for seats, on PostgreSQL, through real connections; next to each, the same race with its guard taken away."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Movie, Show
from catalog.programme import delete_movie
from core import database
from core.errors import Busy, NotFound, Protected
from core.models import User
from reservations import booking as domain
from reservations import claims, staff
from reservations.booking import book_seat, cancel_booking
from reservations.errors import AlreadyCancelled, SeatOutOfRange, SeatsInUse, SeatTaken, ShowFull, ShowStarted
from reservations.models import Booking
from reservations.staff import change_show, delete_show
from tests.conftest import begin, make_show, make_user
from tests.interleaving import (
    Racer,
    all_at_once,
    run_into,
    wait_until_blocked_or_done,
    without_row_locks,
    without_the_queue,
    without_the_shared_lock,
    without_the_unique_index,
)

pytestmark = [pytest.mark.only("postgresql"), pytest.mark.django_db(transaction=True)]

CROWD = 8


def book_slowly(**what: Any) -> Booking:
    """Book under a key: then the statement is part of a transaction, in which it can be stopped."""
    return book_seat(**what, idempotency_key=str(uuid.uuid4()))


def cancel_slowly(**what: Any) -> Booking:
    return cancel_booking(**what, idempotency_key=str(uuid.uuid4()))


def a_crowd_books(show: Show, *, seat: int) -> list[Any]:
    crowd = [make_user(f"user{number}") for number in range(CROWD)]
    return all_at_once([lambda user=user: book_seat(user=user, show_id=show.pk, seat_number=seat) for user in crowd])


class TestSameSeat:
    def race(self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """Bob's statement begins while Alice's booking is on its way, so that he sees the seat free."""
        outcomes = run_into(
            lambda: book_slowly(user=alice, show_id=show.pk, seat_number=3),
            lambda: book_seat(user=bob, show_id=show.pk, seat_number=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert sum(isinstance(outcome, Booking) for outcome in outcomes) == 1
        assert Booking.objects.with_status("booked").get().user == alice

    def test_has_one_winner(self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
        self.race(show, alice, bob, monkeypatch)

    def test_is_lost_without_the_index(
        self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with without_the_unique_index(monkeypatch), pytest.raises(AssertionError, match="2 == 1"):
            self.race(show, alice, bob, monkeypatch)

    def test_has_one_winner_in_a_crowd(self, show: Show) -> None:
        outcomes = a_crowd_books(show, seat=3)
        winners = [outcome for outcome in outcomes if isinstance(outcome, Booking)]
        assert len(winners) == 1
        assert all(isinstance(outcome, SeatTaken) for outcome in outcomes if outcome not in winners)
        assert Booking.objects.with_status("booked").get() == winners[0]


def test_the_last_seat_is_sold_once(movie: Movie, alice: User) -> None:
    show = make_show(movie, seats=2)
    book_seat(user=alice, show_id=show.pk, seat_number=1)
    outcomes = a_crowd_books(show, seat=2)
    assert sum(isinstance(outcome, Booking) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, SeatTaken | ShowFull) for outcome in outcomes) == CROWD - 1
    assert Booking.objects.with_status("booked").count() == 2


def test_a_crowd_fills_a_show_and_never_overfills_it(movie: Movie) -> None:
    show = make_show(movie, seats=6)
    crowd = [make_user(f"user{number}") for number in range(4)]
    calls = [
        lambda user=user, seat=seat: book_seat(user=user, show_id=show.pk, seat_number=seat)
        for seat in range(1, 7)
        for user in crowd
    ]
    outcomes = all_at_once(calls)
    assert sum(isinstance(outcome, Booking) for outcome in outcomes) == 6
    assert all(isinstance(outcome, Booking | SeatTaken | ShowFull) for outcome in outcomes)
    assert sorted(Booking.objects.with_status("booked").values_list("seat_number", flat=True)) == [1, 2, 3, 4, 5, 6]


class TestCancelAgainstBook:
    """Bob wants Alice's seat while her cancelling is on its way: it is hers until that has committed."""

    def race(self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, *, abort: bool) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=3)
        _, bobs = run_into(
            lambda: cancel_slowly(user=alice, booking_id=booking.pk),
            lambda: book_seat(user=bob, show_id=show.pk, seat_number=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
            abort=abort,
        )
        assert isinstance(bobs, SeatTaken)

    def test_gives_the_seat_to_whoever_comes_after_the_commit(
        self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.race(show, alice, bob, monkeypatch, abort=False)
        assert book_seat(user=bob, show_id=show.pk, seat_number=3).user_id == bob.pk

    def test_leaves_the_seat_where_it_is_when_the_cancelling_fails(
        self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.race(show, alice, bob, monkeypatch, abort=True)
        with pytest.raises(SeatTaken):
            book_seat(user=bob, show_id=show.pk, seat_number=3)


class TestFasterByLittle:
    """Alice's booking is on its way when Bob's statement begins, so that it finds the seat free and can't have it."""

    def race(self, movie: Movie, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, *, abort: bool) -> Any:
        show = make_show(movie, seats=1)
        _, bobs = run_into(
            lambda: book_slowly(user=alice, show_id=show.pk, seat_number=1),
            lambda: book_seat(user=bob, show_id=show.pk, seat_number=1),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
            abort=abort,
        )
        return bobs

    def test_the_loser_is_told_why_by_another_look(
        self, movie: Movie, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert isinstance(self.race(movie, alice, bob, monkeypatch, abort=False), ShowFull)

    def test_the_loser_is_only_busy_without_it(
        self, movie: Movie, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "MAX_ATTEMPTS", 1)
        assert isinstance(self.race(movie, alice, bob, monkeypatch, abort=False), Busy)

    def test_the_seat_is_his_after_all_if_hers_comes_to_nothing(
        self, movie: Movie, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bobs = self.race(movie, alice, bob, monkeypatch, abort=True)
        assert bobs.user_id == bob.pk


class TestDoubleCancel:
    def race(self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=3)
        first, second = run_into(
            lambda: cancel_slowly(user=alice, booking_id=booking.pk),
            lambda: cancel_booking(user=alice, booking_id=booking.pk),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(first, Booking)
        assert isinstance(second, AlreadyCancelled)
        assert Booking.objects.get().cancelled_at == first.cancelled_at

    def test_is_cancelled_once(self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        self.race(show, alice, monkeypatch)

    def test_is_cancelled_twice_without_the_lock_of_the_booking(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (
            without_row_locks(monkeypatch),
            pytest.raises(AssertionError, match=r"isinstance.<Booking.*AlreadyCancelled"),
        ):
            self.race(show, alice, monkeypatch)


class TestBookAgainstShrink:
    """Alice books seat 5 of 5 while staff shrink the show to 3."""

    def book_first(self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        booked, shrunk = run_into(
            lambda: book_slowly(user=alice, show_id=show.pk, seat_number=5),
            lambda: change_show(show_id=show.pk, total_seats=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(booked, Booking)
        assert isinstance(shrunk, SeatsInUse)
        assert Show.objects.get().total_seats == 5

    def shrink_first(self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        shrunk, booked = run_into(
            lambda: change_show(show_id=show.pk, total_seats=3),
            lambda: book_seat(user=alice, show_id=show.pk, seat_number=5),
            module=staff,
            stop_after="lock_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(shrunk, Show)
        assert isinstance(booked, SeatOutOfRange)
        assert not Booking.objects.exists()

    def test_keeps_the_show_when_the_booking_was_first(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.book_first(show, alice, monkeypatch)

    def test_refuses_the_booking_when_the_show_was_shrunk_first(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.shrink_first(show, alice, monkeypatch)

    @pytest.mark.parametrize("order", ["book_first", "shrink_first"])
    def test_is_lost_without_the_shared_lock(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch, order: str
    ) -> None:
        with without_the_shared_lock(monkeypatch), pytest.raises(AssertionError):
            getattr(self, order)(show, alice, monkeypatch)
        assert Booking.objects.with_status("booked").get().seat_number > Show.objects.get().total_seats


class TestBookAgainstDelete:
    def book_first(self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        booked, deleted = run_into(
            lambda: book_slowly(user=alice, show_id=show.pk, seat_number=5),
            lambda: delete_show(show_id=show.pk),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(booked, Booking)
        assert isinstance(deleted, Protected)
        assert Booking.objects.with_status("booked").get() == booked

    def delete_first(self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        deleted, booked = run_into(
            lambda: delete_show(show_id=show.pk),
            lambda: book_seat(user=alice, show_id=show.pk, seat_number=5),
            module=staff,
            stop_after="lock_show",
            monkeypatch=monkeypatch,
        )
        assert deleted is None
        assert isinstance(booked, NotFound)

    def test_keeps_the_show_when_the_booking_was_first(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.book_first(show, alice, monkeypatch)

    def test_knows_no_show_when_it_was_deleted_first(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.delete_first(show, alice, monkeypatch)

    @pytest.mark.parametrize("order", ["book_first", "delete_first"])
    def test_is_lost_without_the_shared_lock(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch, order: str
    ) -> None:
        with without_the_shared_lock(monkeypatch), pytest.raises(AssertionError, match="IntegrityError"):
            getattr(self, order)(show, alice, monkeypatch)

    def test_a_film_is_kept_too_when_a_booking_of_its_show_was_first(
        self, show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        booked, deleted = run_into(
            lambda: book_slowly(user=alice, show_id=show.pk, seat_number=5),
            lambda: delete_movie(movie_id=show.movie_id),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(booked, Booking)
        assert isinstance(deleted, Protected)


def test_seats_of_one_show_do_not_wait_for_each_other(
    show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob's booking is done while Alice's is still in its transaction: had it waited, it would not be first."""
    finished: list[str] = []

    def book(user: User, seat: int) -> Any:
        booking = book_slowly(user=user, show_id=show.pk, seat_number=seat)
        finished.append(user.username)
        return booking

    run_into(
        lambda: book(alice, 1),
        lambda: book(bob, 2),
        module=domain,
        stop_after="attach_show",
        monkeypatch=monkeypatch,
    )
    assert finished == ["bob", "alice"]


class TestStaffInAQueue:
    """Alice's booking is on its way, staff wait for it; Bob, who comes after them, must not pass."""

    def race(self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        finished: list[str] = []

        def note(name: str, call: Any) -> Any:
            result = call()
            finished.append(name)
            return result

        def staff_and_then_bob() -> None:
            staff = Racer(lambda: note("staff", lambda: change_show(show_id=show.pk, total_seats=9)))
            wait_until_blocked_or_done(staff)
            bobs = Racer(lambda: note("bob", lambda: book_seat(user=bob, show_id=show.pk, seat_number=2)))
            wait_until_blocked_or_done(bobs, waiting=2)
            finished.append("alice goes on")
            others.extend([staff, bobs])

        others: list[Racer] = []
        run_into(
            lambda: book_slowly(user=alice, show_id=show.pk, seat_number=1),
            staff_and_then_bob,
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
            until_done=True,
        )
        for racer in others:
            racer.finish()
        return finished

    def test_come_next(self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.race(show, alice, bob, monkeypatch) == ["alice goes on", "staff", "bob"]

    def test_are_passed_without_the_queue(
        self, show: Show, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with without_the_queue(monkeypatch):
            assert self.race(show, alice, bob, monkeypatch) == ["bob", "alice goes on", "staff"]


def test_the_look_for_the_reason_goes_by_the_databases_clock(
    show: Show, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application's clock is late: by it the show has not begun, and a free seat would seem to be taken."""
    begin(show)
    late = timezone.now() - timedelta(hours=1)
    monkeypatch.setattr(claims.timezone, "now", lambda: late)
    with pytest.raises(ShowStarted):
        book_seat(user=alice, show_id=show.pk, seat_number=1)
