"""What staff change about films."""

from typing import Any

from django.db import IntegrityError
from django.db.models.deletion import ProtectedError

from catalog.models import Movie, Show
from core.database import durable_transaction
from core.errors import NotFound, Protected


@durable_transaction
def add_movie(*, title: str, duration_minutes: int) -> Movie:
    """Add a film to the catalogue."""
    return Movie.objects.create(title=title, duration_minutes=duration_minutes)


@durable_transaction
def change_movie(*, movie_id: int, **changes: Any) -> Movie:
    """Change the title or the running time of a film.

    :raises NotFound: there is no such film.
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
    """Delete a film, and with it its shows, none of which may ever have had a booking.

    :raises NotFound: there is no such film.
    :raises Protected: a show of it has bookings, live or cancelled.
    :raises Busy: its shows were locked for too long.
    """
    try:
        _delete(movie_id)
    except (ProtectedError, IntegrityError) as fault:
        raise Protected from fault


def lock_movie(*, movie_id: int) -> Movie:
    """Lock a film and its shows, in the order of their numbers, until the transaction ends.

    :raises NotFound: there is no such film.
    """
    movie = Movie.objects.select_for_update().filter(pk=movie_id).first()
    if movie is None:
        raise NotFound
    Show.objects.filter(movie=movie).lock()
    return movie


@durable_transaction
def _delete(movie_id: int) -> None:
    lock_movie(movie_id=movie_id).delete()
