"""Changes by staff: movies."""

from typing import Any

from django.db import IntegrityError
from django.db.models.deletion import ProtectedError

from catalog.models import Movie, Show
from core.database import durable_transaction
from core.errors import NotFound, Protected


@durable_transaction
def add_movie(*, title: str, duration_minutes: int) -> Movie:
    """Add a movie."""
    return Movie.objects.create(title=title, duration_minutes=duration_minutes)


@durable_transaction
def change_movie(*, movie_id: int, **changes: Any) -> Movie:
    """Change the title or the running time of a movie.

    :raises NotFound: there is no such movie.
    """
    movie = Movie.objects.select_for_update().filter(pk=movie_id).first()
    if movie is None:
        raise NotFound
    for field, value in changes.items():
        setattr(movie, field, value)
    if changes:
        movie.save(update_fields=changes.keys())
    return movie


def delete_movie(*, movie_id: int) -> None:
    """Delete a movie with its shows, if none ever had a booking.

    :raises NotFound: there is no such movie.
    :raises Protected: a show of it has bookings, live or cancelled, or a live hold.
    :raises Busy: its shows were locked for too long.
    """
    try:
        durable_transaction(lambda: lock_movie(movie_id=movie_id).delete())()
    except (ProtectedError, IntegrityError) as error:
        raise Protected from error


def lock_movie(*, movie_id: int) -> Movie:
    """Lock a movie and its shows until the transaction ends.

    :raises NotFound: there is no such movie.
    """
    movie = Movie.objects.select_for_update().filter(pk=movie_id).first()
    if movie is None:
        raise NotFound
    Show.objects.filter(movie=movie).lock()
    return movie
