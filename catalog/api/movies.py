"""Movies over REST."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.views import APIView

from catalog import programme
from catalog.api.serializers import MovieQuery, MovieSerializer, write_movies
from catalog.models import Movie, movies_version
from core.api.openapi import describe
from core.api.pagination import answer_kept, answer_page
from core.api.rest import View, answer, read, read_query, write
from core.errors import NotFound, Protected


class StaffWrites(BasePermission):
    """Everybody may read; staff may write."""

    def has_permission(self, request: Any, view: APIView) -> bool:
        return request.method in SAFE_METHODS or bool(request.user and request.user.is_staff)


class MoviesView(View):
    permission_classes = [StaffWrites]

    @describe(
        "listMovies",
        "List the movies",
        answer=MovieSerializer(many=True),
        parameters=[MovieQuery],
        paged=True,
        kept=True,
        tags=["movies"],
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """A plain array, whole up to 1,000 movies. Send the `ETag` back as `If-None-Match`, and 304 says that nothing
        has changed."""

        def answered() -> HttpResponse:
            query = read_query(MovieQuery, request)
            movies = Movie.objects.search(query.get("search", "")).order_by(query["ordering"], "id")
            return answer_page(request, movies, write_movies, limit=query["limit"], offset=query["offset"])

        return answer_kept(request, movies_version(), answered)

    @describe(
        "addMovie",
        "Add a movie",
        request=MovieSerializer,
        answer=MovieSerializer,
        status=201,
        staff=True,
        tags=["movies"],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Staff only."""
        movie = programme.add_movie(**read(MovieSerializer, request))
        return answer(write(MovieSerializer, movie), status=201)


class MovieView(View):
    permission_classes = [StaffWrites]

    @describe("getMovie", "Get a movie", answer=MovieSerializer, tags=["movies"])
    def get(self, request: HttpRequest, movie_id: int) -> HttpResponse:
        """Its shows are at `/movies/{movie_id}/shows/`."""
        movie = Movie.objects.filter(pk=movie_id).first()
        if movie is None:
            raise NotFound
        return answer(write(MovieSerializer, movie))

    @describe(
        "replaceMovie", "Replace a movie", request=MovieSerializer, answer=MovieSerializer, staff=True, tags=["movies"]
    )
    def put(self, request: HttpRequest, movie_id: int) -> HttpResponse:
        """Staff only. All fields."""
        return self._change(request, movie_id, partial=False)

    @describe(
        "changeMovie", "Change a movie", request=MovieSerializer, answer=MovieSerializer, staff=True, tags=["movies"]
    )
    def patch(self, request: HttpRequest, movie_id: int) -> HttpResponse:
        """Staff only. The fields that are sent."""
        return self._change(request, movie_id, partial=True)

    @describe(
        "deleteMovie", "Delete a movie", answer=None, status=204, refuses=[Protected], staff=True, tags=["movies"]
    )
    def delete(self, request: HttpRequest, movie_id: int) -> HttpResponse:
        """Staff only. Its shows go with it; if one of them has ever had a booking, nothing goes."""
        programme.delete_movie(movie_id=movie_id)
        return HttpResponse(status=204)

    def _change(self, request: HttpRequest, movie_id: int, *, partial: bool) -> HttpResponse:
        changes = read(MovieSerializer, request, partial=partial)
        return answer(write(MovieSerializer, programme.change_movie(movie_id=movie_id, **changes)))
