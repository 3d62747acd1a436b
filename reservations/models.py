"""Claims on seats, with bookings and blocked seats as proxies, and holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from catalog.models import MAX_SEATS, Show, seat_label

MAX_REASON_LENGTH = 200  # characters

C = TypeVar("C", bound="Claim")


class ClaimQuerySet(models.QuerySet[C]):
    def on_seats(self, show_id: int) -> "ClaimQuerySet[C]":
        """Keep the claims that occupy seats of a show."""
        return self.filter(show=show_id, status__in=Claim.LIVE).exclude(status=Claim.Status.HELD, expires_at__lte=Now())

    def expired(self) -> "ClaimQuerySet[C]":
        """Keep the seats of expired holds that nobody has taken over."""
        return self.filter(status=Claim.Status.HELD, expires_at__lte=Now())

    def free(self) -> int:
        """Turn claims into history without a hold; return how many."""
        return self.update(status=Claim.Status.FREED, expires_at=None, hold=None)

    def with_status(self, status: str | None) -> "ClaimQuerySet[C]":
        """Keep the claims of this status, or all (None)."""
        return self if status is None else self.filter(status=status)

    def upcoming(self, is_upcoming: bool | None) -> "ClaimQuerySet[C]":
        """Keep the claims on shows to come, on others, or all (None)."""
        if is_upcoming is None:
            return self
        return self.filter(show__date_time__gt=Now()) if is_upcoming else self.filter(show__date_time__lte=Now())


def protect_bookings(collector: Any, field: Any, claims: Any, using: str) -> None:
    """``on_delete`` of an account: bookings protect it, other claims do not."""
    _protect(claims.filter(status__in=BookingStatus.values), collector, field, claims, using)


def protect_bookings_and_holds(collector: Any, field: Any, claims: Any, using: str) -> None:
    """``on_delete`` of a show: bookings and live holds protect it."""
    protected = models.Q(status__in=BookingStatus.values) | models.Q(status="held", expires_at__gt=Now())
    _protect(claims.filter(protected), collector, field, claims, using)


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
        held = Claim.objects.filter(hold=models.OuterRef("pk"), status=Claim.Status.HELD, expires_at__gt=Now())
        return self.filter(models.Exists(held), released_at=None, show__date_time__gt=Now())

    def first_to_expire(self) -> "HoldQuerySet":
        """Order the holds by when they expire."""
        held = Claim.objects.filter(hold=models.OuterRef("pk"), status=Claim.Status.HELD).order_by("expires_at")
        return self.alias(until=models.Subquery(held.values("expires_at")[:1])).order_by("until", "pk")


class Hold(models.Model):
    """Seats that an account reserves for some minutes before booking them.

    Its claims have the seats and the time of expiry. When it is confirmed, they become bookings.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="holds")
    show = models.ForeignKey(Show, on_delete=models.CASCADE, related_name="holds")
    size = models.PositiveSmallIntegerField(help_text="How many seats it has.")
    created_at = models.DateTimeField("held at", help_text="When the seats were held.")
    released_at = models.DateTimeField(null=True, blank=True, help_text="When they were given back; null if not.")

    objects = HoldQuerySet.as_manager()

    seat_numbers: list[int]
    """Not a column: set by reservations.holds."""
    expires_at: datetime | None
    """Not a column: set by reservations.holds."""

    replayed = False
    """Whether it was stored by an earlier request with the same idempotency key."""

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.size} seat{'s' if self.size > 1 else ''}, {self.show}"

    @property
    def seats(self) -> list[HeldSeat]:
        """Its seats with their labels."""
        return [HeldSeat(number, seat_label(number, self.show.seats_per_row)) for number in self.seat_numbers]


@dataclass
class Released:
    """A hold that was released."""

    hold_id: int
    replayed: bool = False


class BookingStatus(models.TextChoices):
    BOOKED = "booked"
    CANCELLED = "cancelled"


class Claim(models.Model):
    """Who or what occupies, or occupied, a seat of a show.

    All kinds are in one table, so that one unique index keeps a seat from being booked, held and blocked at once.
    """

    class Status(models.TextChoices):
        BOOKED = "booked"
        CANCELLED = "cancelled"
        HELD = "held"
        BLOCKED = "blocked"
        FREED = "freed"
        """History: a seat of a released hold, or one that was unblocked."""

    LIVE = (Status.BOOKED, Status.HELD, Status.BLOCKED)
    """A seat has at most one claim of these; a held one may have expired."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=protect_bookings, related_name="claims", db_index=False
    )
    show = models.ForeignKey(Show, on_delete=protect_bookings_and_holds, related_name="claims", db_index=False)
    seat_number = models.PositiveSmallIntegerField("seat", help_text="1 to the number of seats of the show.")
    status = models.CharField(
        max_length=9, choices=Status.choices, default=Status.BOOKED, help_text="`booked` holds the seat."
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
        max_length=MAX_REASON_LENGTH,
        default="",
        db_default="",
        help_text="Why the seat is not sold; 1 to 200 characters.",
    )
    changed = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="Stamped by triggers: see reservations.seat_maps."
    )

    objects = ClaimQuerySet.as_manager()

    replayed = False
    """Whether it was stored by an earlier request with the same idempotency key."""

    class Meta:
        db_table = "reservations_booking"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["show", "seat_number"],
                condition=models.Q(status__in=["booked", "held", "blocked"]),
                name="seat_has_one_live_claim",
            ),
            models.CheckConstraint(
                condition=models.Q(seat_number__range=(1, MAX_SEATS)), name="seat_number_is_1_to_10000"
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
        """Row and place of the seat, for example B7."""
        return seat_label(self.seat_number, self.show.seats_per_row)


class ProxyManager(models.Manager.from_queryset(ClaimQuerySet)):  # type: ignore[misc]
    """Finds the claims whose status is one of the proxy's."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(status__in=self.model.statuses)


class Booking(Claim):
    """A claim that was sold; a cancelled one stays as history."""

    statuses = BookingStatus.values
    objects = ProxyManager()  # type: ignore[misc]

    class Meta:
        proxy = True
        ordering = ["-created_at", "-id"]


class BlockedSeat(Claim):
    """A seat that is not sold: a house seat, a broken chair."""

    statuses = (Claim.Status.BLOCKED,)
    objects = ProxyManager()  # type: ignore[misc]

    class Meta:
        proxy = True
        ordering = ["show", "seat_number"]

    def __str__(self) -> str:
        return f"{self.label}, {self.show}"


class Bookings(list[Booking]):
    """Bookings that were made together."""

    replayed = False
    """Whether they were stored by an earlier request with the same idempotency key."""
