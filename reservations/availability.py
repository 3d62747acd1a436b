"""How many seats of a show are free: reads across shows and their bookings."""

from collections.abc import Iterable
from typing import Any, cast

from django.db.models import Count, F, Func, IntegerField, OuterRef, QuerySet, Subquery

from catalog.models import ShowQuerySet
from reservations.models import Booking


def with_available_seats(shows: ShowQuerySet) -> ShowQuerySet:
    """Add ``available_seats`` to each show: its seats without a live booking, counted as the row is read.

    The count runs over the partial index of live bookings alone. A counter on the show would be read faster, but
    every booking of a hot show would queue to write it.
    """
    # Not Count(), which would bring a GROUP BY and its cost.
    count = Func(function="COUNT", template="%(function)s(*)", output_field=IntegerField())
    sold = Booking.objects.live().order_by().filter(show=OuterRef("pk")).annotate(sold=count).values("sold")
    return shows.annotate(available_seats=F("total_seats") - Subquery(sold, output_field=IntegerField()))


def available(shows: ShowQuerySet, yes: bool | None) -> ShowQuerySet:
    """Keep the shows with a free seat, or those without one; all of them if ``yes`` is None."""
    if yes is None:
        return shows
    counted: QuerySet[Any] = with_available_seats(shows)
    return cast(ShowQuerySet, counted.filter(available_seats__gt=0) if yes else counted.filter(available_seats=0))


def seats_sold(show_ids: Iterable[int]) -> dict[int, int]:
    """Count the live bookings of many shows in one statement; a show without any is left out."""
    live = Booking.objects.live().order_by().filter(show__in=list(show_ids))
    return dict(live.values_list("show").annotate(sold=Count("*")))
