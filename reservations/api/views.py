"""Shows and bookings over REST."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer

from catalog.api.movies import StaffWrites
from catalog.api.serializers import write_movies
from catalog.models import Movie, Show
from core.api.openapi import describe
from core.api.pagination import answer_page
from core.api.rest import (
    VerbView,
    View,
    answer,
    headers_of_replay,
    idempotency_key_of,
    read,
    read_query,
    user_of,
    write,
)
from core.errors import NotFound, Protected
from reservations import staff
from reservations.api.seat_serializers import BookSeatSerializer
from reservations.api.serializers import (
    BookingQuery,
    BookingSerializer,
    ShowQuery,
    ShowSerializer,
    by_id,
    write_bookings,
    write_shows,
)
from reservations.availability import available
from reservations.booking import book_seat, book_seats, cancel_booking
from reservations.errors import (
    AlreadyCancelled,
    NoAdjacentSeats,
    SeatBlocked,
    SeatHeld,
    SeatOutOfRange,
    SeatsInUse,
    SeatsUnavailable,
    SeatTaken,
    ShowFull,
    ShowStarted,
)
from reservations.models import Booking


def _the_only(found: list[dict[str, Any]]) -> dict[str, Any]:
    if not found:
        raise NotFound
    return found[0]


def _show(show_id: int) -> dict[str, Any]:
    return _the_only(write_shows(Show.objects.filter(pk=show_id)))


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
    def get(self, request: HttpRequest, movie_id: int) -> HttpResponse:
        """A plain array, earliest first."""
        query = read_query(ShowQuery, request)
        movie = by_id(write_movies(Movie.objects.filter(pk=movie_id)))
        if not movie:
            raise NotFound
        shows = Show.objects.filter(movie=movie_id).starting(since=query.get("from"), until=query.get("to"))
        if "date" in query:
            shows = shows.on(query["date"])
        shows = available(shows, query.get("available")).order_by(query["ordering"], "id")
        write_page = partial(write_shows, movies=movie)
        return answer_page(request, shows, write_page, limit=query["limit"], offset=query["offset"])

    @describe(
        "addShow",
        "Put a show on the programme",
        request=ShowSerializer,
        answer=ShowSerializer,
        status=201,
        staff=True,
        tags=["shows"],
    )
    def post(self, request: HttpRequest, movie_id: int) -> HttpResponse:
        """Staff only."""
        show = staff.add_show(movie_id=movie_id, **read(ShowSerializer, request))
        return answer(_show(show.pk), status=201)


class ShowView(View):
    permission_classes = [StaffWrites]

    @describe("getShow", "Get a show", answer=ShowSerializer, tags=["shows"])
    def get(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """With its movie and its available seats."""
        return answer(_show(show_id))

    @describe(
        "replaceShow",
        "Replace a show",
        request=ShowSerializer,
        answer=ShowSerializer,
        refuses=[SeatsInUse],
        staff=True,
        tags=["shows"],
    )
    def put(self, request: HttpRequest, show_id: int) -> HttpResponse:
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
    def patch(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """Staff only. The fields that are sent; the movie stays."""
        return self._change(request, show_id, partial=True)

    @describe("deleteShow", "Delete a show", answer=None, status=204, refuses=[Protected], staff=True, tags=["shows"])
    def delete(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """Staff only. A show that has ever had a booking stays."""
        staff.delete_show(show_id=show_id)
        return HttpResponse(status=204)

    def _change(self, request: HttpRequest, show_id: int, *, partial: bool) -> HttpResponse:
        staff.change_show(show_id=show_id, **read(ShowSerializer, request, partial=partial))
        return answer(_show(show_id))


class BookView(VerbView):
    @describe(
        "bookSeat",
        "Book a seat",
        request=BookSeatSerializer,
        answer=PolymorphicProxySerializer(
            "Booked", [BookingSerializer, BookingSerializer(many=True)], resource_type_field_name=None, many=False
        ),
        status=201,
        example=BookingSerializer.example,
        refuses=[
            SeatOutOfRange,
            SeatTaken,
            SeatHeld,
            SeatBlocked,
            SeatsUnavailable,
            NoAdjacentSeats,
            ShowFull,
            ShowStarted,
        ],
        keyed=True,
        tags=["bookings"],
    )
    def post(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """A 201 is durable: the seat is yours. Of many who want one seat, one gets it. To `seat_number` the answer is
        the booking; to `seat_numbers` and to `best` it is a list of bookings, all or none."""
        wish = read(BookSeatSerializer, request)
        who: dict[str, Any] = {"user": user_of(request), "show_id": show_id}
        who["idempotency_key"] = idempotency_key_of(request)
        if "seat_number" in wish:
            booking = book_seat(**who, seat_number=wish["seat_number"])
            return answer(write(BookingSerializer, booking), status=201, headers=headers_of_replay(booking))
        bookings = book_seats(**who, **wish)
        rows = [write(BookingSerializer, booking) for booking in bookings]
        return answer(rows, status=201, headers=headers_of_replay(bookings))


class BookingView(View):
    @describe("getBooking", "Get a booking", answer=BookingSerializer, tags=["bookings"])
    def get(self, request: HttpRequest, booking_id: int) -> HttpResponse:
        """One's own; somebody else's is `not_found`."""
        return answer(_the_only(write_bookings(Booking.objects.filter(user=user_of(request).pk, pk=booking_id))))


class CancelView(VerbView):
    @describe(
        "cancelBooking",
        "Cancel a booking",
        request=None,
        answer=BookingSerializer,
        example={**BookingSerializer.example, "status": "cancelled", "cancelled_at": "2026-12-21T20:04:11.027350Z"},
        refuses=[AlreadyCancelled, ShowStarted],
        keyed=True,
        tags=["bookings"],
    )
    def post(self, request: HttpRequest, booking_id: int) -> HttpResponse:
        """One's own. The seat is free at once, and the booking stays as history."""
        booking = cancel_booking(
            user=user_of(request), booking_id=booking_id, idempotency_key=idempotency_key_of(request)
        )
        return answer(write(BookingSerializer, booking), headers=headers_of_replay(booking))


class MyBookingsView(View):
    @describe(
        "listMyBookings",
        "List one's own bookings",
        answer=BookingSerializer(many=True),
        parameters=[BookingQuery],
        paged=True,
        tags=["bookings"],
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """A plain array, newest first."""
        query = read_query(BookingQuery, request)
        ordering = query["ordering"].replace("date_time", "show__date_time")
        bookings = (
            Booking.objects.filter(user=user_of(request).pk)
            .with_status(query.get("status"))
            .upcoming(query.get("upcoming"))
            .order_by(ordering, "-id")
        )
        return answer_page(request, bookings, write_bookings, limit=query["limit"], offset=query["offset"])
