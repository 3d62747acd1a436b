"""``manage.py demo``"""

import random
import secrets
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from catalog.importing import add_new_movies, read_movies
from catalog.models import Movie, Show
from core.models import User
from reservations.booking import book_seats
from reservations.staff import block_seats

MOVIES = Path(__file__).resolve().parents[2] / "demo_movies.csv"
SCREENS = {"Aurora": (240, 20), "Belle Époque": (120, 12), "Capitol": (84, 12), "Studio": (24, 6)}  # seats, and a row
DAYS = 7
STARTS = [time(10), time(13, 30), time(17), time(20, 30)]  # the longest movie and cleaning take less than 3.5 hours


class Command(BaseCommand):
    help = (
        "Fill an empty database with a cinema: real movies, shows of the next seven days, some seats sold, "
        "a staff user and a customer. Does nothing if there are movies or users."
    )

    def handle(self, **options: Any) -> None:
        if Movie.objects.exists() or User.objects.exists():
            self.stdout.write("There are movies or users already. Nothing was changed.")
            return
        passwords = {name: secrets.token_urlsafe(12) for name in ("staff", "customer")}
        with transaction.atomic():
            User.objects.create_superuser("staff", password=passwords["staff"])
            customer = User.objects.create_user("customer", password=passwords["customer"])
            audience = User.objects.create_user("audience", password=None)
        self.stdout.write(
            "These passwords are shown once:\n"
            f"  staff     {passwords['staff']}   (the admin, and changing movies and shows)\n"
            f"  customer  {passwords['customer']}   (booking)"
        )
        with MOVIES.open(encoding="utf-8", newline="") as lines:
            add_new_movies([movie for movie in read_movies(lines) if isinstance(movie, Movie)])
        programme = _programme(list(Movie.objects.all()))
        Show.objects.bulk_create(programme)
        sold = _sell(list(Show.objects.all()), customer, audience)
        self.stdout.write(
            f"{Movie.objects.count()} movies, {len(programme)} shows on {len(SCREENS)} screens, {sold} seats sold."
        )


def _programme(movies: list[Movie]) -> list[Show]:
    """Plan the shows that are still to come on each screen."""
    now = timezone.now()
    return [
        Show(movie=random.choice(movies), screen_name=screen, date_time=begins, total_seats=seats, seats_per_row=row)
        for day in range(DAYS)
        for start in STARTS
        for screen, (seats, row) in SCREENS.items()
        if (begins := datetime.combine(now.date() + timedelta(days=day), start, UTC)) > now + timedelta(minutes=20)
    ]


def _sell(shows: list[Show], customer: User, audience: User) -> int:
    """Sell seats of a third of the shows, and all of one."""
    full = next(show for show in shows if show.screen_name == "Studio")
    others = [show for show in shows if show != full]
    parties = [(customer, show, 2) for show in others[-2:]] + [(audience, full, 1)] * full.total_seats
    for show in random.sample(others, len(shows) // 3):
        sizes = random.choices([1, 2, 2, 2, 3, 4], k=random.randint(1, show.total_seats // 8))
        parties += [(audience, show, size) for size in sizes]
    for show in shows:
        if show.screen_name == "Aurora":
            block_seats(show_id=show.pk, seat_numbers=[1, 2], reason="House seats")
    for user, show, size in parties:
        book_seats(user=user, show_id=show.pk, best=size, allow_split=True)
    return sum(size for _, _, size in parties)
