"""Shows over REST."""

from datetime import time
from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.movies import MovieSerializer
from catalog.models import MAX_SEATS, MAX_SEATS_PER_ROW, Movie, Show, ShowQuerySet
from core.api.fields import DateField, InstantField, InstantOrDayField, StrictIntegerField, TextField, TrueFalseField
from core.api.operations import operation
from core.api.pagination import LimitOffsetPagination, PageQuery
from core.api.serializers import FastSerializer
from core.api.views import APIView
from core.errors import NotFound, Protected
from core.permissions import IsStaffOrReadOnly
from reservations import staff
from reservations.availability import available, with_available_seats
from reservations.errors import SeatsInUse


class ShowSerializer(FastSerializer):
    """One showing of a movie on a screen."""

    id = serializers.IntegerField(read_only=True)
    movie = MovieSerializer(read_only=True)
    screen_name = TextField(trim_whitespace=True, max_length=100, help_text="1 to 100 characters.")
    date_time = InstantField(help_text="ISO 8601 with an offset. Booking and cancelling close then.")
    total_seats = StrictIntegerField(
        min_value=1, max_value=MAX_SEATS, help_text=f"The seats are numbered from 1; 1 to {MAX_SEATS} of them."
    )
    seats_per_row = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=MAX_SEATS_PER_ROW,
        help_text=f"Seat 1 is A1; the last row may be shorter. 1 to {MAX_SEATS_PER_ROW}, 10 if left out.",
    )
    available_seats = serializers.IntegerField(
        read_only=True,
        min_value=0,
        help_text="Seats that nobody had booked or held when the answer was made, and that are sold.",
    )

    @staticmethod
    def get_queryset() -> ShowQuerySet:
        return with_available_seats(Show.objects.select_related("movie"))


class ShowQuery(PageQuery):
    """The query parameters of a movie's shows."""

    def get_fields(self) -> dict[str, Any]:
        # `from` is a keyword, so that this field can't be an attribute.
        since = InstantOrDayField(
            required=False, day_means=time.min, help_text="Shows that begin then or later. A date is its first moment."
        )
        return {**super().get_fields(), "from": since}

    date = DateField(required=False, help_text="Shows that begin on this day of UTC, as 2026-12-24.")
    to = InstantOrDayField(
        required=False, day_means=time.max, help_text="Shows that begin then or earlier. A date is its last moment."
    )
    available = TrueFalseField(
        required=False, help_text="`true`: shows with an available seat. `false`: shows without one."
    )
    ordering = serializers.ChoiceField(
        choices=["date_time", "-date_time", "screen_name", "-screen_name", "total_seats", "-total_seats"],
        default="date_time",
        help_text="`-` is descending. Shows that are equal in it follow by `id`.",
    )


class MovieShowsView(APIView):
    permission_classes = [IsStaffOrReadOnly]

    @operation("listShows", "List the shows of a movie", query=ShowQuery, response=ShowSerializer(many=True))
    def get(self, request: Request, movie_id: int) -> Response:
        """A plain array, earliest first."""
        query = self.validated_data()
        shows = Show.objects.filter(movie=movie_id).starting(since=query.get("from"), until=query.get("to"))
        if "date" in query:
            shows = shows.on(query["date"])
        shows = available(shows, query.get("available")).order_by(query["ordering"], "id")
        paginator = LimitOffsetPagination()
        page = with_available_seats(paginator.paginate_queryset(shows, request, view=self))
        data = ShowSerializer(page, many=True).data
        if not data and not Movie.objects.filter(pk=movie_id).exists():
            raise NotFound
        return paginator.get_paginated_response(data)

    @operation("addShow", "Put a show on the programme", request=ShowSerializer, response=ShowSerializer, status=201)
    def post(self, request: Request, movie_id: int) -> Response:
        """Staff only."""
        show = staff.add_show(movie_id=movie_id, **self.validated_data())
        return Response(ShowSerializer(show).data, status=201)


class ShowView(APIView):
    permission_classes = [IsStaffOrReadOnly]

    @operation("getShow", "Get a show", response=ShowSerializer)
    def get(self, request: Request, show_id: int) -> Response:
        """With its movie and its available seats."""
        return Response(ShowSerializer(get_object_or_404(ShowSerializer.get_queryset(), pk=show_id)).data)

    @operation("replaceShow", "Replace a show", request=ShowSerializer, response=ShowSerializer, refusals=[SeatsInUse])
    def put(self, request: Request, show_id: int) -> Response:
        """Staff only. All fields; the movie stays."""
        show = staff.change_show(show_id=show_id, **self.validated_data())
        return Response(ShowSerializer(show).data)

    @operation("changeShow", "Change a show", request=ShowSerializer, response=ShowSerializer, refusals=[SeatsInUse])
    def patch(self, request: Request, show_id: int) -> Response:
        """Staff only. The fields that are sent; the movie stays."""
        return self.put(request, show_id)

    @operation("deleteShow", "Delete a show", refusals=[Protected])
    def delete(self, request: Request, show_id: int) -> Response:
        """Staff only. A show that has ever had a booking stays."""
        staff.delete_show(show_id=show_id)
        return Response(status=204)
