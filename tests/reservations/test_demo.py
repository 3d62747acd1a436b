"""``manage.py demo`` and ``manage.py forget_expired``"""

import re
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest
from django.core.management import call_command
from django.db.models import Count
from django.utils import timezone

from catalog.models import Movie, Show
from core.models import RateLimitWindow, User
from reservations.booking import book_seat, cancel_booking
from reservations.holds import confirm_hold, free_expired_seats, hold_seats, release_hold
from reservations.models import Booking, Claim, Hold
from reservations.seat_map import seat_map
from reservations.staff import block_seats, unblock_seat
from tests.conftest import make_show

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> str:
    call_command("demo")
    return capsys.readouterr().out


def test_fills_a_house_for_seven_days(told: str) -> None:
    assert 55 <= Movie.objects.count() <= 65
    assert Movie.objects.filter(title="Le Fabuleux destin d'Amélie Poulain", duration_minutes=122).exists()
    first, last = Show.objects.order_by("date_time").first(), Show.objects.order_by("date_time").last()
    assert first
    assert last
    assert first.date_time > timezone.now()
    assert last.date_time.date() == timezone.now().date() + timedelta(days=6)
    assert Show.objects.values("screen_name").distinct().count() >= 3


def test_plans_no_two_shows_on_one_screen_at_once(told: str) -> None:
    screens = defaultdict(list)
    for show in Show.objects.select_related("movie").order_by("date_time"):
        screens[show.screen_name].append((show.date_time, timedelta(minutes=show.movie.duration_minutes)))
    for shows in screens.values():
        for (begins, lasts), (following, _) in pairwise(shows):
            assert begins + lasts <= following


def test_sells_some_seats_in_part_and_one_show_out(told: str) -> None:
    sold = Booking.objects.with_status("booked").order_by().values("show").annotate(sold=Count("*"))
    assert 20 < len(sold) < Show.objects.count()
    assert any(Show.objects.get(pk=row["show"]).total_seats == row["sold"] for row in sold)


def test_shows_its_passwords_once(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    passwords = dict(re.findall(r"^  (staff|customer) +(\S+)", told, re.MULTILINE))
    staff, customer = User.objects.get(username="staff"), User.objects.get(username="customer")
    assert staff.check_password(passwords["staff"])
    assert staff.is_staff
    assert customer.check_password(passwords["customer"])
    assert not customer.is_staff
    assert passwords["staff"] != passwords["customer"]


def test_does_nothing_a_second_time(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Booking.objects.count()
    call_command("demo")
    assert capsys.readouterr().out == "There are movies or users already. Nothing was changed.\n"
    assert Booking.objects.count() == before


def test_expired_tries_are_forgotten(capsys: pytest.CaptureFixture[str], db: None) -> None:
    now = timezone.now().timestamp()
    RateLimitWindow.objects.create(key="old", count=1, until=now - 1)
    RateLimitWindow.objects.create(key="new", count=1, until=now + 60)
    call_command("forget_expired")
    assert list(RateLimitWindow.objects.values_list("key", flat=True)) == ["new"]
    assert capsys.readouterr().out.startswith("1 rate limit windows deleted.")


def statuses(show: Show) -> dict[int, str]:
    """Tell the last thing that each seat of a show had."""
    return dict(Claim.objects.filter(show=show).order_by("pk").values_list("seat_number", "status"))


class TestHoldsThatRanOut:
    @pytest.fixture
    def hold(self, alice: User, show: Show) -> Hold:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2])
        Claim.objects.filter(hold=hold).update(expires_at=timezone.now() - timedelta(seconds=1))
        return hold

    def test_have_their_seats_freed(self, show: Show, hold: Hold, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("forget_expired")
        assert "2 held seats freed, 0 holds deleted.\n" in capsys.readouterr().out
        assert statuses(show) == {1: "freed", 2: "freed"}
        assert Hold.objects.get() == hold
        assert free_expired_seats() == 0

    def test_are_the_only_ones(self, alice: User, bob: User, show: Show, hold: Hold) -> None:
        confirmed = hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        confirm_hold(user=bob, hold_id=confirmed.pk)
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[4])
        block_seats(show_id=show.pk, seat_numbers=[5], reason="Broken chair")
        before = seat_map(show_id=show.pk)
        call_command("forget_expired")
        assert statuses(show) == {1: "freed", 2: "freed", 3: "booked", 4: "held", 5: "blocked"}
        assert seat_map(show_id=show.pk).codes == before.codes

    def test_and_were_taken_over_are_left_alone(self, bob: User, show: Show, hold: Hold) -> None:
        book_seat(user=bob, show_id=show.pk, seat_number=1)
        call_command("forget_expired")
        assert statuses(show) == {1: "booked", 2: "freed"}


class TestWhatAShowHadBesidesBookings:
    @pytest.fixture
    def past(self, alice: User, bob: User, movie: Movie) -> Show:
        """A show that began a day ago: a booking, a cancelled one, a confirmed, a released and a lapsed hold, a blocked
        and an unblocked seat."""
        show = make_show(movie, seats=9)
        book_seat(user=alice, show_id=show.pk, seat_number=1)
        cancel_booking(user=alice, booking_id=book_seat(user=alice, show_id=show.pk, seat_number=2).pk)
        confirm_hold(user=bob, hold_id=hold_seats(user=bob, show_id=show.pk, seat_numbers=[3]).pk)
        release_hold(user=bob, hold_id=hold_seats(user=bob, show_id=show.pk, seat_numbers=[4, 5]).pk)
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[6])
        block_seats(show_id=show.pk, seat_numbers=[7, 8], reason="Broken chair")
        unblock_seat(show_id=show.pk, seat_number=8)
        began = timezone.now() - timedelta(days=1, minutes=1)
        Show.objects.filter(pk=show.pk).update(date_time=began)
        Claim.objects.filter(status="held").update(expires_at=began)
        return show

    def test_is_deleted_after_a_day(self, past: Show, capsys: pytest.CaptureFixture[str]) -> None:
        bookings = list(Booking.objects.order_by("pk").values("pk", "status", "hold"))
        call_command("forget_expired")
        assert "1 held seats freed, 2 holds deleted.\n" in capsys.readouterr().out
        assert statuses(past) == {1: "booked", 2: "cancelled", 3: "booked", 7: "blocked"}
        assert list(Booking.objects.order_by("pk").values("pk", "status", "hold")) == bookings
        assert Hold.objects.get().claims.get().seat_number == 3

    def test_is_kept_until_then(self, past: Show) -> None:
        Show.objects.update(date_time=timezone.now() - timedelta(hours=23))
        call_command("forget_expired")
        assert statuses(past).keys() == {*range(1, 9)}
        assert Hold.objects.count() == 3
