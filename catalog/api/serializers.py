"""The shapes of movies in REST."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from catalog.models import LONGEST_MOVIE, LONGEST_TITLE, Movie
from core.api.fields import StrictIntegerField, TextField
from core.api.pagination import PageQuery


class MovieSerializer(serializers.ModelSerializer[Movie]):
    """A movie."""

    example: ClassVar[dict[str, Any]] = {"id": 7, "title": "The Third Man", "duration_minutes": 104}

    title = TextField(trim_whitespace=True, max_length=LONGEST_TITLE, help_text="1 to 255 characters.")
    duration_minutes = StrictIntegerField(
        min_value=1, max_value=LONGEST_MOVIE, help_text=f"Running time in minutes, 1 to {LONGEST_MOVIE}."
    )

    class Meta:
        model = Movie
        fields: ClassVar[list[str]] = ["id", "title", "duration_minutes"]


def write_movies(movies: QuerySet[Movie]) -> list[dict[str, Any]]:
    """Give movies in the shape of ``MovieSerializer``, straight from their columns."""
    return list(movies.values(*MovieSerializer.Meta.fields))


class MovieQuery(PageQuery):
    """What `GET /movies/` can be asked for."""

    search = TextField(
        required=False,
        allow_blank=True,
        max_length=LONGEST_TITLE,
        help_text="Movies whose title contains this, without regard to case.",
    )
    ordering = serializers.ChoiceField(
        choices=["title", "-title", "duration_minutes", "-duration_minutes", "id", "-id"],
        default="title",
        help_text="`-` is descending. Movies that are equal in it follow by `id`.",
    )
