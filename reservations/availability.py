"""How many seats of a show are free: reads across shows and the claims on their seats."""

from collections.abc import Iterable
from typing import Any, cast

from django.db.models import F, Func, IntegerField, OuterRef, QuerySet, Subquery

from catalog.models import Show, ShowQuerySet
from reservations.models import LIVE, Booking, Claim, ClaimQuerySet


def with_available_seats(shows: ShowQuerySet) -> ShowQuerySet:
    """Add ``available_seats`` to each show: its seats that are not booked, held or blocked, counted as the row is read.

    The count runs over the partial index of live claims alone, and another over the few holds among them that have run
    out. A counter on the show would be read faster, but every booking of a hot show would queue to write it.
    """
    claims = Booking.claims.order_by().filter(show=OuterRef("pk"))
    free = F("total_seats") - _count(claims.filter(status__in=LIVE)) + _count(claims.lapsed())
    return shows.annotate(available_seats=free)


def with_sold_seats(shows: ShowQuerySet) -> ShowQuerySet:
    """Add ``sold`` to each show: its live bookings."""
    return shows.annotate(sold=_count(Booking.claims.order_by().filter(show=OuterRef("pk"), status=Claim.BOOKED)))


def available(shows: ShowQuerySet, yes: bool | None) -> ShowQuerySet:
    """Keep the shows with a free seat, or those without one; all of them if ``yes`` is None."""
    if yes is None:
        return shows
    counted: QuerySet[Any] = with_available_seats(shows)
    return cast(ShowQuerySet, counted.filter(available_seats__gt=0) if yes else counted.filter(available_seats=0))


def available_seats_of(show_ids: Iterable[int]) -> dict[int, int]:
    """Count the available seats of many shows in one statement, by the shows' numbers."""
    shows: Any = with_available_seats(Show.objects.filter(pk__in=list(show_ids)))
    return dict(shows.order_by().values_list("pk", "available_seats"))


def _count(claims: ClaimQuerySet) -> Subquery:
    # Not Count(), which would bring a GROUP BY and its cost.
    count = Func(function="COUNT", template="%(function)s(*)", output_field=IntegerField())
    return Subquery(claims.annotate(number=count).values("number"), output_field=IntegerField())
