"""Shows and bookings over REST."""

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.models import Movie, Show
from catalog.programme import Protected
from catalog.views import StaffWrites
from core.openapi import describe
from core.rest import View, answer_page, read, read_query, user_of
from reservations import scheduling
from reservations.availability import available, in_full, with_available_seats
from reservations.booking import (
    AlreadyCancelled,
    SeatOutOfRange,
    SeatTaken,
    ShowFull,
    ShowStarted,
    book_seat,
    cancel_booking,
)
from reservations.models import Booking
from reservations.scheduling import SeatsInUse
from reservations.serializers import (
    BookingQuery,
    BookingSerializer,
    BookSeatSerializer,
    ShowQuery,
    ShowSerializer,
)


def _show(show_id: int) -> Show:
    return get_object_or_404(with_available_seats(Show.objects.select_related("movie")), pk=show_id)


class MovieShowsView(View):
    permission_classes = [StaffWrites]

    @describe(
        "listShows",
        "List the shows of a movie",
        answer=ShowSerializer(many=True),
        parameters=[ShowQuery],
        paged=True,
        tags=["shows"],
    )
    def get(self, request: Request, movie_id: int) -> Response:
        """A plain array, earliest first."""
        query = read_query(ShowQuery, request)
        movie = get_object_or_404(Movie, pk=movie_id)
        shows = Show.objects.filter(movie=movie).starting(since=query.get("from"), until=query.get("to"))
        if "date" in query:
            shows = shows.on(query["date"])
        shows = available(shows, query.get("available")).order_by(query["ordering"], "id").select_related("movie")
        return answer_page(
            request, with_available_seats(shows), ShowSerializer, limit=query["limit"], offset=query["offset"]
        )

    @describe(
        "addShow",
        "Put a show on the programme",
        request=ShowSerializer,
        answer=ShowSerializer,
        status=201,
        staff=True,
        tags=["shows"],
    )
    def post(self, request: Request, movie_id: int) -> Response:
        """Staff only."""
        show = scheduling.add_show(movie_id=movie_id, **read(ShowSerializer, request))
        return Response(ShowSerializer(_show(show.pk)).data, status=201)


class ShowView(View):
    permission_classes = [StaffWrites]

    @describe("getShow", "Get a show", answer=ShowSerializer, tags=["shows"])
    def get(self, request: Request, show_id: int) -> Response:
        """With its movie and its available seats."""
        return Response(ShowSerializer(_show(show_id)).data)

    @describe(
        "replaceShow",
        "Replace a show",
        request=ShowSerializer,
        answer=ShowSerializer,
        refuses=[SeatsInUse],
        staff=True,
        tags=["shows"],
    )
    def put(self, request: Request, show_id: int) -> Response:
        """Staff only. All fields; the movie stays."""
        return self._change(request, show_id, partial=False)

    @describe(
        "changeShow",
        "Change a show",
        request=ShowSerializer,
        answer=ShowSerializer,
        refuses=[SeatsInUse],
        staff=True,
        tags=["shows"],
    )
    def patch(self, request: Request, show_id: int) -> Response:
        """Staff only. The fields that are sent; the movie stays."""
        return self._change(request, show_id, partial=True)

    @describe("deleteShow", "Delete a show", answer=None, status=204, refuses=[Protected], staff=True, tags=["shows"])
    def delete(self, request: Request, show_id: int) -> Response:
        """Staff only. A show that has ever had a booking stays."""
        scheduling.delete_show(show_id=show_id)
        return Response(status=204)

    def _change(self, request: Request, show_id: int, *, partial: bool) -> Response:
        scheduling.change_show(show_id=show_id, **read(ShowSerializer, request, partial=partial))
        return Response(ShowSerializer(_show(show_id)).data)


class BookView(View):
    @describe(
        "bookSeat",
        "Book a seat",
        request=BookSeatSerializer,
        answer=BookingSerializer,
        status=201,
        refuses=[SeatOutOfRange, SeatTaken, ShowFull, ShowStarted],
        tags=["bookings"],
    )
    def post(self, request: Request, show_id: int) -> Response:
        """A 201 is durable: the seat is yours. Of many who want one seat, one gets it."""
        booking = book_seat(user=user_of(request), show_id=show_id, **read(BookSeatSerializer, request))
        return Response(BookingSerializer(booking).data, status=201)


class BookingView(View):
    @describe("getBooking", "Get a booking", answer=BookingSerializer, tags=["bookings"])
    def get(self, request: Request, booking_id: int) -> Response:
        """One's own; somebody else's is `not_found`."""
        booking = get_object_or_404(in_full(Booking.objects.filter(user=user_of(request))), pk=booking_id)
        return Response(BookingSerializer(booking).data)


class CancelView(View):
    @describe(
        "cancelBooking",
        "Cancel a booking",
        request=None,
        answer=BookingSerializer,
        example={**BookingSerializer.example, "status": "cancelled", "cancelled_at": "2026-12-21T20:04:11.027350Z"},
        refuses=[AlreadyCancelled, ShowStarted],
        tags=["bookings"],
    )
    def post(self, request: Request, booking_id: int) -> Response:
        """One's own. The seat is free at once, and the booking stays as history."""
        booking = cancel_booking(user=user_of(request), booking_id=booking_id)
        return Response(BookingSerializer(booking).data)


class MyBookingsView(View):
    @describe(
        "listMyBookings",
        "List one's own bookings",
        answer=BookingSerializer(many=True),
        parameters=[BookingQuery],
        paged=True,
        tags=["bookings"],
    )
    def get(self, request: Request) -> Response:
        """A plain array, newest first."""
        query = read_query(BookingQuery, request)
        ordering = query["ordering"].replace("date_time", "show__date_time")
        bookings = (
            Booking.objects.filter(user=user_of(request))
            .with_status(query.get("status"))
            .upcoming(query.get("upcoming"))
            .order_by(ordering, "-id")
        )
        return answer_page(request, in_full(bookings), BookingSerializer, limit=query["limit"], offset=query["offset"])
