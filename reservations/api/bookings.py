"""Bookings over REST."""

from typing import Any

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers
from rest_framework.response import Response

from core.api.authentication import AccessTokenAuthentication, AuthenticatedRequest
from core.api.exceptions import replay_headers
from core.api.fields import InstantField, TrueFalseField
from core.api.operations import operation
from core.api.pagination import LimitOffsetPagination, PageQuery
from core.api.serializers import FastSerializer
from core.api.views import APIView
from reservations.api.seats import SeatNumberField, SeveralSeatsSerializer
from reservations.api.shows import ShowSerializer
from reservations.booking import BOOK, BOOK_SEVERAL, CANCEL, MOVE, book_seat, book_seats, cancel_booking, move_booking
from reservations.models import Booking, BookingStatus


class BookingSerializer(FastSerializer):
    """An account's booking of a seat, live or cancelled."""

    id = serializers.IntegerField(read_only=True)
    show = ShowSerializer(read_only=True)
    seat_number = serializers.IntegerField(read_only=True, min_value=1, help_text="1 to the show's `total_seats`.")
    status = serializers.ChoiceField(
        choices=BookingStatus.choices, read_only=True, help_text="`booked` holds the seat, `cancelled` has freed it."
    )
    created_at = InstantField(read_only=True, help_text="When the seat was booked.")
    cancelled_at = InstantField(
        read_only=True, allow_null=True, help_text="When the booking was cancelled; null if it was not."
    )


class BookingQuery(PageQuery):
    """The query parameters of one's own bookings."""

    status = serializers.ChoiceField(
        choices=BookingStatus.choices, required=False, help_text="Bookings of this status."
    )
    upcoming = TrueFalseField(
        required=False, help_text="`true`: of shows that have not begun. `false`: of shows that have."
    )
    ordering = serializers.ChoiceField(
        choices=["-created_at", "created_at", "date_time", "-date_time", "seat_number", "-seat_number"],
        default="-created_at",
        help_text="`-` is descending; `date_time` is the show's. Bookings that are equal in it follow by `-id`.",
    )


class BookSeatSerializer(SeveralSeatsSerializer):
    """Which seats to book: exactly one of `seat_number`, `seat_numbers`, `best`."""

    seat_number = SeatNumberField(required=False, help_text="A JSON integer, 1 to the show's `total_seats`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = attrs.keys() & {"seat_number", "seat_numbers", "best"}
        if not given:
            raise serializers.ValidationError({"seat_number": ["This field is required."]})
        if len(given) > 1:
            raise serializers.ValidationError("Send exactly one of seat_number, seat_numbers and best.")
        return {"seat_number": attrs["seat_number"]} if "seat_number" in attrs else attrs


class MoveSerializer(FastSerializer):
    """Where to move a booking."""

    seat_number = SeatNumberField(help_text="A JSON integer, 1 to the show's `total_seats`.")


class VerbView(APIView):
    """Runs verbs of the domain, which verify the account themselves."""

    authentication_classes = [AccessTokenAuthentication]

    def arguments(self) -> dict[str, Any]:
        """Give what each verb takes: the account, the key and the body."""
        body = self.validated_data() if self.declared.request else {}
        return {"user": self.request.user, "idempotency_key": self.request.headers.get("Idempotency-Key"), **body}

    def respond(self, serializer: type[FastSerializer], outcome: Any) -> Response:
        """Answer with the declared status, and mark a replay."""
        data = serializer(outcome, many=isinstance(outcome, list)).data
        return Response(data, status=self.declared.status, headers=replay_headers(outcome))


class BookView(VerbView):
    @operation(
        "bookSeat",
        "Book a seat",
        request=BookSeatSerializer,
        response=PolymorphicProxySerializer(
            "Booked", [BookingSerializer, BookingSerializer(many=True)], resource_type_field_name=None, many=False
        ),
        status=201,
        verb=BOOK,
        refusals=BOOK_SEVERAL.refusals,
    )
    def post(self, request: AuthenticatedRequest, show_id: int) -> Response:
        """A 201 is durable: the seat is yours. Of many who want one seat, one gets it. To `seat_number` the answer is
        the booking; to `seat_numbers` and to `best` it is a list of bookings, all or none."""
        arguments = self.arguments()
        if "seat_number" in arguments:
            return self.respond(BookingSerializer, book_seat(show_id=show_id, **arguments))
        self.metric = "book_seats"
        return self.respond(BookingSerializer, book_seats(show_id=show_id, **arguments))


class BookingView(APIView):
    @operation("getBooking", "Get a booking", response=BookingSerializer)
    def get(self, request: AuthenticatedRequest, booking_id: int) -> Response:
        """One's own; somebody else's is `not_found`."""
        bookings = Booking.objects.filter(user=request.user.pk).prefetch_related(
            Prefetch("show", ShowSerializer.get_queryset())
        )
        return Response(BookingSerializer(get_object_or_404(bookings, pk=booking_id)).data)


class CancelView(VerbView):
    @operation("cancelBooking", "Cancel a booking", response=BookingSerializer, verb=CANCEL)
    def post(self, request: AuthenticatedRequest, booking_id: int) -> Response:
        """One's own. The seat is free at once, and the booking stays as history."""
        return self.respond(BookingSerializer, cancel_booking(booking_id=booking_id, **self.arguments()))


class MoveView(VerbView):
    @operation(
        "moveBooking", "Move a booking to another seat", request=MoveSerializer, response=BookingSerializer, verb=MOVE
    )
    def post(self, request: AuthenticatedRequest, booking_id: int) -> Response:
        """One's own, to another seat of the same show. The booking has the one seat or the other at any moment, and
        keeps its id."""
        return self.respond(BookingSerializer, move_booking(booking_id=booking_id, **self.arguments()))


class MyBookingsView(APIView):
    @operation("listMyBookings", "List one's own bookings", query=BookingQuery, response=BookingSerializer(many=True))
    def get(self, request: AuthenticatedRequest) -> Response:
        """A plain array, newest first."""
        query = self.validated_data()
        bookings = (
            Booking.objects.filter(user=request.user.pk)
            .with_status(query.get("status"))
            .upcoming(query.get("upcoming"))
            .order_by(query["ordering"].replace("date_time", "show__date_time"), "-id")
        )
        paginator = LimitOffsetPagination()
        page = paginator.paginate_queryset(bookings, request, view=self)
        return paginator.get_paginated_response(BookingSerializer(page, many=True).data)
