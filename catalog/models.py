"""Movies and their shows."""

from datetime import UTC, date, datetime, time

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.db.models import CheckConstraint, Q

from core.errors import Invalid

MAX_TITLE_LENGTH = 255  # characters
MAX_DURATION = 1440  # minutes
MAX_SEATS = 10_000
MAX_SEATS_PER_ROW = 100  # seats


class MovieQuerySet(models.QuerySet["Movie"]):
    def search(self, text: str) -> "MovieQuerySet":
        """Keep the movies whose title contains the text, without regard to case.

        :raises Invalid: the text is longer than a title, or contains NUL, which PostgreSQL refuses.
        """
        if len(text) > MAX_TITLE_LENGTH:
            raise Invalid(errors={"search": [f"At most {MAX_TITLE_LENGTH} characters."]})
        if "\0" in text:
            raise Invalid(errors={"search": ["Null characters are not allowed."]})
        return self.filter(title__icontains=text) if text else self


class Movie(models.Model):
    """A movie."""

    title = models.CharField(max_length=MAX_TITLE_LENGTH, help_text="1 to 255 characters.")
    duration_minutes = models.PositiveSmallIntegerField(
        "duration",
        validators=[MinValueValidator(1), MaxValueValidator(MAX_DURATION)],
        help_text=f"Running time in minutes, 1 to {MAX_DURATION}.",
    )

    objects = MovieQuerySet.as_manager()

    class Meta:
        ordering = ["title", "id"]
        indexes = [models.Index(fields=["title", "id"], name="movies_by_title")]
        constraints = [
            CheckConstraint(
                condition=Q(duration_minutes__range=(1, MAX_DURATION)), name="movie_lasts_a_minute_to_a_day"
            ),
            CheckConstraint(condition=~Q(title=""), name="movie_has_a_title"),
        ]

    def __str__(self) -> str:
        return self.title


class MoviesVersion(models.Model):
    """The version of all movies: one row, changed by triggers."""

    token = models.CharField(max_length=36, help_text="Another one after each change.")

    def __str__(self) -> str:
        return self.token


def movies_version() -> str | None:
    """Read the version of all movies.

    Movies that are read after it are of this version or newer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM catalog_moviesversion")
        row = cursor.fetchone()
    return row[0] if row else None


class ShowQuerySet(models.QuerySet["Show"]):
    def on(self, day: date) -> "ShowQuerySet":
        """Keep the shows that begin on this UTC day."""
        return self.starting(since=datetime.combine(day, time.min, UTC), until=datetime.combine(day, time.max, UTC))

    def starting(self, *, since: datetime | None = None, until: datetime | None = None) -> "ShowQuerySet":
        """Keep the shows that begin from ``since`` to ``until``, both included.

        :raises Invalid: a time without an offset, or beyond the calendar.
        """
        shows = self
        if since is not None:
            shows = shows.filter(date_time__gte=_in_utc(since, "from"))
        if until is not None:
            shows = shows.filter(date_time__lte=_in_utc(until, "to"))
        return shows

    def lock(self) -> list["Show"]:
        """Lock these shows against bookings, in the order of their ids."""
        if connection.vendor == "postgresql":
            # The advisory lock first: reservations.claims says why.
            ids = sorted(self.order_by().values_list("pk", flat=True))
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(id) FROM unnest(%s::bigint[]) AS id", [ids])
        return list(self.select_for_update().order_by("pk"))


def _in_utc(instant: datetime, name: str) -> datetime:
    try:
        if instant.utcoffset() is not None:
            return instant.astimezone(UTC)
    except OverflowError:  # before the first or after the last day of the calendar
        pass
    raise Invalid(errors={name: ["Give a time with an offset, as 2026-12-24T18:30:00Z."]})


class Show(models.Model):
    """One showing of a movie on a screen."""

    movie = models.ForeignKey(Movie, on_delete=models.CASCADE, related_name="shows", db_index=False)
    screen_name = models.CharField("screen", max_length=100, help_text="1 to 100 characters.")
    date_time = models.DateTimeField("begins", help_text="When the show begins; booking and cancelling close then.")
    total_seats = models.PositiveSmallIntegerField(
        "seats",
        validators=[MinValueValidator(1), MaxValueValidator(MAX_SEATS)],
        help_text=f"How many seats there are, numbered from 1; 1 to {MAX_SEATS}.",
    )
    seats_per_row = models.PositiveSmallIntegerField(
        "seats a row",
        default=10,
        db_default=10,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_SEATS_PER_ROW)],
        help_text=f"How many seats a row has; 1 to {MAX_SEATS_PER_ROW}. Seat 1 is A1, and the last row may be shorter.",
    )
    layout_changed = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="Stamped by triggers: see reservations.seat_maps."
    )

    objects = ShowQuerySet.as_manager()

    class Meta:
        ordering = ["date_time", "id"]
        indexes = [models.Index(fields=["movie", "date_time", "id"], name="shows_of_a_movie")]
        constraints = [
            CheckConstraint(condition=Q(total_seats__range=(1, MAX_SEATS)), name="show_has_1_to_10000_seats"),
            CheckConstraint(condition=Q(seats_per_row__range=(1, MAX_SEATS_PER_ROW)), name="row_has_1_to_100_seats"),
        ]

    def __str__(self) -> str:
        return f"{self.movie}, {self.screen_name}, {self.date_time:%d %b %Y %H:%M}"


def row_label(row: int) -> str:
    """Label of a row, counted from 0: A to Z, then AA."""
    letters = ""
    row += 1
    while row:
        row, letter = divmod(row - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def seat_label(seat_number: int, seats_per_row: int) -> str:
    """Label of a seat: its row and place, for example B7."""
    row, place = divmod(seat_number - 1, seats_per_row)
    return f"{row_label(row)}{place + 1}"
