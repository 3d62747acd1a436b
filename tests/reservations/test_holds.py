"""Holds: what they give, what refuses them and in which order, how long they last; on both databases."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Movie, Show
from core.database import delete_in_batches
from core.errors import AccountInactive, IdempotencyKeyInvalid, IdempotencyKeyReused, Invalid, NotFound, Protected
from core.models import IdempotencyKey, User
from reservations.availability import available_seats_of
from reservations.booking import book_seat, book_seats, cancel_booking, move_booking
from reservations.errors import (
    HoldConfirmed,
    HoldExpired,
    NoAdjacentSeats,
    SeatOutOfRange,
    SeatsInUse,
    SeatsUnavailable,
    ShowFull,
    ShowStarted,
    TooManyHeld,
)
from reservations.holds import (
    confirm_hold,
    delete_old_holds,
    extend_hold,
    free_expired_seats,
    hold_seats,
    load_seats,
    release_hold,
)
from reservations.models import Booking, Bookings, Claim, Hold
from reservations.seat_map import seat_map
from reservations.staff import block_seats, change_show, delete_show
from tests.conftest import begin, make_show, make_user

pytestmark = pytest.mark.django_db

ON_A_HOLD = [confirm_hold, extend_hold, release_hold]


def run_out(hold: Hold) -> None:
    """Let the hold have run out a moment ago."""
    a_moment_ago = timezone.now() - timedelta(seconds=1)
    Claim.objects.filter(hold=hold.pk, status=Claim.Status.HELD).update(expires_at=a_moment_ago)


def age(hold: Hold, *, seconds: float) -> None:
    """Let the hold have been made so long ago, and be about to run out."""
    Hold.objects.filter(pk=hold.pk).update(created_at=timezone.now() - timedelta(seconds=seconds))
    soon = timezone.now() + timedelta(seconds=10)
    Claim.objects.filter(hold=hold.pk, status=Claim.Status.HELD).update(expires_at=soon)


def seats(show: Show) -> dict[int, str]:
    """Tell what stands on which seat."""
    return dict(Claim.objects.on_seats(show.pk).order_by("seat_number").values_list("seat_number", "status"))


def in_seconds(instant: Any) -> float:
    return float((instant - timezone.now()).total_seconds())


def fill(show: Show, user: User) -> None:
    """Let every seat be booked or blocked."""
    with transaction.atomic():
        Claim.objects.filter(show=show, status__in=Claim.LIVE).update(status=Claim.Status.FREED, expires_at=None)
        now = timezone.now()
        Claim.objects.create(show=show, seat_number=1, status=Claim.Status.BLOCKED, created_at=now)
        for seat in range(2, show.total_seats + 1):
            Booking.objects.create(user=user, show=show, seat_number=seat, created_at=now)


def let_go(user: User, how: str) -> None:
    """Let an account be gone."""
    if how == "deleted":
        User.objects.filter(pk=user.pk).delete()
    elif how == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    else:
        now = User.objects.get(pk=user.pk)
        now.set_password("another horse battery")
        now.save()


class TestHoldSeats:
    def test_keeps_them_for_ten_minutes(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[4, 3])
        assert [(seat.seat_number, seat.label) for seat in hold.seats] == [(3, "A3"), (4, "A4")]
        assert hold.expires_at
        assert 598 < in_seconds(hold.expires_at) < 600
        assert (hold.show, hold.show.movie, hold.user) == (show, show.movie, alice)
        assert hold.show.available_seats == 3  # type: ignore[attr-defined]
        assert seats(show) == {3: "held", 4: "held"}
        assert not Booking.objects.exists()

    def test_tells_what_is_kept(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4, 5])
        kept = Hold.objects.get()
        load_seats([kept])
        assert (hold.pk, hold.size, hold.seat_numbers) == (kept.pk, kept.size, kept.seat_numbers)
        assert (hold.created_at, hold.expires_at) == (kept.created_at, kept.expires_at)

    def test_keeps_all_of_them_up_to_the_same_instant(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2, 3, 4, 5])
        assert {*Claim.objects.values_list("expires_at", flat=True)} == {hold.expires_at}
        age(hold, seconds=60)
        hold = extend_hold(user=alice, hold_id=hold.pk)
        assert {*Claim.objects.values_list("expires_at", flat=True)} == {hold.expires_at}

    def test_names_seats_by_the_rows_of_the_show(self, movie: Movie, alice: User) -> None:
        show = make_show(movie, seats=30)
        change_show(show_id=show.pk, seats_per_row=7)
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[7, 8, 30])
        assert [seat.label for seat in hold.seats] == ["A7", "B1", "E2"]

    def test_does_not_outlive_the_beginning_of_the_show(self, movie: Movie, alice: User) -> None:
        show = make_show(movie, hours=0.05)
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1])
        assert hold.expires_at == show.date_time
        assert extend_hold(user=alice, hold_id=hold.pk).expires_at == show.date_time

    def test_does_not_outlive_a_show_that_is_moved_to_an_earlier_time(self, movie: Movie, alice: User) -> None:
        show, sooner = make_show(movie), make_show(movie, hours=0.05).date_time
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1])
        change_show(show_id=show.pk, date_time=sooner)
        load_seats([hold])
        assert hold.expires_at == sooner

    def test_holds_the_best(self, movie: Movie, alice: User) -> None:
        show = make_show(movie, seats=30)
        hold = hold_seats(user=alice, show_id=show.pk, best=2)
        assert hold.seat_numbers == [15, 16]
        assert seats(show) == {15: "held", 16: "held"}

    def test_takes_over_what_has_run_out(self, show: Show, alice: User, bob: User) -> None:
        hers = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2, 3])
        run_out(hers)
        his = hold_seats(user=bob, show_id=show.pk, seat_numbers=[2, 4])
        assert his.show.available_seats == 3  # type: ignore[attr-defined]
        assert Claim.objects.get(seat_number=2).hold_id == his.pk
        for verb in ON_A_HOLD:
            with pytest.raises(HoldExpired):
                verb(user=alice, hold_id=hers.pk)
        assert seats(show) == {2: "held", 4: "held"}

    def test_takes_over_ones_own_that_has_run_out(self, show: Show, alice: User) -> None:
        first = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2])
        run_out(first)
        second = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
        with pytest.raises(HoldExpired):
            confirm_hold(user=alice, hold_id=first.pk)
        assert [booking.seat_number for booking in confirm_hold(user=alice, hold_id=second.pk)] == [2]


class TestRefusals:
    """In their order: whatever comes first in it is told, though all that comes later is true as well."""

    @pytest.fixture
    def held(self, movie: Movie, alice: User, bob: User, settings: Any) -> Show:
        """Alice holds seat 1 and may hold two; Bob holds seat 2 and booked seat 3, seat 4 is blocked."""
        settings.HOLD_SEATS = 2
        show = make_show(movie, seats=6)
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[1])
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[2])
        book_seat(user=bob, show_id=show.pk, seat_number=3)
        block_seats(show_id=show.pk, seat_numbers=[4], reason="Broken.")
        return show

    @pytest.mark.parametrize(
        "wish",
        [
            {},
            {"seat_numbers": [1], "best": 1},
            {"seat_numbers": []},
            {"seat_numbers": [1, 1]},
            {"seat_numbers": [*range(1, 12)]},
            {"seat_numbers": [*range(1, 10_001)]},
            {"best": 0},
            {"best": -1},
            {"best": 11},
            {"best": 10**30},
        ],
    )
    @pytest.mark.parametrize("verb", [hold_seats, book_seats])
    def test_an_odd_wish_is_invalid(self, show: Show, alice: User, verb: Callable[..., Any], wish: Any) -> None:
        for show_id in (show.pk, 0):
            with pytest.raises(Invalid):
                verb(user=alice, show_id=show_id, **wish)

    @pytest.mark.parametrize("how", ["deleted", "deactivated", "given a new password"])
    def test_an_account_that_is_gone_holds_nothing(self, held: Show, how: str) -> None:
        carol = make_user("carol")
        hold = hold_seats(user=carol, show_id=held.pk, seat_numbers=[6])
        let_go(carol, how)
        for wish in ({"seat_numbers": [2, 99]}, {"seat_numbers": [5]}, {"best": 1}, {"best": 7}):
            for key in (None, "key"):
                with pytest.raises(AccountInactive):
                    hold_seats(user=carol, show_id=held.pk, **wish, idempotency_key=key)
        with pytest.raises(AccountInactive):
            hold_seats(user=carol, show_id=0, seat_numbers=[5])
        for verb in ON_A_HOLD:
            for hold_id in (hold.pk, 0):
                with pytest.raises(AccountInactive):
                    verb(user=carol, hold_id=hold_id)
        assert 5 not in seats(held)

    def test_a_show_that_is_not_there(self, db: None, alice: User) -> None:
        for wish in ({"seat_numbers": [0, 99]}, {"best": 1}):
            with pytest.raises(NotFound):
                hold_seats(user=alice, show_id=0, **wish)

    @pytest.mark.parametrize("seat", [7, 0, -1, 10_000, 10_001, 32_768, 2**63, -(2**63), 10**40])
    def test_a_seat_that_the_show_has_not(self, held: Show, alice: User, bob: User, seat: int) -> None:
        fill(held, bob)
        begin(held)
        with pytest.raises(SeatOutOfRange) as refused:
            hold_seats(user=alice, show_id=held.pk, seat_numbers=[2, seat, 3])
        assert refused.value.facts == {"min": 1, "max": 6}

    def test_a_show_that_has_begun(self, held: Show, alice: User, bob: User) -> None:
        fill(held, bob)
        begin(held)
        for wish in ({"seat_numbers": [2, 3, 4]}, {"best": 1}):
            with pytest.raises(ShowStarted):
                hold_seats(user=alice, show_id=held.pk, **wish)

    def test_a_show_that_is_full(self, held: Show, alice: User, bob: User) -> None:
        fill(held, bob)
        with pytest.raises(ShowFull):
            hold_seats(user=alice, show_id=held.pk, seat_numbers=[1, 2, 3])
        with pytest.raises(NoAdjacentSeats) as refused:
            hold_seats(user=alice, show_id=held.pk, best=1)
        assert refused.value.facts == {"largest_block": 0, "alternatives": []}

    def test_more_seats_than_one_may_hold(self, held: Show, alice: User) -> None:
        with pytest.raises(TooManyHeld) as refused:
            hold_seats(user=alice, show_id=held.pk, seat_numbers=[2, 3])
        assert refused.value.facts == {"limit": 2, "held": 1}
        with pytest.raises(TooManyHeld):
            hold_seats(user=alice, show_id=held.pk, best=2)

    def test_seats_that_are_not_to_be_had(self, held: Show, alice: User, settings: Any) -> None:
        settings.HOLD_SEATS = 10
        with pytest.raises(SeatsUnavailable) as refused:
            hold_seats(user=alice, show_id=held.pk, seat_numbers=[5, 4, 3, 2, 1])
        assert refused.value.seat_numbers == [1, 2, 3, 4]
        assert 5 not in seats(held)

    def test_no_such_block(self, held: Show, alice: User, settings: Any) -> None:
        settings.HOLD_SEATS = 10
        later = make_show(held.movie, seats=3, hours=30)
        make_show(held.movie, seats=2, hours=31)
        make_show(held.movie, seats=3, hours=1)
        make_show(Movie.objects.create(title="Another", duration_minutes=90), seats=3, hours=32)
        with pytest.raises(NoAdjacentSeats) as refused:
            hold_seats(user=alice, show_id=held.pk, best=3)
        assert refused.value.largest_block == 2
        assert [show["id"] for show in refused.value.alternatives] == [later.pk]

    def test_what_has_run_out_counts_neither_as_held_nor_towards_the_limit(
        self, held: Show, alice: User, bob: User
    ) -> None:
        for hold in Hold.objects.all():
            run_out(hold)
        assert hold_seats(user=alice, show_id=held.pk, seat_numbers=[1, 2]).seat_numbers == [1, 2]

    def test_what_is_booked_or_held_of_another_show_does_not_count_towards_the_limit(
        self, held: Show, alice: User, movie: Movie
    ) -> None:
        other = make_show(movie)
        hold_seats(user=alice, show_id=other.pk, seat_numbers=[1, 2])
        confirm_hold(user=alice, hold_id=Hold.objects.get(user=alice, show=held).pk)
        assert hold_seats(user=alice, show_id=held.pk, seat_numbers=[5, 6]).seat_numbers == [5, 6]

    def test_whoever_is_refused_leaves_nothing(self, held: Show, alice: User, bob: User) -> None:
        holds = Hold.objects.count()
        claims = Claim.objects.count()
        for key in (None, "key"):
            for wish in ({"seat_numbers": [2]}, {"seat_numbers": [5, 6]}, {"seat_numbers": [5, 99]}, {"best": 3}):
                with pytest.raises((SeatsUnavailable, TooManyHeld, SeatOutOfRange, NoAdjacentSeats)):
                    hold_seats(
                        user=alice, show_id=held.pk, **wish, idempotency_key=key and f"{key}-{wish}".replace(" ", "")
                    )
        assert (Hold.objects.count(), Claim.objects.count()) == (holds, claims)


class TestConfirm:
    def test_books_the_seats_in_place(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        claims = {*Claim.objects.values_list("pk", flat=True)}
        bookings = confirm_hold(user=alice, hold_id=hold.pk)
        assert [(each.seat_number, each.status, each.label) for each in bookings] == [
            (3, "booked", "A3"),
            (4, "booked", "A4"),
        ]
        assert (
            {each.pk for each in bookings}
            == claims
            == {*Booking.objects.with_status("booked").values_list("pk", flat=True)}
        )
        assert {each.show.available_seats for each in bookings} == {3}  # type: ignore[attr-defined]
        assert all(each.show == show and each.user_id == alice.pk for each in bookings)
        assert all(-2 < in_seconds(each.created_at) <= 0 for each in bookings)
        assert not Hold.objects.live().exists()

    def test_gives_the_same_again(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        first = confirm_hold(user=alice, hold_id=hold.pk)
        for _ in range(2):
            again = confirm_hold(user=alice, hold_id=hold.pk)
            assert [vars_of(each) for each in again] == [vars_of(each) for each in first]
            assert again[0].show.available_seats == 3  # type: ignore[attr-defined]
        begin(show)
        assert [each.pk for each in confirm_hold(user=alice, hold_id=hold.pk)] == [each.pk for each in first]

    def test_gives_again_what_has_become_of_them(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        first, second = confirm_hold(user=alice, hold_id=hold.pk)
        move_booking(user=alice, booking_id=first.pk, seat_number=1)
        cancel_booking(user=alice, booking_id=second.pk)
        again = confirm_hold(user=alice, hold_id=hold.pk)
        assert {(each.pk, each.seat_number, each.status) for each in again} == {
            (first.pk, 1, "booked"),
            (second.pk, 4, "cancelled"),
        }

    def test_books_the_rest_when_some_seats_were_booked_by_their_number(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3, 4])
        one = book_seat(user=alice, show_id=show.pk, seat_number=3)
        assert one.show.available_seats == 2  # type: ignore[attr-defined]
        first, again = (confirm_hold(user=alice, hold_id=hold.pk) for _ in range(2))
        assert sorted(each.seat_number for each in first) == [2, 3, 4]
        assert [each.pk for each in again] == [each.pk for each in first]

    def test_gives_the_bookings_when_all_seats_were_booked_by_their_numbers(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3])
        booked = book_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3, 4])
        assert booked[0].show.available_seats == 2  # type: ignore[attr-defined]
        confirmed = confirm_hold(user=alice, hold_id=hold.pk)
        assert [each.pk for each in confirmed] == [each.pk for each in booked[:2]]
        for verb in (extend_hold, release_hold):
            with pytest.raises(HoldConfirmed):
                verb(user=alice, hold_id=hold.pk)

    def test_gives_the_same_again_when_a_booking_was_moved_to_one_of_its_seats(self, show: Show, alice: User) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=5)
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3])
        move_booking(user=alice, booking_id=booking.pk, seat_number=2)
        first = confirm_hold(user=alice, hold_id=hold.pk)
        assert 3 in [each.seat_number for each in first]
        assert [each.pk for each in confirm_hold(user=alice, hold_id=hold.pk)] == [each.pk for each in first]

    def test_is_too_late_when_it_has_run_out(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        run_out(hold)
        with pytest.raises(HoldExpired):
            confirm_hold(user=alice, hold_id=hold.pk)
        assert seats(show) == {}

    def test_is_all_or_none_when_the_rest_has_run_out(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        book_seat(user=alice, show_id=show.pk, seat_number=3)
        run_out(hold)
        with pytest.raises(HoldExpired):
            confirm_hold(user=alice, hold_id=hold.pk)
        assert seats(show) == {3: "booked"}


def vars_of(booking: Booking) -> dict[str, Any]:
    fields = (field.attname for field in Booking._meta.concrete_fields)
    return {name: getattr(booking, name) for name in fields if name != "changed"}  # which is for maps, and not told


class TestExtend:
    def test_lets_it_last_for_its_whole_time_again(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        age(hold, seconds=300)
        extended = extend_hold(user=alice, hold_id=hold.pk)
        assert extended.expires_at
        assert 598 < in_seconds(extended.expires_at) < 600
        assert (extended.pk, extended.seat_numbers, extended.show) == (hold.pk, [3, 4], show)
        assert extended.show.available_seats == 3  # type: ignore[attr-defined]

    def test_but_not_beyond_the_longest_from_the_first(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        age(hold, seconds=1700)
        for _ in range(3):
            extended = extend_hold(user=alice, hold_id=hold.pk)
            assert extended.expires_at
            assert 98 < in_seconds(extended.expires_at) < 101
            longest = Hold.objects.get().created_at + timedelta(seconds=1800)
            assert abs(extended.expires_at - longest) < timedelta(milliseconds=1)  # to which SQLite adds

    def test_never_shortens_it(self, show: Show, alice: User, settings: Any) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        settings.HOLD_SECONDS = 60
        assert extend_hold(user=alice, hold_id=hold.pk).expires_at == hold.expires_at
        settings.HOLD_LONGEST_SECONDS = 10
        assert extend_hold(user=alice, hold_id=hold.pk).expires_at == hold.expires_at


class TestRelease:
    def test_frees_the_seats_at_once(self, show: Show, alice: User, bob: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        assert release_hold(user=alice, hold_id=hold.pk).hold_id == hold.pk
        assert seats(show) == {}
        assert available_seats_of([show.pk]) == {show.pk: 5}
        book_seats(user=bob, show_id=show.pk, seat_numbers=[3, 4])
        for verb in ON_A_HOLD:
            with pytest.raises(NotFound):
                verb(user=alice, hold_id=hold.pk)

    def test_leaves_what_was_booked_of_it(self, show: Show, alice: User) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        book_seat(user=alice, show_id=show.pk, seat_number=3)
        release_hold(user=alice, hold_id=hold.pk)
        assert seats(show) == {3: "booked"}


class TestRefusalsOfAHold:
    @pytest.mark.parametrize("verb", ON_A_HOLD)
    def test_one_that_is_not_there_or_somebody_elses(
        self, show: Show, alice: User, bob: User, verb: Callable[..., Any]
    ) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        for hold_id in (hold.pk, 0, -1, 2**63 - 1):
            with pytest.raises(NotFound):
                verb(user=bob, hold_id=hold_id)
        confirm_hold(user=alice, hold_id=hold.pk)
        begin(show)
        with pytest.raises(NotFound):
            verb(user=bob, hold_id=hold.pk)

    @pytest.mark.parametrize("verb", ON_A_HOLD)
    def test_of_a_show_that_has_begun(self, show: Show, alice: User, verb: Callable[..., Any]) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        begin(show)
        with pytest.raises(ShowStarted):
            verb(user=alice, hold_id=hold.pk)
        run_out(hold)
        with pytest.raises(ShowStarted):
            verb(user=alice, hold_id=hold.pk)

    @pytest.mark.parametrize("verb", ON_A_HOLD)
    def test_one_that_has_run_out(self, show: Show, alice: User, verb: Callable[..., Any]) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        run_out(hold)
        with pytest.raises(HoldExpired):
            verb(user=alice, hold_id=hold.pk)
        free_expired_seats()
        with pytest.raises(HoldExpired):
            verb(user=alice, hold_id=hold.pk)

    @pytest.mark.parametrize("verb", [extend_hold, release_hold])
    def test_one_that_was_confirmed(self, show: Show, alice: User, verb: Callable[..., Any]) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        confirm_hold(user=alice, hold_id=hold.pk)
        with pytest.raises(HoldConfirmed):
            verb(user=alice, hold_id=hold.pk)
        begin(show)
        with pytest.raises(HoldConfirmed):
            verb(user=alice, hold_id=hold.pk)
        assert seats(show) == {3: "booked"}


class TestMyHolds:
    def test_are_the_live_ones_the_first_to_run_out_first(self, movie: Movie, alice: User, bob: User) -> None:
        shows = [make_show(movie, hours=hours) for hours in (24, 24, 0.05, 24, 24, 24)]
        holds = [hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2]) for show in shows]
        hold_seats(user=bob, show_id=shows[0].pk, seat_numbers=[3])
        run_out(holds[1])
        confirm_hold(user=alice, hold_id=holds[3].pk)
        release_hold(user=alice, hold_id=holds[4].pk)
        begin(shows[5])
        live = alice.holds.live().first_to_expire()
        assert [hold.pk for hold in live] == [holds[2].pk, holds[0].pk]

    def test_have_their_seats_in_one_statement(self, movie: Movie, alice: User) -> None:
        made = [hold_seats(user=alice, show_id=make_show(movie).pk, seat_numbers=[1, 2]) for _ in range(4)]
        book_seat(user=alice, show_id=made[0].show.pk, seat_number=1)
        with CaptureQueriesContext(connection) as spoken:
            holds = list(alice.holds.live().select_related("show").order_by("pk"))
            load_seats(holds)
            assert [[seat.label for seat in hold.seats] for hold in holds] == [["A2"], *[["A1", "A2"]] * 3]
        assert len(spoken) == 2


@pytest.mark.only("postgresql")
class TestClock:
    """It is the database's. The application's goes wrong by an hour, either way."""

    @pytest.fixture(params=[-1, 1], ids=["slow", "fast"])
    def wrong_clock(self, request: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        right = timezone.now

        def go_wrong() -> None:
            monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=request.param))

        return go_wrong

    def test_decides_that_a_hold_holds(
        self, show: Show, alice: User, bob: User, wrong_clock: Callable[[], None]
    ) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        wrong_clock()
        with pytest.raises(SeatsUnavailable):
            hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        assert free_expired_seats() == 0
        assert seats(show) == {3: "held", 4: "held"}
        assert seat_map(show_id=show.pk).summary.held == 2
        assert available_seats_of([show.pk]) == {show.pk: 3}
        assert list(Hold.objects.live()) == [hold]
        assert extend_hold(user=alice, hold_id=hold.pk).expires_at >= hold.expires_at  # type: ignore[operator]
        with pytest.raises(Protected):
            delete_show(show_id=show.pk)
        assert len(confirm_hold(user=alice, hold_id=hold.pk)) == 2

    def test_decides_that_a_hold_has_run_out(
        self, show: Show, alice: User, bob: User, wrong_clock: Callable[[], None]
    ) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3, 4])
        run_out(hold)
        wrong_clock()
        for verb in ON_A_HOLD:
            with pytest.raises(HoldExpired):
                verb(user=alice, hold_id=hold.pk)
        assert seats(show) == {}
        assert seat_map(show_id=show.pk).summary.available == 5
        assert available_seats_of([show.pk]) == {show.pk: 5}
        assert not Hold.objects.live().exists()
        assert book_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        assert free_expired_seats() == 1

    def test_decides_how_long_a_hold_lasts(self, show: Show, alice: User, wrong_clock: Callable[[], None]) -> None:
        now = timezone.now()
        wrong_clock()
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        assert hold.expires_at
        assert 0 < (hold.expires_at - now - timedelta(seconds=600)).total_seconds() < 5


# --- Keys ---------------------------------------------------------------------------------------


def holding(show: Show, user: User, **options: Any) -> Hold:
    return hold_seats(user=user, show_id=show.pk, seat_numbers=[3, 4], **options)


Deed = Callable[..., Any]
VERBS: dict[str, Callable[[Show, User], tuple[Deed, dict[str, Any], dict[str, Any]]]] = {
    "book several": lambda show, user: (
        book_seats,
        {"show_id": show.pk, "seat_numbers": [3, 4]},
        {"seat_numbers": [3]},
    ),
    "book best": lambda show, user: (book_seats, {"show_id": show.pk, "best": 2}, {"best": 1}),
    "move": lambda show, user: (
        move_booking,
        {"booking_id": book_seat(user=user, show_id=show.pk, seat_number=1).pk, "seat_number": 2},
        {"seat_number": 5},
    ),
    "hold": lambda show, user: (hold_seats, {"show_id": show.pk, "seat_numbers": [3, 4]}, {"seat_numbers": [4, 3]}),
    "hold best": lambda show, user: (hold_seats, {"show_id": show.pk, "best": 2}, {"allow_split": True}),
    "confirm": lambda show, user: (confirm_hold, {"hold_id": holding(show, user).pk}, {"hold_id": 0}),
    "extend": lambda show, user: (extend_hold, {"hold_id": holding(show, user).pk}, {"hold_id": 0}),
    "release": lambda show, user: (release_hold, {"hold_id": holding(show, user).pk}, {"hold_id": 0}),
}


def told(outcome: Any) -> Any:
    """Give all that a door could tell of an outcome."""
    if isinstance(outcome, Bookings):
        return [told(each) for each in outcome]
    if isinstance(outcome, Booking):
        return vars_of(outcome) | {"label": outcome.label} | told(outcome.show)
    if isinstance(outcome, Hold):
        facts = (outcome.pk, outcome.size, outcome.created_at, outcome.expires_at, outcome.user_id)
        return facts, outcome.seats, told(outcome.show)
    if isinstance(outcome, Show):
        return {"show": outcome.pk, "available": outcome.available_seats, "movie": outcome.movie}  # type: ignore[attr-defined]
    return outcome.hold_id


@pytest.mark.parametrize("name", VERBS)
class TestKeys:
    def test_do_it_once_and_tell_it_again(self, show: Show, alice: User, name: str) -> None:
        verb, what, _ = VERBS[name](show, alice)
        key = str(uuid.uuid4())
        first = verb(user=alice, **what, idempotency_key=key)
        assert not first.replayed
        claims = list(Claim.objects.order_by("pk").values())
        again = verb(user=alice, **what, idempotency_key=key)
        assert again.replayed
        assert told(again) == told(first)
        assert list(Claim.objects.order_by("pk").values()) == claims

    def test_tell_the_first_answer_whatever_has_become_of_it(
        self, show: Show, alice: User, bob: User, name: str
    ) -> None:
        verb, what, _ = VERBS[name](show, alice)
        first = verb(user=alice, **what, idempotency_key="key")
        before = told(first)
        for hold in Hold.objects.live():
            release_hold(user=alice, hold_id=hold.pk)
        for booking in Booking.objects.with_status("booked"):
            cancel_booking(user=alice, booking_id=booking.pk)
        book_seats(user=bob, show_id=show.pk, seat_numbers=[1, 2, 3, 4, 5])
        begin(show)
        assert told(verb(user=alice, **what, idempotency_key="key")) == before
        assert Booking.objects.with_status("booked").filter(user=bob).count() == 5

    def test_are_for_one_thing(self, show: Show, alice: User, bob: User, name: str) -> None:
        verb, what, other = VERBS[name](show, alice)
        verb(user=alice, **what, idempotency_key="key")
        with pytest.raises(IdempotencyKeyReused):
            verb(user=alice, **(what | other), idempotency_key="key")
        with pytest.raises(IdempotencyKeyReused):
            book_seat(user=alice, show_id=show.pk, seat_number=1, idempotency_key="key")
        with pytest.raises(IdempotencyKeyInvalid):
            verb(user=alice, **what, idempotency_key="a b")

    def test_keep_refusals(self, show: Show, alice: User, name: str) -> None:
        verb, what, _ = VERBS[name](show, alice)
        date_time = show.date_time
        begin(show)
        for is_again in (False, True):
            with pytest.raises(ShowStarted) as refused:
                verb(user=alice, **what, idempotency_key="key")
            assert refused.value.replayed == is_again
            Show.objects.filter(pk=show.pk).update(date_time=date_time)
        assert not isinstance(verb(user=alice, **what, idempotency_key="another"), Exception)

    @pytest.mark.parametrize("release", ["added", "removed", "reordered", "positional"])
    def test_replay__columns_changed_since__gives_the_same_answer(
        self, show: Show, alice: User, name: str, release: str
    ) -> None:
        """A column was added or removed by a release since, or all are in another order, or had no names yet."""

        def change(model: Any, columns: dict[str, Any]) -> Any:
            in_order = [field.attname for field in model._meta.concrete_fields if field.attname in columns]
            return {
                "added": {key: value for key, value in columns.items() if key != "seats_per_row"},
                "removed": {"was_removed": 1, **columns},
                "reordered": {name: columns[name] for name in reversed(in_order)},
                "positional": [columns[name] for name in in_order],
            }[release]

        verb, what, _ = VERBS[name](show, alice)
        first = verb(user=alice, **what, idempotency_key="key")
        row = IdempotencyKey.objects.get(key="key")
        stored = row.outcome["result"]
        for name_of_model, model in {"booking": Booking, "hold": Hold, "show": Show, "movie": Movie}.items():
            if name_of_model in stored:
                stored[name_of_model] = change(model, stored[name_of_model])
        if "bookings" in stored:
            stored["bookings"] = [change(Booking, columns) for columns in stored["bookings"]]
        row.save()
        again = verb(user=alice, **what, idempotency_key="key")
        assert again.replayed
        assert told(again) == told(first)


def test_confirm_hold__only_seat_used_up_by_a_move__is_empty_with_and_without_key(show: Show, alice: User) -> None:
    booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
    hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
    move_booking(user=alice, booking_id=booking.pk, seat_number=2)
    for key in (None, "key", "key"):
        assert confirm_hold(user=alice, hold_id=hold.pk, idempotency_key=key) == []


def test_delete_in_batches__more_rows_than_a_batch__deletes_all(show: Show, alice: User, monkeypatch: Any) -> None:
    monkeypatch.setattr("core.database._BATCH", 2)
    Claim.objects.bulk_create(
        Claim(show=show, seat_number=number, status="freed", created_at=timezone.now()) for number in range(1, 6)
    )
    assert delete_in_batches(Claim.objects.filter(show=show)) == 5
    assert not Claim.objects.exists()


class TestKeptRefusals:
    def test_have_their_facts(self, movie: Movie, alice: User, bob: User, settings: Any) -> None:
        settings.HOLD_SEATS = 3
        show = make_show(movie, seats=4)
        later = make_show(movie, seats=4, hours=48)
        book_seats(user=bob, show_id=show.pk, seat_numbers=[2])
        cases: list[tuple[str, Deed, dict[str, Any], dict[str, Any]]] = [
            ("seats_unavailable", hold_seats, {"seat_numbers": [1, 2]}, {"seat_numbers": [2]}),
            ("seats_unavailable", book_seats, {"seat_numbers": [1, 2]}, {"seat_numbers": [2]}),
            ("seat_out_of_range", hold_seats, {"seat_numbers": [5]}, {"min": 1, "max": 4}),
            ("too_many_held", hold_seats, {"seat_numbers": [1, 2, 3, 4]}, {"limit": 3, "held": 0}),
        ]
        for code, verb, wish, facts in cases:
            for is_again in (False, True):
                with pytest.raises((SeatsUnavailable, SeatOutOfRange, TooManyHeld)) as refused:
                    verb(user=alice, show_id=show.pk, **wish, idempotency_key=f"{verb.__name__}{code}")
                assert (refused.value.code, refused.value.facts) == (code, facts)
                assert refused.value.replayed == is_again
        for verb in (hold_seats, book_seats):
            for is_again in (False, True):
                with pytest.raises(NoAdjacentSeats) as odd:
                    verb(user=alice, show_id=show.pk, best=3, idempotency_key=verb.__name__)
                assert odd.value.replayed == is_again
                assert odd.value.largest_block == 2
                assert [each["id"] for each in odd.value.alternatives] == [later.pk]

    @pytest.mark.parametrize("verb", ON_A_HOLD)
    def test_of_a_hold(self, show: Show, alice: User, verb: Callable[..., Any]) -> None:
        hold = holding(show, alice)
        run_out(hold)
        for is_again in (False, True):
            with pytest.raises(HoldExpired) as refused:
                verb(user=alice, hold_id=hold.pk, idempotency_key="key")
            assert refused.value.replayed == is_again
            Claim.objects.update(expires_at=timezone.now() + timedelta(seconds=60))


# --- Deleting, and tidying up -------------------------------------------------------------------


class TestDeletingAnAccount:
    def test_takes_its_holds_and_history_with_it(self, show: Show, alice: User, bob: User) -> None:
        run_out(holding(show, alice))
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        release_hold(user=alice, hold_id=hold_seats(user=alice, show_id=show.pk, seat_numbers=[5]).pk)
        hers = hold_seats(user=bob, show_id=show.pk, seat_numbers=[2])
        alice.delete()
        assert seats(show) == {2: "held"}
        assert list(Hold.objects.all()) == [hers]

    def test_is_refused_while_it_has_bookings(self, show: Show, alice: User) -> None:
        holding(show, alice)
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        for _ in range(2):
            with pytest.raises(ProtectedError):
                alice.delete()
            if Booking.objects.with_status("booked").exists():
                cancel_booking(user=alice, booking_id=booking.pk)
        assert seats(show) == {3: "held", 4: "held"}

    def test_is_refused_when_its_hold_was_confirmed(self, show: Show, alice: User) -> None:
        confirm_hold(user=alice, hold_id=holding(show, alice).pk)
        with pytest.raises(ProtectedError):
            alice.delete()


class TestDeletingAShow:
    def test_takes_blocked_seats_and_history_with_it(self, show: Show, alice: User) -> None:
        block_seats(show_id=show.pk, seat_numbers=[1, 2], reason="House.")
        release_hold(user=alice, hold_id=holding(show, alice).pk)
        run_out(holding(show, alice))
        delete_show(show_id=show.pk)
        assert not Show.objects.exists()
        assert not Claim.objects.exists()
        assert not Hold.objects.exists()

    def test_is_refused_while_somebody_holds_a_seat(self, show: Show, alice: User) -> None:
        hold = holding(show, alice)
        with pytest.raises(Protected):
            delete_show(show_id=show.pk)
        assert seats(show) == {3: "held", 4: "held"}
        release_hold(user=alice, hold_id=hold.pk)
        delete_show(show_id=show.pk)

    def test_is_refused_when_it_has_bookings(self, show: Show, alice: User) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        for _ in range(2):
            with pytest.raises(Protected):
                delete_show(show_id=show.pk)
            if Booking.objects.with_status("booked").exists():
                cancel_booking(user=alice, booking_id=booking.pk)


class TestShrinkingAShow:
    def test_is_refused_below_a_held_seat(self, show: Show, alice: User) -> None:
        hold = holding(show, alice)
        with pytest.raises(SeatsInUse) as refused:
            change_show(show_id=show.pk, total_seats=3)
        assert refused.value.highest_booked_seat == 4
        run_out(hold)
        change_show(show_id=show.pk, total_seats=3)
        with pytest.raises(HoldExpired):
            confirm_hold(user=alice, hold_id=hold.pk)
        assert available_seats_of([show.pk]) == {show.pk: 3}

    def test_lets_blocked_seats_go_that_it_has_no_longer(self, show: Show, alice: User) -> None:
        block_seats(show_id=show.pk, seat_numbers=[1, 4, 5], reason="House.")
        change_show(show_id=show.pk, total_seats=3)
        assert seats(show) == {1: "blocked"}
        change_show(show_id=show.pk, total_seats=5)
        assert seats(show) == {1: "blocked"}
        assert available_seats_of([show.pk]) == {show.pk: 4}


class TestTidying:
    def test_frees_what_has_run_out_and_nothing_else(self, show: Show, alice: User, bob: User) -> None:
        run_out(hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2]))
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        book_seat(user=bob, show_id=show.pk, seat_number=4)
        block_seats(show_id=show.pk, seat_numbers=[5], reason="House.")
        before = available_seats_of([show.pk])
        assert free_expired_seats() == 2
        assert free_expired_seats() == 0
        assert available_seats_of([show.pk]) == before
        assert seats(show) == {3: "held", 4: "booked", 5: "blocked"}

    def test_forgets_the_holds_of_the_past_but_not_its_bookings(self, movie: Movie, alice: User, bob: User) -> None:
        past, tonight = make_show(movie), make_show(movie)
        for show in (past, tonight):
            confirm_hold(user=alice, hold_id=hold_seats(user=alice, show_id=show.pk, seat_numbers=[1]).pk)
            release_hold(user=alice, hold_id=hold_seats(user=alice, show_id=show.pk, seat_numbers=[2]).pk)
            run_out(hold_seats(user=bob, show_id=show.pk, seat_numbers=[3]))
        Show.objects.filter(pk=past.pk).update(date_time=timezone.now() - timedelta(days=2))
        call_command("forget_expired", stdout=StringIO())
        assert [claim.status for claim in Claim.objects.filter(show=past)] == ["booked"]
        assert Hold.objects.filter(show=past).count() == 1
        assert Hold.objects.filter(show=tonight).count() == 3
        assert delete_old_holds() == 0
