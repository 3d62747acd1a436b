"""Several seats at once, the best of them, and moving: what is given, what is refused, in how many statements."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Movie, Show
from core.errors import AccountInactive, Invalid, NotFound
from core.models import User
from reservations.availability import available_seats_of
from reservations.best_seats import best_seats
from reservations.booking import book_seat, book_seats, cancel_booking, move_booking
from reservations.errors import (
    AlreadyCancelled,
    HoldExpired,
    NoAdjacentSeats,
    SeatBlocked,
    SeatHeld,
    SeatOutOfRange,
    SeatsUnavailable,
    SeatTaken,
    ShowFull,
    ShowStarted,
)
from reservations.holds import confirm_hold, extend_hold, hold_seats, release_hold
from reservations.models import BlockedSeat, Booking, Claim, Hold
from reservations.staff import block_seats, blocked_seats_of, change_show, unblock_seat
from tests.conftest import begin, make_show

pytestmark = pytest.mark.django_db


def run_out(hold: Hold) -> None:
    """Let the hold have run out a moment ago."""
    a_moment_ago = timezone.now() - timedelta(seconds=1)
    Claim.objects.filter(hold=hold.pk, status=Claim.Status.HELD).update(expires_at=a_moment_ago)


def seats(show: Show) -> dict[int, tuple[str, str | None]]:
    """Tell what stands on which seat, and whose it is."""
    claims = Claim.objects.on_seats(show.pk).order_by("seat_number")
    return {
        number: (status, user) for number, status, user in claims.values_list("seat_number", "status", "user__username")
    }


def counted(show: Show) -> int:
    return available_seats_of([show.pk])[show.pk]


@pytest.fixture
def busy(movie: Movie, alice: User, bob: User) -> Show:
    """Of six seats Alice booked 1 and holds 2, Bob holds 3 and booked 4, and 5 is blocked."""
    show = make_show(movie, seats=6)
    book_seat(user=alice, show_id=show.pk, seat_number=1)
    hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
    hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
    book_seat(user=bob, show_id=show.pk, seat_number=4)
    block_seats(show_id=show.pk, seat_numbers=[5], reason="Broken.")
    return show


class TestBookSeats:
    def test_books_all_of_them(self, show: Show, alice: User) -> None:
        bookings = book_seats(user=alice, show_id=show.pk, seat_numbers=[5, 3, 4])
        assert [(each.seat_number, each.label, each.status) for each in bookings] == [
            (3, "A3", "booked"),
            (4, "A4", "booked"),
            (5, "A5", "booked"),
        ]
        assert list(Booking.objects.with_status("booked").order_by("seat_number")) == bookings
        assert {each.show.available_seats for each in bookings} == {2} == {counted(show)}  # type: ignore[attr-defined]
        assert bookings[0].show.movie == show.movie

    def test_books_one_as_a_group_of_one(self, show: Show, alice: User) -> None:
        assert [each.seat_number for each in book_seats(user=alice, show_id=show.pk, seat_numbers=[2])] == [2]

    def test_books_ones_own_held_seats_and_what_has_run_out(self, busy: Show, alice: User, bob: User) -> None:
        run_out(Hold.objects.get(user=bob))
        bookings = book_seats(user=alice, show_id=busy.pk, seat_numbers=[2, 3, 6])
        assert bookings[0].show.available_seats == 0 == counted(busy)  # type: ignore[attr-defined]
        assert {seats(busy)[seat] for seat in (2, 3, 6)} == {("booked", "alice")}
        with pytest.raises(HoldExpired):
            confirm_hold(user=bob, hold_id=Hold.objects.get(user=bob).pk)

    def test_names_every_seat_that_is_not_to_be_had_and_takes_none(self, busy: Show, alice: User) -> None:
        before = seats(busy)
        with pytest.raises(SeatsUnavailable) as refused:
            book_seats(user=alice, show_id=busy.pk, seat_numbers=[6, 5, 4, 3, 2, 1])
        assert refused.value.seat_numbers == [1, 3, 4, 5]
        with pytest.raises(SeatsUnavailable) as refused:
            book_seats(user=alice, show_id=busy.pk, seat_numbers=[4])
        assert refused.value.seat_numbers == [4]
        assert seats(busy) == before

    def test_refuses_in_order(self, busy: Show, alice: User, bob: User) -> None:
        with pytest.raises(NotFound):
            book_seats(user=alice, show_id=0, seat_numbers=[1, 99])
        hold = Hold.objects.get(user=alice)
        begin(busy)
        for seat in (7, 0, -1, 10_001, 2**63):
            with pytest.raises(SeatOutOfRange) as refused:
                book_seats(user=alice, show_id=busy.pk, seat_numbers=[1, seat])
            assert refused.value.facts == {"min": 1, "max": 6}
        with pytest.raises(ShowStarted):
            book_seats(user=alice, show_id=busy.pk, seat_numbers=[1, 4])
        Show.objects.filter(pk=busy.pk).update(date_time=timezone.now() + timedelta(days=1))
        with pytest.raises(SeatsUnavailable):
            book_seats(user=alice, show_id=busy.pk, seat_numbers=[1, 4])
        confirm_hold(user=alice, hold_id=hold.pk)
        confirm_hold(user=bob, hold_id=Hold.objects.get(user=bob).pk)
        book_seat(user=bob, show_id=busy.pk, seat_number=6)
        for wanted in ([1], [1, 4, 5]):
            with pytest.raises(ShowFull):
                book_seats(user=alice, show_id=busy.pk, seat_numbers=wanted)
        with pytest.raises(NoAdjacentSeats):
            book_seats(user=alice, show_id=busy.pk, best=1)

    def test_a_show_whose_last_seats_are_held_is_not_full(self, busy: Show, alice: User) -> None:
        book_seat(user=alice, show_id=busy.pk, seat_number=6)
        with pytest.raises(SeatsUnavailable):
            book_seats(user=alice, show_id=busy.pk, seat_numbers=[3])
        with pytest.raises(SeatHeld):
            book_seat(user=alice, show_id=busy.pk, seat_number=3)

    @pytest.mark.parametrize("wish", [{"seat_numbers": [1, 99]}, {"seat_numbers": [1, 6]}, {"best": 1}, {"best": 9}])
    def test_is_not_for_an_account_that_is_gone(self, busy: Show, alice: User, wish: Any) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        for key in (None, "key"):
            with pytest.raises(AccountInactive):
                book_seats(user=alice, show_id=busy.pk, **wish, idempotency_key=key)


class TestBookSeat:
    def test_tells_what_stands_in_the_way(self, busy: Show, alice: User, bob: User) -> None:
        for seat, refusal in ((1, SeatTaken), (4, SeatTaken), (3, SeatHeld), (5, SeatBlocked)):
            with pytest.raises(refusal) as refused:
                book_seat(user=alice, show_id=busy.pk, seat_number=seat)
            assert refused.value.facts == {"seat_number": seat}

    def test_books_ones_own_held_seat_out_of_its_hold(self, busy: Show, alice: User) -> None:
        booking = book_seat(user=alice, show_id=busy.pk, seat_number=2)
        assert booking.show.available_seats == 1 == counted(busy)  # type: ignore[attr-defined]
        assert not alice.holds.live().exists()

    def test_books_a_seat_whose_hold_has_run_out(self, busy: Show, alice: User, bob: User) -> None:
        run_out(Hold.objects.get(user=bob))
        booking = book_seat(user=alice, show_id=busy.pk, seat_number=3)
        assert booking.show.available_seats == 1 == counted(busy)  # type: ignore[attr-defined]
        assert booking.hold_id is None


class TestBest:
    def test_books_what_best_seats_tells(self, movie: Movie, alice: User) -> None:
        show = make_show(movie, seats=50)
        found = best_seats(show_id=show.pk, quantity=4)
        bookings = book_seats(user=alice, show_id=show.pk, best=4)
        assert [each.seat_number for each in bookings] == found.seat_numbers
        assert [each.label for each in bookings] == found.labels
        assert bookings[0].show.available_seats == 46  # type: ignore[attr-defined]

    def test_counts_what_has_run_out_as_free_and_ones_own_hold_as_not(self, movie: Movie, alice: User) -> None:
        show = make_show(movie, seats=4)
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3])
        with pytest.raises(NoAdjacentSeats) as refused:
            book_seats(user=alice, show_id=show.pk, best=2)
        assert refused.value.largest_block == 1
        run_out(hold)
        assert len(book_seats(user=alice, show_id=show.pk, best=4)) == 4

    def test_splits_where_that_is_allowed(self, movie: Movie, alice: User, bob: User) -> None:
        show = make_show(movie, seats=5)
        book_seat(user=bob, show_id=show.pk, seat_number=3)
        with pytest.raises(NoAdjacentSeats) as refused:
            book_seats(user=alice, show_id=show.pk, best=4)
        assert refused.value.largest_block == 2
        split = book_seats(user=alice, show_id=show.pk, best=4, allow_split=True)
        assert [each.seat_number for each in split] == [1, 2, 4, 5]
        with pytest.raises(NoAdjacentSeats):
            book_seats(user=alice, show_id=show.pk, best=1, allow_split=True)

    def test_refuses_in_order(self, show: Show, alice: User) -> None:
        with pytest.raises(NotFound):
            book_seats(user=alice, show_id=0, best=1)
        begin(show)
        for quantity in (1, 6):
            with pytest.raises(ShowStarted):
                book_seats(user=alice, show_id=show.pk, best=quantity)
        for quantity in (0, -1, 11, 10**30):
            with pytest.raises(Invalid):
                best_seats(show_id=show.pk, quantity=quantity)
        with pytest.raises(NotFound):
            best_seats(show_id=0, quantity=1)

    def test_names_up_to_three_later_shows_of_the_film(self, movie: Movie, alice: User) -> None:
        show = make_show(movie, seats=2)
        make_show(movie, seats=9, hours=23)
        later = [make_show(movie, seats=3 + number, hours=50 - number) for number in range(5)]
        full = make_show(movie, seats=3, hours=30)
        hold_seats(user=alice, show_id=full.pk, seat_numbers=[2])
        with pytest.raises(NoAdjacentSeats) as refused:
            book_seats(user=alice, show_id=show.pk, best=3)
        assert [each["id"] for each in refused.value.alternatives] == [each.pk for each in reversed(later[2:])]


class TestMove:
    def test_gives_the_booking_another_seat(self, show: Show, alice: User) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        moved = move_booking(user=alice, booking_id=booking.pk, seat_number=4)
        assert (moved.pk, moved.seat_number, moved.label, moved.status) == (booking.pk, 4, "A4", "booked")
        assert moved.created_at == booking.created_at
        assert moved.show.available_seats == 4 == counted(show)  # type: ignore[attr-defined]
        assert seats(show) == {4: ("booked", "alice")}

    def test_to_where_it_is_changes_nothing(self, show: Show, alice: User) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        moved = move_booking(user=alice, booking_id=booking.pk, seat_number=1)
        assert moved.seat_number == 1
        assert moved.show.available_seats == 4 == counted(show)  # type: ignore[attr-defined]
        assert Claim.objects.count() == 1

    def test_works_when_all_is_sold_but_the_target(self, movie: Movie, alice: User, bob: User) -> None:
        show = make_show(movie, seats=3)
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        book_seat(user=bob, show_id=show.pk, seat_number=2)
        moved = move_booking(user=alice, booking_id=booking.pk, seat_number=3)
        assert moved.show.available_seats == 1 == counted(show)  # type: ignore[attr-defined]

    def test_to_ones_own_held_seat_takes_it_out_of_the_hold(self, busy: Show, alice: User) -> None:
        booking = Booking.objects.get(user=alice)
        moved = move_booking(user=alice, booking_id=booking.pk, seat_number=2)
        assert moved.show.available_seats == 2 == counted(busy)  # type: ignore[attr-defined]
        assert not alice.holds.live().exists()

    def test_to_a_seat_whose_hold_has_run_out(self, busy: Show, alice: User, bob: User) -> None:
        hold = Hold.objects.get(user=bob)
        run_out(hold)
        moved = move_booking(user=alice, booking_id=Booking.objects.get(user=alice).pk, seat_number=3)
        assert moved.show.available_seats == 2 == counted(busy)  # type: ignore[attr-defined]
        assert seats(busy)[3] == ("booked", "alice")
        with pytest.raises(HoldExpired):
            confirm_hold(user=bob, hold_id=hold.pk)

    def test_tells_what_stands_in_the_way(self, busy: Show, alice: User) -> None:
        booking = Booking.objects.get(user=alice)
        before = seats(busy)
        for seat, refusal in ((3, SeatHeld), (4, SeatTaken), (5, SeatBlocked)):
            with pytest.raises(refusal) as refused:
                move_booking(user=alice, booking_id=booking.pk, seat_number=seat)
            assert refused.value.facts == {"seat_number": seat}
        assert seats(busy) == before

    def test_refuses_in_order(self, busy: Show, alice: User, bob: User) -> None:
        booking = Booking.objects.get(user=alice)
        begin(busy)
        hers, blocked, held = booking.pk, BlockedSeat.objects.get().pk, Claim.objects.get(user=alice, status="held").pk
        for user, booking_id in ((bob, hers), (alice, 0), (alice, blocked), (alice, held), (alice, 2**63 - 1)):
            with pytest.raises(NotFound):
                move_booking(user=user, booking_id=booking_id, seat_number=99)
            with pytest.raises(NotFound):
                cancel_booking(user=user, booking_id=booking_id)
        for seat in (7, 0, -1, 10_001, 2**63, -(10**40)):
            with pytest.raises(SeatOutOfRange):
                move_booking(user=alice, booking_id=hers, seat_number=seat)
        for seat in (1, 4, 6):
            with pytest.raises(ShowStarted):
                move_booking(user=alice, booking_id=hers, seat_number=seat)
        Show.objects.filter(pk=busy.pk).update(date_time=timezone.now() + timedelta(days=1))
        cancel_booking(user=alice, booking_id=hers)
        begin(busy)
        for seat in (99, 4, 6):
            with pytest.raises(AlreadyCancelled):
                move_booking(user=alice, booking_id=hers, seat_number=seat)

    def test_is_not_for_an_account_that_is_gone(self, busy: Show, alice: User) -> None:
        booking = Booking.objects.get(user=alice)
        User.objects.filter(pk=alice.pk).update(is_active=False)
        for booking_id in (booking.pk, 0):
            with pytest.raises(AccountInactive):
                move_booking(user=alice, booking_id=booking_id, seat_number=6)

    def test_back_and_forth_leaves_only_history(self, show: Show, alice: User, bob: User) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        for seat in (2, 1, 2, 3):
            move_booking(user=alice, booking_id=booking.pk, seat_number=seat)
        book_seats(user=bob, show_id=show.pk, seat_numbers=[1, 2])
        assert seats(show) == {1: ("booked", "bob"), 2: ("booked", "bob"), 3: ("booked", "alice")}
        assert [each.pk for each in Booking.objects.filter(user=alice)] == [booking.pk]


class TestBlock:
    def test_takes_seats_off_sale_and_puts_them_back(self, show: Show, alice: User) -> None:
        blocked = block_seats(show_id=show.pk, seat_numbers=[4, 2], reason="House.")
        assert [(each.seat_number, each.label, each.reason) for each in blocked] == [
            (2, "A2", "House."),
            (4, "A4", "House."),
        ]
        assert counted(show) == 3
        assert [each.seat_number for each in blocked_seats_of(show_id=show.pk)] == [2, 4]
        unblock_seat(show_id=show.pk, seat_number=2)
        assert book_seat(user=alice, show_id=show.pk, seat_number=2).show.available_seats == 3  # type: ignore[attr-defined]
        for seat in (1, 2, 99):
            with pytest.raises(NotFound):
                unblock_seat(show_id=show.pk, seat_number=seat)
        with pytest.raises(NotFound):
            unblock_seat(show_id=0, seat_number=4)

    def test_refuses_what_stands_on_them_and_takes_none(self, busy: Show) -> None:
        before = seats(busy)
        with pytest.raises(SeatsUnavailable) as refused:
            block_seats(show_id=busy.pk, seat_numbers=[6, 5, 4, 3, 2, 1], reason="House.")
        assert refused.value.seat_numbers == [1, 2, 3, 4, 5]
        with pytest.raises(SeatOutOfRange):
            block_seats(show_id=busy.pk, seat_numbers=[1, 7], reason="House.")
        with pytest.raises(NotFound):
            block_seats(show_id=0, seat_numbers=[1], reason="House.")
        assert seats(busy) == before

    def test_takes_what_has_run_out(self, busy: Show, bob: User) -> None:
        hold = Hold.objects.get(user=bob)
        run_out(hold)
        block_seats(show_id=busy.pk, seat_numbers=[3], reason="House.")
        with pytest.raises(HoldExpired):
            confirm_hold(user=bob, hold_id=hold.pk)
        assert seats(busy)[3] == ("blocked", None)

    def test_a_show_of_blocked_and_booked_seats_is_full(self, movie: Movie, alice: User) -> None:
        show = make_show(movie, seats=2)
        block_seats(show_id=show.pk, seat_numbers=[1], reason="House.")
        book_seat(user=alice, show_id=show.pk, seat_number=2)
        with pytest.raises(ShowFull):
            book_seat(user=alice, show_id=show.pk, seat_number=1)
        change_show(show_id=show.pk, total_seats=3)
        with pytest.raises(SeatBlocked):
            book_seat(user=alice, show_id=show.pk, seat_number=1)


# --- Statements ---------------------------------------------------------------------------------

ENDS_AND_BEGINNINGS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.mark.django_db(transaction=True)
class TestStatements:
    """How many a verb takes, besides BEGIN and COMMIT; SQLite has no advisory locks."""

    @pytest.fixture
    def operation(self, request: Any, movie: Movie, alice: User) -> Callable[[], Any]:
        show = make_show(movie, seats=30)
        booking = book_seat(user=alice, show_id=show.pk, seat_number=1)
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3, 4])
        named = {"user": alice, "show_id": show.pk, "seat_numbers": [11, 12, 13, 14]}
        best = {"user": alice, "show_id": show.pk, "best": 4}
        held = {"user": alice, "hold_id": hold.pk}
        operations: dict[str, Callable[[], Any]] = {
            "book one": lambda: book_seat(user=alice, show_id=show.pk, seat_number=11),
            "book several": lambda: book_seats(**named),
            "book best": lambda: book_seats(**best),
            "hold": lambda: hold_seats(**named),
            "hold best": lambda: hold_seats(**best),
            "confirm": lambda: confirm_hold(**held),
            "extend": lambda: extend_hold(**held),
            "release": lambda: release_hold(**held),
            "move": lambda: move_booking(user=alice, booking_id=booking.pk, seat_number=11),
            "cancel": lambda: cancel_booking(user=alice, booking_id=booking.pk),
        }
        return operations[request.param]

    @pytest.mark.parametrize(
        ("operation", "on_postgresql", "on_sqlite"),
        [
            ("book one", 2, 2),  # LOOK and TAKE
            ("book several", 2, 2),
            ("book best", 4, 3),
            ("hold", 4, 3),
            ("hold best", 6, 4),
            ("confirm", 4, 4),
            ("extend", 4, 4),
            ("release", 5, 5),
            ("move", 4, 4),
            ("cancel", 4, 4),
        ],
        indirect=["operation"],
    )
    def test_have_the_expected_number(self, operation: Callable[[], Any], on_postgresql: int, on_sqlite: int) -> None:
        with CaptureQueriesContext(connection) as captured:
            operation()
        texts = [each["sql"] for each in captured if not each["sql"].startswith(ENDS_AND_BEGINNINGS)]
        assert len(texts) == (on_postgresql if connection.vendor == "postgresql" else on_sqlite), texts
