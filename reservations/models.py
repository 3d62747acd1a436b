"""Bookings; the QuerySet methods are the reads that both doors share."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from catalog.models import MOST_SEATS, Show


class BookingQuerySet(models.QuerySet["Booking"]):
    def live(self) -> "BookingQuerySet":
        """Keep the bookings that hold their seat."""
        return self.filter(status=Booking.Status.BOOKED)

    def with_status(self, status: str | None) -> "BookingQuerySet":
        """Keep the bookings of this status; all of them if it is None."""
        return self if status is None else self.filter(status=status)

    def upcoming(self, yes: bool | None) -> "BookingQuerySet":
        """Keep the bookings of shows to come, or of those that have begun; all of them if it is None."""
        if yes is None:
            return self
        return self.filter(show__date_time__gt=Now()) if yes else self.filter(show__date_time__lte=Now())


class Booking(models.Model):
    """A seat of a show that somebody has, or had: a cancelled booking stays, and never comes back to life.

    Rows are written by reservations.booking, and by nothing else.
    """

    class Status(models.TextChoices):
        BOOKED = "booked"
        CANCELLED = "cancelled"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bookings", db_index=False
    )
    show = models.ForeignKey(Show, on_delete=models.PROTECT, related_name="bookings", db_index=False)
    seat_number = models.PositiveSmallIntegerField("seat", help_text="1 to the number of seats of the show.")
    status = models.CharField(
        max_length=9, choices=Status.choices, default=Status.BOOKED, help_text="`booked` holds the seat."
    )
    created_at = models.DateTimeField("booked at", help_text="When the seat was booked.")
    cancelled_at = models.DateTimeField(null=True, blank=True, help_text="When it was cancelled; null if it was not.")

    objects = BookingQuerySet.as_manager()

    replayed = False
    """Whether it is the answer to an earlier request with the same idempotency key."""

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["show", "seat_number"],
                condition=models.Q(status="booked"),
                name="seat_has_one_live_booking",
            ),
            models.CheckConstraint(
                condition=models.Q(seat_number__range=(1, MOST_SEATS)), name="seat_number_is_1_to_10000"
            ),
            models.CheckConstraint(
                condition=models.Q(status="booked", cancelled_at=None)
                | models.Q(status="cancelled", cancelled_at__isnull=False),
                name="booking_is_cancelled_at_a_time_or_not_at_all",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="bookings_of_a_user"),
            models.Index(fields=["show"], name="bookings_of_a_show"),
        ]

    def __str__(self) -> str:
        return f"Seat {self.seat_number}, {self.show}"
