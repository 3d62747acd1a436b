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
        "Fill an empty database with a cinema: real films, the coming seven days' programme, some seats sold, "
        "a staff user and a customer. Does nothing where there are films or users already."
    )

    def handle(self, **options: Any) -> None:
        if Movie.objects.exists() or User.objects.exists():
            self.stdout.write("There are films or users already: nothing was done.")
            return
        passwords = {name: secrets.token_urlsafe(12) for name in ("staff", "customer")}
        with transaction.atomic():
            User.objects.create_superuser("staff", password=passwords["staff"])
            customer = User.objects.create_user("customer", password=passwords["customer"])
            audience = User.objects.create_user("audience", password=None)
        self.stdout.write(
            "These passwords are shown once:\n"
            f"  staff     {passwords['staff']}   (the admin, and writing films and shows)\n"
            f"  customer  {passwords['customer']}   (booking)"
        )
        with FILMS.open(encoding="utf-8", newline="") as lines:
            add_new_movies([movie for movie in read_movies(lines) if isinstance(movie, Movie)])
        programme = _programme(list(Movie.objects.all()))
        Show.objects.bulk_create(programme)
        sold = _sell(list(Show.objects.all()), customer, audience)
        self.stdout.write(
            f"{Movie.objects.count()} films, {len(programme)} shows on {len(SCREENS)} screens, {sold} seats sold."
        )


def _programme(movies: list[Movie]) -> list[Show]:
    """Plan the days screen by screen, each show after the one before it and the cleaning."""
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
    """Sell seats through the domain, as everybody must: a third of the shows in part, one of them out. In the largest
    hall the house keeps two seats."""
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
