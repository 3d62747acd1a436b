"""The views as the textbook has them: lock the show, count, look for the seat, create."""

from django.db import transaction
from django.db.models import Count, Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import generics, permissions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.baseline.models import Booking, Movie, Show
from bench.baseline.serializers import (
    BookingSerializer,
    BookSeatSerializer,
    CountingShowSerializer,
    JoinedShowSerializer,
    MovieSerializer,
    ShowSerializer,
)


class MoviesView(generics.ListAPIView):
    queryset = Movie.objects.all()
    serializer_class = MovieSerializer


class ShowsView(generics.ListAPIView):
    serializer_class = ShowSerializer

    def get_queryset(self):
        return Show.objects.filter(movie=self.kwargs["movie_id"]).select_related("movie")


class CountingShowsView(ShowsView):
    serializer_class = CountingShowSerializer


class JoinedShowsView(ShowsView):
    serializer_class = JoinedShowSerializer

    def get_queryset(self):
        return super().get_queryset().annotate(sold=Count("bookings", filter=Q(bookings__status="booked")))


class BookView(APIView):
    permission_classes = [permissions.IsAuthenticated]

    def post(self, request: Request, show_id: int) -> Response:
        wanted = BookSeatSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        seat_number = wanted.validated_data["seat_number"]
        with transaction.atomic():
            show = get_object_or_404(Show.objects.select_for_update(), pk=show_id)
            if seat_number > show.total_seats:
                return Response({"error": "There is no such seat."}, status=400)
            live = Booking.objects.filter(show=show, status="booked")
            if live.count() >= show.total_seats:
                return Response({"error": "The show is full."}, status=400)
            if live.filter(seat_number=seat_number).exists():
                return Response({"error": "The seat is already booked."}, status=400)
            booking = Booking.objects.create(user=request.user, show=show, seat_number=seat_number, status="booked")
        return Response(BookingSerializer(booking).data, status=201)


class CancelView(APIView):
    permission_classes = [permissions.IsAuthenticated]

    def post(self, request: Request, booking_id: int) -> Response:
        with transaction.atomic():
            booking = get_object_or_404(Booking.objects.select_for_update(), pk=booking_id, user=request.user)
            if booking.status == "cancelled":
                return Response({"error": "The booking is already cancelled."}, status=400)
            booking.status, booking.cancelled_at = "cancelled", timezone.now()
            booking.save()
        return Response(BookingSerializer(booking).data)


class MyBookingsView(generics.ListAPIView):
    permission_classes = [permissions.IsAuthenticated]
    serializer_class = BookingSerializer

    def get_queryset(self):
        return Booking.objects.filter(user=self.request.user).select_related("show__movie")
