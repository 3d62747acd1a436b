"""Movies in the admin."""

from django.contrib import admin
from django.http import HttpRequest

from catalog.models import Movie
from catalog.programme import lock_movie
from core.admin import SafeModelAdmin


@admin.register(Movie)
class MovieAdmin(SafeModelAdmin):
    """Movies; one with bookings can't be deleted."""

    list_display = ["title", "duration_minutes"]
    search_fields = ["title"]
    list_per_page = 50

    def delete_model(self, request: HttpRequest, obj: Movie) -> None:
        lock_movie(movie_id=obj.pk).delete()
