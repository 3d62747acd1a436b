"""Movies over REST."""

import hashlib
import uuid

from django.core.cache import cache
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import programme
from catalog.models import MAX_DURATION, MAX_TITLE_LENGTH, Movie, MovieQuerySet, movies_version
from core.api.etags import respond_with_etag
from core.api.fields import StrictIntegerField, TextField
from core.api.operations import operation
from core.api.pagination import LimitOffsetPagination, PageQuery
from core.api.renderers import json_response
from core.api.serializers import FastSerializer
from core.api.views import APIView
from core.errors import Protected
from core.permissions import IsStaffOrReadOnly

MAX_CACHED_BYTES = 256 * 1024  # a thousand movies have some 70 kB


class MovieSerializer(FastSerializer):
    """A movie."""

    id = serializers.IntegerField(read_only=True)
    title = TextField(trim_whitespace=True, max_length=MAX_TITLE_LENGTH, help_text="1 to 255 characters.")
    duration_minutes = StrictIntegerField(
        min_value=1, max_value=MAX_DURATION, help_text=f"Running time in minutes, 1 to {MAX_DURATION}."
    )

    @staticmethod
    def get_queryset() -> MovieQuerySet:
        return Movie.objects.all()


class MovieQuery(PageQuery):
    """The query parameters of `GET /movies/`."""

    search = TextField(
        required=False,
        allow_blank=True,
        max_length=MAX_TITLE_LENGTH,
        help_text="Movies whose title contains this, without regard to case.",
    )
    ordering = serializers.ChoiceField(
        choices=["title", "-title", "duration_minutes", "-duration_minutes", "id", "-id"],
        default="title",
        help_text="`-` is descending. Movies that are equal in it follow by `id`.",
    )


class MoviesView(APIView):
    permission_classes = [IsStaffOrReadOnly]

    @operation("listMovies", "List the movies", query=MovieQuery, response=MovieSerializer(many=True), etag=True)
    def get(self, request: Request) -> HttpResponseBase:
        """A plain array, whole up to 1,000 movies. Send the `ETag` back as `If-None-Match`, and 304 says that nothing
        has changed."""
        # The version is read before the movies, so that what is cached under it is never older.
        version = movies_version() or uuid.uuid4().hex
        address = hashlib.sha256(request.build_absolute_uri().encode()).hexdigest()
        key = f"movies:{version}:{address}"
        response = cache.get(key)
        if response is None:
            response = self._list(request)
            if len(response.content) <= MAX_CACHED_BYTES:
                cache.set(key, response)
        return respond_with_etag(request, version, lambda: response)

    @operation("addMovie", "Add a movie", request=MovieSerializer, response=MovieSerializer, status=201)
    def post(self, request: Request) -> Response:
        """Staff only."""
        movie = programme.add_movie(**self.validated_data())
        return Response(MovieSerializer(movie).data, status=201)

    def _list(self, request: Request) -> HttpResponse:
        query = self.validated_data()
        movies = Movie.objects.search(query.get("search", "")).order_by(query["ordering"], "id")
        paginator = LimitOffsetPagination()
        page = paginator.paginate_queryset(movies, request, view=self)
        data = MovieSerializer(page, many=True).data
        return json_response(data, headers=paginator.get_headers(data))


class MovieView(APIView):
    permission_classes = [IsStaffOrReadOnly]

    @operation("getMovie", "Get a movie", response=MovieSerializer)
    def get(self, request: Request, movie_id: int) -> Response:
        """Its shows are at `/movies/{movie_id}/shows/`."""
        return Response(MovieSerializer(get_object_or_404(Movie, pk=movie_id)).data)

    @operation("replaceMovie", "Replace a movie", request=MovieSerializer, response=MovieSerializer)
    def put(self, request: Request, movie_id: int) -> Response:
        """Staff only. All fields."""
        movie = programme.change_movie(movie_id=movie_id, **self.validated_data())
        return Response(MovieSerializer(movie).data)

    @operation("changeMovie", "Change a movie", request=MovieSerializer, response=MovieSerializer)
    def patch(self, request: Request, movie_id: int) -> Response:
        """Staff only. The fields that are sent."""
        return self.put(request, movie_id)

    @operation("deleteMovie", "Delete a movie", refusals=[Protected])
    def delete(self, request: Request, movie_id: int) -> Response:
        """Staff only. Its shows go with it; if one of them has ever had a booking, nothing goes."""
        programme.delete_movie(movie_id=movie_id)
        return Response(status=204)
