"""Races for held, blocked, moved and chosen seats, on PostgreSQL, through real connections; next to each, the same race
with its guard taken away."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytest
from django.db import connection

from catalog.models import Movie, Show
from core import database
from core.errors import Busy, NotFound
from core.models import User
from reservations import booking as domain
from reservations import claims, holds, staff
from reservations.booking import book_seat, book_seats, cancel_booking, move_booking
from reservations.errors import (
    AlreadyCancelled,
    HoldConfirmed,
    HoldExpired,
    SeatBlocked,
    SeatHeld,
    SeatOutOfRange,
    SeatsInUse,
    SeatsUnavailable,
    SeatTaken,
    ShowFull,
    TooManyHeld,
)
from reservations.holds import confirm_hold, extend_hold, free_expired_seats, hold_seats, release_hold
from reservations.models import Booking, Bookings, Claim, Hold, Released
from reservations.staff import block_seats, change_show
from tests.conftest import make_show, make_user
from tests.interleaving import (
    Racer,
    all_at_once,
    deadlocks,
    meanwhile,
    run_into,
    slow_inserts,
    wait_until_blocked_or_done,
    without_row_locks,
    without_the_shared_lock,
    without_the_unique_index,
    without_words,
)

pytestmark = [pytest.mark.only("postgresql"), pytest.mark.django_db(transaction=True)]

Patch = pytest.MonkeyPatch
Guard = Callable[[Patch], Any]

SHORT = 1.0  # seconds that a hold lasts where a test waits until it has run out


def slowly(verb: Callable[..., Any], **what: Any) -> Any:
    """Do it under a key: then the statement is part of a transaction, in which it can be stopped."""
    return verb(**what, idempotency_key=str(uuid.uuid4()))


def seats(show: Show) -> dict[int, tuple[str, str | None]]:
    """Tell what stands on which seat, and whose it is."""
    claims = Claim.objects.filter(show=show, status__in=Claim.LIVE).order_by("seat_number", "pk")
    told = [(claim.seat_number, (claim.status, claim.user and claim.user.username)) for claim in claims]
    assert len(dict(told)) == len(told), f"a seat has two: {told}"
    return dict(told)


def wait_until_run_out(show: Show) -> None:
    held = Claim.objects.filter(show=show, status=Claim.Status.HELD)
    while held.exclude(pk__in=Claim.objects.expired()).exists():
        time.sleep(0.01)


def lock_seat(show: Show, seat: int) -> Callable[[], Any]:
    return lambda: Claim.objects.select_for_update().get(show=show, seat_number=seat, status__in=Claim.LIVE)


# --- Guards, and how they are taken away --------------------------------------------------------


@contextmanager
def with_the_clock_read_before_the_locks(monkeypatch: Patch) -> Iterator[None]:
    """Go by the clock as it was at the beginning of the verb."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (before,) = cursor.fetchone()
    look = holds.look
    with monkeypatch.context() as patch:
        patch.setattr(holds, "look", lambda **what: replace(look(**what), now=before))
        yield


@contextmanager
def without(monkeypatch: Patch, module: Any, function: str) -> Iterator[None]:
    """Go on without a step."""
    with monkeypatch.context() as patch:
        patch.setattr(module, function, lambda *args: None)
        yield


# --- Hold, book, block --------------------------------------------------------------------------


class TestHoldAgainstHold:
    """Bob's statement begins while Alice's hold is on its way, so that he sees her seats free."""

    def race(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        hers, his = run_into(
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4]),
            lambda: hold_seats(user=bob, show_id=show.pk, seat_numbers=[4, 5]),
            module=holds,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(hers, Hold)
        assert isinstance(his, SeatsUnavailable)
        assert his.seat_numbers == [4]
        assert seats(show) == {3: ("held", "alice"), 4: ("held", "alice")}

    def test_has_one_winner(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        self.race(show, alice, bob, monkeypatch)

    def test_is_lost_without_the_index(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        with without_the_unique_index(monkeypatch), pytest.raises(AssertionError, match="SeatsUnavailable"):
            self.race(show, alice, bob, monkeypatch)

    def test_gives_the_loser_some_of_the_seats_without_the_count_of_what_was_written(
        self, show: Show, alice: User, bob: User, monkeypatch: Patch
    ) -> None:
        monkeypatch.setattr(claims, "len", lambda rows: 2, raising=False)
        with pytest.raises(AssertionError, match="SeatsUnavailable"):
            self.race(show, alice, bob, monkeypatch)
        assert seats(show)[5] == ("held", "bob")

    def test_leaves_nothing_of_the_losers_hold(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        run_into(
            lambda: slowly(book_seat, user=alice, show_id=show.pk, seat_number=3),
            lambda: slowly(hold_seats, user=bob, show_id=show.pk, seat_numbers=[3]),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert not Hold.objects.exists()


class TestHoldAgainstBook:
    def hold_first(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        held, booked = run_into(
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[3]),
            lambda: book_seat(user=bob, show_id=show.pk, seat_number=3),
            module=holds,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(held, Hold)
        assert isinstance(booked, SeatHeld)
        assert seats(show) == {3: ("held", "alice")}

    def book_first(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        booked, held = run_into(
            lambda: slowly(book_seat, user=bob, show_id=show.pk, seat_number=3),
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3]),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(booked, Booking)
        assert isinstance(held, SeatsUnavailable)
        assert seats(show) == {3: ("booked", "bob")}

    @pytest.mark.parametrize("order", ["hold_first", "book_first"])
    def test_has_one_winner(self, show: Show, alice: User, bob: User, monkeypatch: Patch, order: str) -> None:
        getattr(self, order)(show, alice, bob, monkeypatch)

    @pytest.mark.parametrize("order", ["hold_first", "book_first"])
    def test_is_lost_without_the_index(
        self, show: Show, alice: User, bob: User, monkeypatch: Patch, order: str
    ) -> None:
        with without_the_unique_index(monkeypatch), pytest.raises(AssertionError, match=r"SeatHeld|SeatsUnavailable"):
            getattr(self, order)(show, alice, bob, monkeypatch)


class TestBlockAgainstSale:
    """Staff take seat 3 off sale while somebody books or holds it."""

    sales: ClassVar[dict[str, tuple[Callable[..., Any], Any, type[Exception], str]]] = {
        "book": (partial(book_seat, seat_number=3), domain, SeatBlocked, "booked"),
        "hold": (partial(hold_seats, seat_numbers=[3]), holds, SeatsUnavailable, "held"),
    }

    def sale_first(self, show: Show, alice: User, monkeypatch: Patch, sale: str) -> None:
        sell, module, _, status = self.sales[sale]
        before = deadlocks()
        sold, blocked = run_into(
            lambda: slowly(sell, user=alice, show_id=show.pk),
            lambda: block_seats(show_id=show.pk, seat_numbers=[2, 3], reason="Broken."),
            module=module,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert deadlocks() == before
        assert isinstance(sold, Booking | Hold)
        assert isinstance(blocked, SeatsUnavailable), repr(blocked)
        assert blocked.seat_numbers == [3]
        assert seats(show) == {3: (status, "alice")}

    def block_first(self, show: Show, alice: User, monkeypatch: Patch, sale: str) -> None:
        sell, _, refusal, _ = self.sales[sale]
        before = deadlocks()
        blocked, sold = run_into(
            lambda: block_seats(show_id=show.pk, seat_numbers=[2, 3], reason="Broken."),
            lambda: sell(user=alice, show_id=show.pk),
            module=staff,
            stop_after="check_seats_to_block",
            monkeypatch=monkeypatch,
        )
        assert deadlocks() == before
        assert isinstance(blocked, list), repr(blocked)
        assert isinstance(sold, refusal)
        assert seats(show) == {2: ("blocked", None), 3: ("blocked", None)}

    @pytest.mark.parametrize("sale", ["book", "hold"])
    @pytest.mark.parametrize("order", ["sale_first", "block_first"])
    def test_has_one_winner(self, show: Show, alice: User, monkeypatch: Patch, order: str, sale: str) -> None:
        getattr(self, order)(show, alice, monkeypatch, sale)

    @pytest.mark.parametrize("sale", ["book", "hold"])
    @pytest.mark.parametrize("order", ["sale_first", "block_first"])
    def test_is_a_deadlock_without_the_shared_lock(
        self, show: Show, alice: User, monkeypatch: Patch, order: str, sale: str
    ) -> None:
        """Staff wait for the seat, and the sale, when it commits, for the row of the show, which staff have locked."""
        with without_the_shared_lock(monkeypatch), pytest.raises(AssertionError, match=r"deadlocks\(\)"):
            getattr(self, order)(show, alice, monkeypatch, sale)


class TestShrinkAgainstHold:
    """Alice holds seat 5 of 5 while staff shrink the show to 3."""

    def hold_first(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        held, shrunk = run_into(
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[4, 5]),
            lambda: change_show(show_id=show.pk, total_seats=3),
            module=holds,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(held, Hold)
        assert isinstance(shrunk, SeatsInUse)
        assert Show.objects.get().total_seats == 5

    def shrink_first(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        shrunk, held = run_into(
            lambda: change_show(show_id=show.pk, total_seats=3),
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4]),
            module=staff,
            stop_after="lock_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(shrunk, Show)
        assert isinstance(held, SeatOutOfRange)
        assert seats(show) == {}

    @pytest.mark.parametrize("order", ["hold_first", "shrink_first"])
    def test_keeps_every_held_seat_in_the_show(self, show: Show, alice: User, monkeypatch: Patch, order: str) -> None:
        getattr(self, order)(show, alice, monkeypatch)

    @pytest.mark.parametrize("order", ["hold_first", "shrink_first"])
    def test_is_lost_without_the_shared_lock(self, show: Show, alice: User, monkeypatch: Patch, order: str) -> None:
        with without_the_shared_lock(monkeypatch), pytest.raises(AssertionError):
            getattr(self, order)(show, alice, monkeypatch)
        assert max(seats(show)) > Show.objects.get().total_seats

    def test_a_hold_that_waits_while_the_show_is_moved_does_not_outlive_its_new_beginning(
        self, movie: Movie, alice: User, monkeypatch: Patch
    ) -> None:
        show = make_show(movie, hours=2)
        sooner = Show(date_time=make_show(movie, hours=0.05).date_time).date_time
        _, held = run_into(
            lambda: change_show(show_id=show.pk, date_time=sooner),
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[1]),
            module=staff,
            stop_after="lock_show",
            monkeypatch=monkeypatch,
        )
        assert held.expires_at == sooner


# --- What becomes of a hold ---------------------------------------------------------------------


class TestWhoeverIsLateWithAHold:
    """Alice confirms, or extends, in time; but her statement has to wait at seat 2 until the hold has run out and Bob
    has taken seat 3 over, which it has not come to yet."""

    def race(self, show: Show, alice: User, bob: User, settings: Any, verb: Callable[..., Any]) -> None:
        settings.HOLD_SECONDS = SHORT
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2, 3])
        settings.HOLD_SECONDS = 600
        with meanwhile(lock_seat(show, 2)):
            late = Racer(lambda: verb(user=alice, hold_id=hold.pk))
            wait_until_blocked_or_done(late)
            assert late.is_alive()
            wait_until_run_out(show)
            hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        assert isinstance(late.finish(), HoldExpired)
        assert seats(show) == {1: ("held", "alice"), 2: ("held", "alice"), 3: ("held", "bob")}
        assert Claim.objects.expired().count() == 2

    @pytest.mark.parametrize("verb", [confirm_hold, extend_hold])
    def test_has_nothing_of_it(
        self, show: Show, alice: User, bob: User, settings: Any, verb: Callable[..., Any]
    ) -> None:
        self.race(show, alice, bob, settings, verb)

    @pytest.mark.parametrize("verb", [confirm_hold, extend_hold])
    def test_has_a_part_of_it_if_the_clock_is_read_before_the_locks(
        self,
        show: Show,
        alice: User,
        bob: User,
        settings: Any,
        monkeypatch: Patch,
        verb: Callable[..., Any],
    ) -> None:
        with (
            with_the_clock_read_before_the_locks(monkeypatch),
            pytest.raises(AssertionError, match="HoldExpired"),
        ):
            self.race(show, alice, bob, settings, verb)

    def test_has_nothing_of_it_even_if_holding_had_to_wait_between_the_seats(
        self, show: Show, alice: User, bob: User, settings: Any
    ) -> None:
        """Somebody's hold of seat 1 has run out, and its claim is locked when Alice takes it over, so that she has
        seat 2 later than seat 1; but both for as long."""
        settings.HOLD_SECONDS = 0.01
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[1])
        wait_until_run_out(show)
        settings.HOLD_SECONDS = 2 * SHORT
        with meanwhile(lock_seat(show, 1)):
            waiting = Racer(lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2, 3]))
            wait_until_blocked_or_done(waiting)
            time.sleep(SHORT)
        hold = waiting.finish()
        assert isinstance(hold, Hold)
        while not Claim.objects.expired().exists():
            time.sleep(0.01)
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[1])
        with pytest.raises(HoldExpired):
            confirm_hold(user=alice, hold_id=hold.pk)
        assert "booked" not in {status for status, _ in seats(show).values()}


class TestTakeoverOfWhatIsExtended:
    """Bob's statement begins when Alice's hold has run out, by what he sees; but she has extended it in time, and that
    is on its way."""

    def race(self, show: Show, alice: User, bob: User, settings: Any, monkeypatch: Patch) -> None:
        settings.HOLD_SECONDS = SHORT
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        settings.HOLD_SECONDS = 600

        def take_over() -> Any:
            wait_until_run_out(show)
            return hold_seats(user=bob, show_id=show.pk, seat_numbers=[4, 5])

        extended, taken = run_into(
            lambda: slowly(extend_hold, user=alice, hold_id=hold.pk),
            take_over,
            module=holds,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(extended, Hold)
        assert isinstance(taken, SeatsUnavailable)
        assert taken.seat_numbers == [4]
        assert len(confirm_hold(user=alice, hold_id=hold.pk)) == 2

    def test_comes_to_nothing(self, show: Show, alice: User, bob: User, settings: Any, monkeypatch: Patch) -> None:
        self.race(show, alice, bob, settings, monkeypatch)

    def test_robs_her_if_only_what_the_statement_saw_counts(
        self, show: Show, alice: User, bob: User, settings: Any, monkeypatch: Patch
    ) -> None:
        careless = claims.ON_CONFLICT[: claims.ON_CONFLICT.rindex("AND (")]
        with (
            without_words(monkeypatch, on_conflict=careless),
            pytest.raises(AssertionError, match="SeatsUnavailable"),
        ):
            self.race(show, alice, bob, settings, monkeypatch)


class TestConfirmAgainstRelease:
    def confirm_first(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        self.race(alice, monkeypatch, show, confirm_hold, release_hold, HoldConfirmed)
        assert seats(show) == {3: ("booked", "alice"), 4: ("booked", "alice")}

    def release_first(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        self.race(alice, monkeypatch, show, release_hold, confirm_hold, NotFound)
        assert seats(show) == {}

    def race(self, alice: User, monkeypatch: Patch, show: Show, *verbs_and_refusal: Any) -> None:
        first, second, refusal = verbs_and_refusal
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        done, refused = run_into(
            lambda: slowly(first, user=alice, hold_id=hold.pk),
            lambda: second(user=alice, hold_id=hold.pk),
            module=holds,
            stop_after="update_claims",
            monkeypatch=monkeypatch,
        )
        assert isinstance(done, Bookings | Released)
        assert isinstance(refused, refusal), f"{refused!r} and not {refusal}"

    def test_tells_the_release_that_it_was_confirmed(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        self.confirm_first(show, alice, monkeypatch)

    def test_knows_no_hold_that_was_released(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        self.release_first(show, alice, monkeypatch)

    @pytest.mark.parametrize("order", ["confirm_first", "release_first"])
    def test_is_lost_without_the_lock_of_its_claims(
        self, show: Show, alice: User, monkeypatch: Patch, order: str
    ) -> None:
        with without_row_locks(monkeypatch), pytest.raises(AssertionError, match=r"Released|Booking"):
            getattr(self, order)(show, alice, monkeypatch)

    @pytest.mark.parametrize("verb", [extend_hold, release_hold])
    def test_whoever_extends_or_releases_what_is_being_released_finds_no_hold(
        self, show: Show, alice: User, monkeypatch: Patch, verb: Callable[..., Any]
    ) -> None:
        self.race(alice, monkeypatch, show, release_hold, verb, NotFound)


class TestDoubleConfirm:
    def race(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        first, second = run_into(
            lambda: slowly(confirm_hold, user=alice, hold_id=hold.pk),
            lambda: confirm_hold(user=alice, hold_id=hold.pk),
            module=holds,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert [(each.pk, each.seat_number, each.created_at) for each in first] == [
            (each.pk, each.seat_number, each.created_at) for each in second
        ]
        assert seats(show) == {3: ("booked", "alice"), 4: ("booked", "alice")}

    def test_has_the_same_answer_twice(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        self.race(show, alice, monkeypatch)

    def test_is_done_twice_without_the_lock_of_its_claims(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        with without_row_locks(monkeypatch), pytest.raises(AssertionError, match="datetime"):
            self.race(show, alice, monkeypatch)


class TestTwoHoldsOfOneAccount:
    def race(self, show: Show, alice: User, settings: Any, monkeypatch: Patch) -> None:
        settings.HOLD_SEATS = 3
        first, second = run_into(
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2]),
            lambda: hold_seats(user=alice, show_id=show.pk, seat_numbers=[4, 5]),
            module=holds,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(first, Hold)
        assert isinstance(second, TooManyHeld)
        assert second.facts == {"limit": 3, "held": 2}

    def test_are_counted_together(self, show: Show, alice: User, settings: Any, monkeypatch: Patch) -> None:
        self.race(show, alice, settings, monkeypatch)

    def test_pass_the_limit_without_the_queue(self, show: Show, alice: User, settings: Any, monkeypatch: Patch) -> None:
        with (
            without(monkeypatch, holds, "lock_limit"),
            pytest.raises(AssertionError, match="TooManyHeld"),
        ):
            self.race(show, alice, settings, monkeypatch)
        assert len(seats(show)) == 4

    def test_of_several_accounts_do_not_wait_for_each_other(
        self, show: Show, alice: User, bob: User, monkeypatch: Patch
    ) -> None:
        finished: list[str] = []

        def hold(user: User, seat: int) -> None:
            hold_seats(user=user, show_id=show.pk, seat_numbers=[seat])
            finished.append(user.username)

        run_into(
            lambda: hold(alice, 1),
            lambda: hold(bob, 2),
            module=holds,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert finished == ["bob", "alice"]


def test_freeing_what_has_run_out_passes_whoever_takes_it_over(
    show: Show, alice: User, bob: User, settings: Any, monkeypatch: Patch
) -> None:
    settings.HOLD_SECONDS = 0.01
    hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2])
    wait_until_run_out(show)
    settings.HOLD_SECONDS = 600
    taken, freed = run_into(
        lambda: hold_seats(user=bob, show_id=show.pk, seat_numbers=[2, 3]),
        free_expired_seats,
        module=holds,
        stop_after="attach_show",
        monkeypatch=monkeypatch,
        until_done=True,
    )
    assert isinstance(taken, Hold)
    assert freed == 1
    assert seats(show) == {2: ("held", "bob"), 3: ("held", "bob")}


# --- Moving -------------------------------------------------------------------------------------


class TestMoveAgainstMove:
    """Alice and Bob move to the same free seat."""

    def race(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        his = book_seat(user=bob, show_id=show.pk, seat_number=2)
        first, second = run_into(
            lambda: slowly(move_booking, user=alice, booking_id=hers.pk, seat_number=3),
            lambda: move_booking(user=bob, booking_id=his.pk, seat_number=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(first, Booking)
        assert first.pk == hers.pk
        assert isinstance(second, SeatTaken)
        assert seats(show) == {2: ("booked", "bob"), 3: ("booked", "alice")}

    def test_has_one_winner_and_the_loser_keeps_his_seat(
        self, show: Show, alice: User, bob: User, monkeypatch: Patch
    ) -> None:
        self.race(show, alice, bob, monkeypatch)

    def test_is_lost_without_the_index(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        book_seat(user=alice, show_id=show.pk, seat_number=4)
        with without_the_unique_index(monkeypatch), pytest.raises(AssertionError, match="SeatTaken"):
            self.race(show, alice, bob, monkeypatch)


class TestMoveAgainstBook:
    def move_first(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        moved, booked = run_into(
            lambda: slowly(move_booking, user=alice, booking_id=hers.pk, seat_number=3),
            lambda: book_seat(user=bob, show_id=show.pk, seat_number=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(moved, Booking)
        assert isinstance(booked, SeatTaken)
        assert seats(show) == {3: ("booked", "alice")}

    def book_first(self, show: Show, alice: User, bob: User, monkeypatch: Patch) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        booked, moved = run_into(
            lambda: slowly(book_seat, user=bob, show_id=show.pk, seat_number=3),
            lambda: move_booking(user=alice, booking_id=hers.pk, seat_number=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(booked, Booking)
        assert isinstance(moved, SeatTaken)
        assert seats(show) == {1: ("booked", "alice"), 3: ("booked", "bob")}

    @pytest.mark.parametrize("order", ["move_first", "book_first"])
    def test_has_one_winner(self, show: Show, alice: User, bob: User, monkeypatch: Patch, order: str) -> None:
        getattr(self, order)(show, alice, bob, monkeypatch)

    @pytest.mark.parametrize("order", ["move_first", "book_first"])
    def test_is_lost_without_the_index(
        self, show: Show, alice: User, bob: User, monkeypatch: Patch, order: str
    ) -> None:
        with without_the_unique_index(monkeypatch), pytest.raises(AssertionError, match="SeatTaken"):
            getattr(self, order)(show, alice, bob, monkeypatch)

    def test_the_seat_that_is_left_is_free_at_the_commit_and_not_before(
        self, show: Show, alice: User, bob: User, monkeypatch: Patch
    ) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        moved, booked = run_into(
            lambda: slowly(move_booking, user=alice, booking_id=hers.pk, seat_number=3),
            lambda: book_seat(user=bob, show_id=show.pk, seat_number=1),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
            abort=True,
        )
        assert isinstance(moved, RuntimeError)
        assert isinstance(booked, SeatTaken)
        assert seats(show) == {1: ("booked", "alice")}


class TestMoveAgainstTakeover:
    """Alice moves to a seat whose hold has run out while Bob takes it over."""

    def test_has_one_winner(self, show: Show, alice: User, bob: User, settings: Any, monkeypatch: Patch) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        settings.HOLD_SECONDS = 0.01
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        wait_until_run_out(show)
        taken, moved = run_into(
            lambda: slowly(book_seat, user=bob, show_id=show.pk, seat_number=3),
            lambda: move_booking(user=alice, booking_id=hers.pk, seat_number=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(taken, Booking)
        assert isinstance(moved, SeatTaken)
        assert seats(show) == {1: ("booked", "alice"), 3: ("booked", "bob")}

    def test_the_same_the_other_way_round(
        self, show: Show, alice: User, bob: User, settings: Any, monkeypatch: Patch
    ) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        settings.HOLD_SECONDS = 0.01
        hold = hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        wait_until_run_out(show)
        settings.HOLD_SECONDS = 600
        moved, taken = run_into(
            lambda: slowly(move_booking, user=alice, booking_id=hers.pk, seat_number=3),
            lambda: hold_seats(user=bob, show_id=show.pk, seat_numbers=[3, 4]),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(moved, Booking)
        assert isinstance(taken, SeatsUnavailable)
        with pytest.raises(HoldExpired):
            confirm_hold(user=bob, hold_id=hold.pk)
        assert seats(show) == {3: ("booked", "alice")}


class TestCancelAgainstMove:
    def cancel_first(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        cancelled, moved = run_into(
            lambda: slowly(cancel_booking, user=alice, booking_id=hers.pk),
            lambda: move_booking(user=alice, booking_id=hers.pk, seat_number=3),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(cancelled, Booking)
        assert isinstance(moved, AlreadyCancelled)
        assert Booking.objects.get().seat_number == 1

    def move_first(self, show: Show, alice: User, monkeypatch: Patch) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        moved, cancelled = run_into(
            lambda: slowly(move_booking, user=alice, booking_id=hers.pk, seat_number=3),
            lambda: cancel_booking(user=alice, booking_id=hers.pk),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(moved, Booking)
        assert isinstance(cancelled, Booking)
        assert (cancelled.seat_number, cancelled.status) == (3, "cancelled")

    @pytest.mark.parametrize("order", ["cancel_first", "move_first"])
    def test_frees_every_seat(self, show: Show, alice: User, monkeypatch: Patch, order: str) -> None:
        getattr(self, order)(show, alice, monkeypatch)
        assert seats(show) == {}

    def test_moves_what_is_cancelled_without_the_lock_of_the_booking(
        self, show: Show, alice: User, monkeypatch: Patch
    ) -> None:
        with without_row_locks(monkeypatch), pytest.raises(AssertionError, match="AlreadyCancelled"):
            self.cancel_first(show, alice, monkeypatch)


ROUNDS = 12


class TestMovingAbout:
    def test_two_who_move_to_each_others_seats_are_refused_and_do_not_deadlock(
        self, show: Show, alice: User, bob: User
    ) -> None:
        hers = book_seat(user=alice, show_id=show.pk, seat_number=1)
        his = book_seat(user=bob, show_id=show.pk, seat_number=2)
        before = deadlocks()
        for _ in range(ROUNDS):
            outcomes = all_at_once(
                [
                    lambda: move_booking(user=alice, booking_id=hers.pk, seat_number=2),
                    lambda: move_booking(user=bob, booking_id=his.pk, seat_number=1),
                ]
            )
            assert [type(outcome) for outcome in outcomes] == [SeatTaken, SeatTaken]
        assert seats(show) == {1: ("booked", "alice"), 2: ("booked", "bob")}
        assert deadlocks() == before

    def test_two_who_move_to_the_seats_that_the_other_leaves_come_by_without_a_deadlock(
        self, movie: Movie, alice: User, bob: User
    ) -> None:
        """Round and round over four seats: each moves to where the other has just been, or is about to leave."""
        show = make_show(movie, seats=4)
        movers = {
            alice: book_seat(user=alice, show_id=show.pk, seat_number=1),
            bob: book_seat(user=bob, show_id=show.pk, seat_number=3),
        }

        def go_round(user: User, starts_at: int) -> list[Any]:
            outcomes = []
            for step in range(1, 4 * ROUNDS):
                seat = (starts_at - 1 + step) % 4 + 1
                try:
                    outcomes.append(move_booking(user=user, booking_id=movers[user].pk, seat_number=seat))
                except SeatTaken as refusal:
                    outcomes.append(refusal)
            return outcomes

        before = deadlocks()
        with watching(show) as seen:
            outcomes = all_at_once([lambda: go_round(alice, 1), lambda: go_round(bob, 3)])
        assert all(isinstance(outcome, Booking | SeatTaken) for each in outcomes for outcome in each), outcomes
        assert seen == {("alice", "bob")}, "somebody had no seat, or two"
        assert deadlocks() == before


@contextmanager
def watching(show: Show) -> Iterator[set[tuple[str, ...]]]:
    """Look again and again, on a connection of its own, at who has seats."""
    seen: set[tuple[str, ...]] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.add(tuple(sorted(user or "" for _, user in seats(show).values())))

    watcher = Racer(watch)
    try:
        yield seen
    finally:
        over.set()
        assert watcher.finish() is None, watcher.outcome


# --- Groups -------------------------------------------------------------------------------------


class TestGroupsThatOverlap:
    """Groups want [1, 2, 3] and [3, 2, 1] at the same time; the statements take their time between the seats."""

    def race(self, movie: Movie, verb: Callable[..., Any], *, rounds: int) -> None:
        crowd = [make_user(f"user{number}") for number in range(4)]
        before = deadlocks()
        for _ in range(rounds):
            show = make_show(movie)
            wishes = [[1, 2, 3], [3, 2, 1], [1, 2, 3], [3, 2, 1]]
            outcomes = all_at_once(
                [
                    partial(verb, user=user, show_id=show.pk, seat_numbers=wish)
                    for user, wish in zip(crowd, wishes, strict=True)
                ]
            )
            assert sum(isinstance(outcome, Bookings | Hold) for outcome in outcomes) == 1, outcomes
            assert sum(isinstance(outcome, SeatsUnavailable) for outcome in outcomes) == 3, outcomes
            assert sorted(seats(show)) == [1, 2, 3]
            assert len({user for _, user in seats(show).values()}) == 1
        assert deadlocks() == before

    @pytest.mark.parametrize("verb", [book_seats, hold_seats])
    def test_have_one_winner_and_no_deadlock(self, movie: Movie, verb: Callable[..., Any]) -> None:
        with slow_inserts(0.02):
            self.race(movie, verb, rounds=ROUNDS)

    def test_are_many_times_as_fast_as_they_come(self, movie: Movie) -> None:
        self.race(movie, book_seats, rounds=3 * ROUNDS)

    @pytest.mark.parametrize("verb", [book_seats, hold_seats])
    def test_deadlock_if_the_seats_are_taken_in_any_order(
        self, movie: Movie, monkeypatch: Patch, verb: Callable[..., Any]
    ) -> None:
        in_any_order = "ORDER BY seat.column1 * (1 - 2 * (%(user)s %% 2))"
        with (
            slow_inserts(0.02),
            without_words(monkeypatch, seat_order=in_any_order),
            pytest.raises(AssertionError, match=r"deadlocks\(\)|Busy|LockNotAvailable"),
        ):
            self.race(movie, verb, rounds=1)


def test_overlapping_groups_and_single_seats_of_many_share_a_show_without_a_deadlock(movie: Movie) -> None:
    """Book, hold, confirm, extend, release, cancel and move over six seats, all mixed."""
    show = make_show(movie, seats=6)
    crowd = [make_user(f"user{number}") for number in range(6)]

    def wander(number: int) -> list[Any]:
        user, unexpected = crowd[number], []
        for step in range(ROUNDS):
            start = (number * 5 + step * 7) % 5 + 1
            wish = [start, start + 1] if step % 2 else [start + 1, start]
            try:
                hold = hold_seats(user=user, show_id=show.pk, seat_numbers=wish)
                extend_hold(user=user, hold_id=hold.pk)
                if step % 3:
                    bookings = confirm_hold(user=user, hold_id=hold.pk)
                    move_booking(user=user, booking_id=bookings[0].pk, seat_number=step % 6 + 1)
                else:
                    release_hold(user=user, hold_id=hold.pk)
                    bookings = book_seats(user=user, show_id=show.pk, seat_numbers=wish)
            except (SeatsUnavailable, SeatTaken, SeatHeld, ShowFull):
                pass
            except Exception as fault:
                unexpected.append(fault)
            for booking in Booking.objects.with_status("booked").filter(user=user):
                cancel_booking(user=user, booking_id=booking.pk)
        return unexpected

    before = deadlocks()
    with watching(show):
        outcomes = all_at_once([lambda number=number: wander(number) for number in range(6)])
    assert outcomes == [[]] * 6
    assert deadlocks() == before


# --- The best seats -----------------------------------------------------------------------------


class TestBestAgainstBest:
    """Bob asks for the best two while Alice's best two are on their way; neither may try a second time."""

    def race(
        self, movie: Movie, alice: User, bob: User, monkeypatch: Patch, verb: Callable[..., Any], module: Any
    ) -> None:
        monkeypatch.setattr(database, "MAX_ATTEMPTS", 1)
        show = make_show(movie, seats=10)
        hers, his = run_into(
            lambda: verb(user=alice, show_id=show.pk, best=2),
            lambda: verb(user=bob, show_id=show.pk, best=2),
            module=module,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert not isinstance(hers, Exception)
        assert not isinstance(his, Busy)
        assert [user for _, user in seats(show).values()].count("alice") == 2
        assert [user for _, user in seats(show).values()].count("bob") == 2

    @pytest.mark.parametrize(("verb", "module"), [(book_seats, domain), (hold_seats, holds)])
    def test_gives_each_seats_of_their_own(
        self, movie: Movie, alice: User, bob: User, monkeypatch: Patch, verb: Callable[..., Any], module: Any
    ) -> None:
        self.race(movie, alice, bob, monkeypatch, verb, module)

    @pytest.mark.parametrize(("verb", "module"), [(book_seats, domain), (hold_seats, holds)])
    def test_would_choose_the_same_seats_without_the_queue(
        self, movie: Movie, alice: User, bob: User, monkeypatch: Patch, verb: Callable[..., Any], module: Any
    ) -> None:
        with without(monkeypatch, domain, "lock_selection"), pytest.raises(AssertionError, match="Busy"):
            self.race(movie, alice, bob, monkeypatch, verb, module)

    def test_serves_a_crowd_that_fits(self, movie: Movie) -> None:
        show = make_show(movie, seats=20)
        crowd = [make_user(f"user{number}") for number in range(8)]
        verbs = [book_seats, hold_seats] * 4
        outcomes = all_at_once(
            [
                lambda user=user, verb=verb: verb(user=user, show_id=show.pk, best=2)
                for user, verb in zip(crowd, verbs, strict=True)
            ]
        )
        assert all(isinstance(outcome, Bookings | Hold) for outcome in outcomes), outcomes
        assert len(seats(show)) == 16


class TestBestAgainstBook:
    """Bob books one of the seats by its number when Alice has chosen, and has not taken them yet."""

    def race(self, movie: Movie, alice: User, bob: User, monkeypatch: Patch, verb: Callable[..., Any]) -> Any:
        show = make_show(movie, seats=10)
        (best,) = book_seats(user=bob, show_id=make_show(movie, seats=10).pk, best=1)
        hers, his = run_into(
            lambda: verb(user=alice, show_id=show.pk, best=2),
            lambda: book_seat(user=bob, show_id=show.pk, seat_number=best.seat_number),
            module=domain,
            stop_after="select_best_seats",
            monkeypatch=monkeypatch,
            until_done=True,
        )
        assert isinstance(his, Booking)
        assert not isinstance(hers, Exception), repr(hers)
        assert [user for _, user in seats(show).values()].count("alice") == 2
        assert Hold.objects.count() == (verb is hold_seats)

    @pytest.mark.parametrize("verb", [book_seats, hold_seats])
    def test_chooses_again(
        self, movie: Movie, alice: User, bob: User, monkeypatch: Patch, verb: Callable[..., Any]
    ) -> None:
        self.race(movie, alice, bob, monkeypatch, verb)

    @pytest.mark.parametrize("verb", [book_seats, hold_seats])
    def test_is_lost_without_another_look(
        self, movie: Movie, alice: User, bob: User, monkeypatch: Patch, verb: Callable[..., Any]
    ) -> None:
        monkeypatch.setattr(database, "MAX_ATTEMPTS", 1)
        with pytest.raises(AssertionError, match="Busy"):
            self.race(movie, alice, bob, monkeypatch, verb)

    def test_leaves_nothing_of_the_first_choice(self, movie: Movie, alice: User, bob: User, monkeypatch: Patch) -> None:
        """Bob's booking is on its way while Alice's first choice is tried: she sees the seat free and can't have it."""
        show = make_show(movie, seats=10)
        (best,) = book_seats(user=bob, show_id=make_show(movie, seats=10).pk, best=1)
        _, hers = run_into(
            lambda: slowly(book_seat, user=bob, show_id=show.pk, seat_number=best.seat_number),
            lambda: hold_seats(user=alice, show_id=show.pk, best=1),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
        )
        assert isinstance(hers, Hold)
        assert list(Hold.objects.values_list("pk", flat=True)) == [hers.pk]
