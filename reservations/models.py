"""Claims on seats: bookings, held seats and blocked ones. The QuerySet methods are the reads that both doors share."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from catalog.models import MOST_SEATS, Show, seat_label

LONGEST_REASON = 200  # characters


class Claim(models.TextChoices):
    """What a row of the table says of its seat."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    HELD = "held"
    BLOCKED = "blocked"
    FREED = "freed"
    """History: the seat of a hold that was released, one that was unblocked, one that a booking moved away from."""


LIVE = [Claim.BOOKED, Claim.HELD, Claim.BLOCKED]
"""A seat has at most one claim of these."""


class ClaimQuerySet(models.QuerySet["Booking"]):
    def on_seats(self, show_id: int) -> "ClaimQuerySet":
        """Keep what stands on the seats of a show: no history, and no hold that has run out."""
        return self.filter(show=show_id, status__in=LIVE).exclude(status=Claim.HELD, expires_at__lte=Now())

    def lapsed(self) -> "ClaimQuerySet":
        """Keep the seats whose hold has run out, and which nobody has taken since."""
        return self.filter(status=Claim.HELD, expires_at__lte=Now())

    def free(self) -> int:
        """Make them history that belongs to no hold, and tell how many there were."""
        return self.update(status=Claim.FREED, expires_at=None, hold=None)


class BookingQuerySet(models.QuerySet["Booking"]):
    def live(self) -> "BookingQuerySet":
        """Keep the bookings that have their seat."""
        return self.filter(status=Booking.Status.BOOKED)

    def with_status(self, status: str | None) -> "BookingQuerySet":
        """Keep the bookings of this status; all of them if it is None."""
        return self if status is None else self.filter(status=status)

    def upcoming(self, yes: bool | None) -> "BookingQuerySet":
        """Keep the bookings of shows to come, or of those that have begun; all of them if it is None."""
        if yes is None:
            return self
        return self.filter(show__date_time__gt=Now()) if yes else self.filter(show__date_time__lte=Now())


class BookingManager(models.Manager.from_queryset(BookingQuerySet)):  # type: ignore[misc]
    """Sees bookings alone, live and cancelled."""

    def get_queryset(self) -> BookingQuerySet:
        bookings: BookingQuerySet = super().get_queryset().filter(status__in=Booking.Status.values)
        return bookings


class BlockedSeatManager(models.Manager["BlockedSeat"]):
    """Sees blocked seats alone."""

    def get_queryset(self) -> models.QuerySet["BlockedSeat"]:
        return super().get_queryset().filter(status=Claim.BLOCKED)


def protect_bookings(collector: Any, field: Any, claims: Any, using: str) -> None:
    """Protect bookings; what else stands, or stood, on a seat goes with its account."""
    _protect(claims.filter(status__in=Booking.Status.values), collector, field, claims, using)


def protect_bookings_and_holds(collector: Any, field: Any, claims: Any, using: str) -> None:
    """Protect bookings and live holds; blocked seats and history go with their show."""
    someones = models.Q(status__in=Booking.Status.values) | models.Q(status=Claim.HELD, expires_at__gt=Now())
    _protect(claims.filter(someones), collector, field, claims, using)


def _protect(protected: Any, collector: Any, field: Any, claims: Any, using: str) -> None:
    if protected:
        models.PROTECT(collector, field, protected, using)
    models.CASCADE(collector, field, claims, using)


@dataclass(frozen=True)
class HeldSeat:
    """A seat of a hold."""

    seat_number: int
    label: str


class HoldQuerySet(models.QuerySet["Hold"]):
    def live(self) -> "HoldQuerySet":
        """Keep the holds that can be confirmed."""
        held = Booking.claims.filter(hold=models.OuterRef("pk"), status=Claim.HELD, expires_at__gt=Now())
        return self.filter(models.Exists(held), released_at=None, show__date_time__gt=Now())

    def first_to_run_out(self) -> "HoldQuerySet":
        """Order them by the time that is left."""
        held = Booking.claims.filter(hold=models.OuterRef("pk"), status=Claim.HELD).order_by("expires_at")
        return self.alias(until=models.Subquery(held.values("expires_at")[:1])).order_by("until", "pk")


class Hold(models.Model):
    """Seats that are kept for somebody who is about to book them.

    When it runs out is told by its claims, whose seats it keeps; how many there were, by its size. Once it is confirmed
    they are bookings. Rows are written by reservations.holds, and by nothing else.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="holds")
    show = models.ForeignKey(Show, on_delete=models.CASCADE, related_name="holds")
    size = models.PositiveSmallIntegerField(help_text="How many seats it has.")
    created_at = models.DateTimeField("held at", help_text="When the seats were held.")
    released_at = models.DateTimeField(null=True, blank=True, help_text="When they were given back; null if not.")

    objects = HoldQuerySet.as_manager()

    seat_numbers: list[int]
    """The seats that it keeps; set by whoever gives the hold."""
    expires_at: datetime | None
    """When it runs out; set by whoever gives the hold."""

    replayed = False
    """Whether it is the answer to an earlier request with the same idempotency key."""

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.size} seat{'s' if self.size > 1 else ''}, {self.show}"

    @property
    def seats(self) -> list[HeldSeat]:
        """The seats that it keeps, by number and by name."""
        return [HeldSeat(number, seat_label(number, self.show.seats_per_row)) for number in self.seat_numbers]


@dataclass
class Released:
    """A hold that was given back."""

    hold_id: int
    replayed: bool = False


class Booking(models.Model):
    """A seat of a show that somebody has, or had: a cancelled booking stays, and never comes back to life.

    The table has all claims on seats, so that one unique index keeps a seat from being booked, held and blocked at the
    same time: ``objects`` sees the bookings among them, ``claims`` sees all. Rows are written by reservations.booking,
    .holding and .scheduling, and by nothing else.
    """

    class Status(models.TextChoices):
        BOOKED = "booked"
        CANCELLED = "cancelled"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=protect_bookings, related_name="bookings", db_index=False
    )
    show = models.ForeignKey(Show, on_delete=protect_bookings_and_holds, related_name="bookings", db_index=False)
    seat_number = models.PositiveSmallIntegerField("seat", help_text="1 to the number of seats of the show.")
    status = models.CharField(
        max_length=9, choices=Claim.choices, default=Claim.BOOKED, help_text="`booked` holds the seat."
    )
    created_at = models.DateTimeField("booked at", help_text="When the seat was booked.")
    cancelled_at = models.DateTimeField(null=True, blank=True, help_text="When it was cancelled; null if it was not.")
    hold = models.ForeignKey(
        Hold,
        null=True,
        on_delete=models.SET_NULL,
        related_name="claims",
        db_index=False,
        help_text="The hold that keeps the seat, or kept it until it was booked.",
    )
    expires_at = models.DateTimeField(null=True, help_text="When the hold runs out, by the database's clock.")
    reason = models.CharField(
        max_length=LONGEST_REASON, default="", db_default="", help_text="Why the seat is not sold; 1 to 200 characters."
    )
    changed = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="Stamped by triggers: see reservations.seat_maps."
    )

    objects = BookingManager()
    claims = ClaimQuerySet.as_manager()

    replayed = False
    """Whether it is the answer to an earlier request with the same idempotency key."""

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["show", "seat_number"],
                condition=models.Q(status__in=LIVE),
                name="seat_has_one_live_claim",
            ),
            models.CheckConstraint(
                condition=models.Q(seat_number__range=(1, MOST_SEATS)), name="seat_number_is_1_to_10000"
            ),
            models.CheckConstraint(
                condition=models.Q(status="booked", user__isnull=False, cancelled_at=None, expires_at=None)
                | models.Q(status="cancelled", user__isnull=False, cancelled_at__isnull=False)
                | models.Q(status="held", user__isnull=False, hold__isnull=False, expires_at__isnull=False)
                | models.Q(status="blocked", user=None)
                | models.Q(status="freed"),
                name="claim_has_what_its_status_needs",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="bookings_of_a_user"),
            models.Index(fields=["show", "changed"], name="claims_by_their_last_change"),
            models.Index(fields=["show", "expires_at"], condition=models.Q(status="held"), name="held_seats_of_a_show"),
            models.Index(fields=["hold"], condition=models.Q(hold__isnull=False), name="claims_of_a_hold"),
        ]

    def __str__(self) -> str:
        return f"Seat {self.seat_number}, {self.show}"

    @property
    def label(self) -> str:
        """The row and the place there, as B7."""
        return seat_label(self.seat_number, self.show.seats_per_row)


class Bookings(list[Booking]):
    """Bookings that were made together."""

    replayed = False
    """Whether they are the answer to an earlier request with the same idempotency key."""


class BlockedSeat(Booking):
    """A seat that is not sold: a house seat, a broken chair."""

    objects = BlockedSeatManager()  # type: ignore[misc,assignment]

    class Meta:
        proxy = True
        ordering = ["show", "seat_number"]

    def __str__(self) -> str:
        return f"{self.label}, {self.show}"
