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

FILMS = Path(__file__).resolve().parents[2] / "demo_movies.csv"
SCREENS = {"Aurora": (240, 20), "Belle Époque": (120, 12), "Capitol": (84, 12), "Studio": (24, 6)}  # seats, and a row
HOUSE_SEATS = [1, 2]
DAYS = 7
OPENS, LAST_START = time(10), time(22, 30)
CLEANING = timedelta(minutes=20)


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
        with FILMS.open(encoding="utf-8", newline="") as lines:
            add_new_movies([movie for movie in read_movies(lines) if isinstance(movie, Movie)])
        programme = _programme(list(Movie.objects.all()))
        Show.objects.bulk_create(programme)
        sold = _sell(list(Show.objects.all()), customer, audience)
        self.stdout.write(
            f"{Movie.objects.count()} movies, {len(programme)} shows on {len(SCREENS)} screens, {sold} seats sold."
        )


def _programme(movies: list[Movie]) -> list[Show]:
    """Plan the shows day by day and screen by screen, with time for cleaning between them."""
    shows: list[Show] = []
    now = timezone.now()
    for day in range(DAYS):
        for screen, (seats, seats_per_row) in SCREENS.items():
            starts = datetime.combine(now.date() + timedelta(days=day), OPENS, UTC)
            while starts.time() <= LAST_START and starts.date() == now.date() + timedelta(days=day):
                movie = random.choice(movies)
                if starts > now + CLEANING:
                    shows.append(
                        Show(
                            movie=movie,
                            screen_name=screen,
                            date_time=starts,
                            total_seats=seats,
                            seats_per_row=seats_per_row,
                        )
                    )
                ends = starts + timedelta(minutes=movie.duration_minutes) + CLEANING
                starts = ends + timedelta(minutes=-ends.minute % 5)  # on the next five minutes
    return shows


def _sell(shows: list[Show], customer: User, audience: User) -> int:
    """Sell seats of a third of the shows, and all of one; block two house seats of the largest screen."""
    sold = 0
    smallest, largest = min(SCREENS.values())[0], max(SCREENS.values())[0]
    full = next(show for show in shows if show.total_seats == smallest)
    for show in shows:
        if show.total_seats == largest:
            block_seats(show_id=show.pk, seat_numbers=HOUSE_SEATS, reason="House seats")
    for show in [full, *random.sample([show for show in shows if show != full], len(shows) // 3)]:
        parties = random.choices([1, 2, 2, 2, 3, 4], k=random.randint(1, show.total_seats // 8))
        for party in [1] * show.total_seats if show == full else parties:
            sold += len(book_seats(user=audience, show_id=show.pk, best=party, allow_split=True))
    for show in [show for show in shows if show != full][-2:]:
        sold += len(book_seats(user=customer, show_id=show.pk, best=2, allow_split=True))
    return sold
