"""How many seats of shows are available or sold."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Func, IntegerField
from django.db.models.functions import Now

from catalog.models import Show, ShowQuerySet


class AvailableSeats(Func):
    """Counts the seats of a show that can be booked.

    Counted from the partial index of live claims. A counter column on the show would be read faster, but the bookings
    of a hot show would queue to write it. The statement is text: a prepared one uses a partial index only if the
    index's condition is a constant and not a parameter, and a Count() would add a GROUP BY and its cost.
    """

    output_field = IntegerField()
    template = """(
        {seats}
        - (SELECT count(*) FROM reservations_booking WHERE show_id = {show} AND status IN ('booked', 'held', 'blocked'))
        + (SELECT count(*) FROM reservations_booking WHERE show_id = {show} AND status = 'held' AND expires_at <= {now})
    )"""

    def as_sql(self, compiler: Any, connection: Any, **options: Any) -> Any:  # type: ignore[override]
        show, seats, now = (compiler.compile(expression)[0] for expression in self.source_expressions)
        return self.template.format(show=show, seats=seats, now=now), []


class SoldSeats(Func):
    """Counts the live bookings of a show, by its id."""

    output_field = IntegerField()
    template = "(SELECT count(*) FROM reservations_booking WHERE show_id = %(expressions)s AND status = 'booked')"


def with_available_seats(shows: ShowQuerySet) -> ShowQuerySet:
    """Add ``available_seats`` to each show."""
    return shows.annotate(available_seats=AvailableSeats("pk", "total_seats", Now()))


def available(shows: ShowQuerySet, is_available: bool | None) -> ShowQuerySet:
    """Keep the shows with an available seat, without one, or all (None)."""
    if is_available is None:
        return shows
    counted: Any = with_available_seats(shows)
    return counted.filter(available_seats__gt=0) if is_available else counted.filter(available_seats=0)  # type: ignore[no-any-return]


def available_seats_of(show_ids: Iterable[int]) -> dict[int, int]:
    """Count the available seats of many shows, by show id."""
    ids = list(show_ids)
    if not ids:
        return {}
    shows: Any = with_available_seats(Show.objects.filter(pk__in=ids))
    return dict(shows.order_by().values_list("pk", "available_seats"))
