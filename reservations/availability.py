"""How many seats of shows are available or sold."""

from collections.abc import Iterable
from typing import Any, cast

from django.db.models import F, Func, IntegerField, QuerySet

from catalog.models import Show, ShowQuerySet


class _Count(Func):
    """A count of claims as a correlated subquery, written as text.

    A partial index is used by a prepared statement only if its condition is a constant of the statement and not a
    parameter. A Count() would add a GROUP BY and its cost.
    """

    output_field = IntegerField()

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, now: str = "statement_timestamp()", **options: Any
    ) -> tuple[str, list[Any]]:
        names = ("show", "seats")
        (show, _), (seats, _) = (compiler.compile(expression) for expression in self.source_expressions)
        return self.template.format(**dict(zip(names, (show, seats), strict=True)), now=now), []

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        return self.as_sql(compiler, connection, now="strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')")


class AvailableSeats(_Count):
    """The seats of a show that are not booked, held or blocked, by its id and ``total_seats``.

    Counted from the partial index of live claims. A counter column on the show would be read faster, but the bookings
    of a hot show would queue to write it.
    """

    template = """(
        {seats}
        - (SELECT count(*) FROM reservations_booking WHERE show_id = {show} AND status IN ('booked', 'held', 'blocked'))
        + (SELECT count(*) FROM reservations_booking WHERE show_id = {show} AND status = 'held' AND expires_at <= {now})
    )"""


class _SoldSeats(_Count):
    """The live bookings of a show, by its id."""

    template = "(SELECT count(*) FROM reservations_booking WHERE show_id = {show} AND status = 'booked')"


def with_available_seats(shows: ShowQuerySet) -> ShowQuerySet:
    """Add ``available_seats`` to each show: its seats that are not booked, held or blocked."""
    return shows.annotate(available_seats=AvailableSeats(F("id"), F("total_seats")))


def with_sold_seats(shows: ShowQuerySet) -> ShowQuerySet:
    """Add ``sold`` to each show: its live bookings."""
    return shows.annotate(sold=_SoldSeats(F("id"), F("total_seats")))


def available(shows: ShowQuerySet, is_available: bool | None) -> ShowQuerySet:
    """Keep the shows with an available seat, or those without one; all of them if it is None."""
    if is_available is None:
        return shows
    counted: QuerySet[Any] = with_available_seats(shows)
    matching = counted.filter(available_seats__gt=0) if is_available else counted.filter(available_seats=0)
    return cast(ShowQuerySet, matching)


def available_seats_of(show_ids: Iterable[int]) -> dict[int, int]:
    """Count the available seats of many shows in one statement, by show id."""
    ids = list(show_ids)
    if not ids:
        return {}
    shows: Any = with_available_seats(Show.objects.filter(pk__in=ids))
    return dict(shows.order_by().values_list("pk", "available_seats"))
