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
from core.models import Tries, User
from reservations.models import Booking

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
    sold = Booking.objects.live().order_by().values("show").annotate(sold=Count("*"))
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
    assert capsys.readouterr().out == "There are films or users already: nothing was done.\n"
    assert Booking.objects.count() == before


def test_expired_tries_are_forgotten(capsys: pytest.CaptureFixture[str], db: None) -> None:
    now = timezone.now().timestamp()
    Tries.objects.create(key="old", count=1, until=now - 1)
    Tries.objects.create(key="new", count=1, until=now + 60)
    call_command("forget_expired")
    assert list(Tries.objects.values_list("key", flat=True)) == ["new"]
    assert capsys.readouterr().out.startswith("1 windows of tries forgotten.")
