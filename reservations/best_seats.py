"""The best available seats of shows, and later shows as alternatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from catalog.models import Show, seat_label
from core.database import advisory_lock
from core.errors import Invalid
from reservations.availability import with_available_seats
from reservations.errors import NoAdjacentSeats
from reservations.seat_map import SeatMap, seat_map, seat_maps
from reservations.seat_selection import select_seats

MAX_SEATS_AT_ONCE = 10  # booked, held or searched for in one request
_LATER_SHOWS = 10  # of each movie whose seat maps are searched for alternatives
_ALTERNATIVES = 3


@dataclass(frozen=True)
class BestSeats:
    """Seats with their labels, in ascending order."""

    seat_numbers: list[int]
    labels: list[str]


def best_seats(*, show_id: int, quantity: int, allow_split: bool = False) -> BestSeats:
    """Find the best seats of a show; nobody holds them yet.

    :raises NotFound: there is no such show.
    :raises Invalid: ``quantity`` is not 1 to 10.
    :raises NoAdjacentSeats: there are not that many together or, with ``allow_split``, not that many at all.
    """
    found = best_seats_for_maps([seat_map(show_id=show_id)], quantity=quantity, allow_split=allow_split)[show_id]
    if isinstance(found, NoAdjacentSeats):
        raise found
    return found


def best_seats_for_maps(
    maps: Sequence[SeatMap], *, quantity: int, allow_split: bool
) -> dict[int, BestSeats | NoAdjacentSeats]:
    """Find the best seats of many shows in at most two statements.

    :raises Invalid: ``quantity`` is not 1 to 10.
    """
    validate_quantity(quantity, name="quantity")
    found: dict[int, BestSeats | NoAdjacentSeats] = {}
    without: list[SeatMap] = []
    for each in maps:
        total_seats, seats_per_row = each.show.total_seats, each.show.seats_per_row
        numbers = select_seats(
            each.free, total_seats=total_seats, seats_per_row=seats_per_row, quantity=quantity, allow_split=allow_split
        )
        if numbers:
            found[each.show.pk] = BestSeats(numbers, [seat_label(number, seats_per_row) for number in numbers])
        else:
            without.append(each)
    later = _later_shows_with(quantity, [each.show for each in without])
    for each in without:
        alternatives = [
            show for show in later if show.movie_id == each.show.movie_id and show.date_time > each.show.date_time
        ]
        found[each.show.pk] = NoAdjacentSeats(
            largest_block=each.summary.largest_block,
            alternatives=[_alternative(show) for show in alternatives[:_ALTERNATIVES]],
        )
    return found


def validate_quantity(quantity: int, *, name: str) -> None:
    if not 1 <= quantity <= MAX_SEATS_AT_ONCE:
        raise Invalid(errors={name: [f"1 to {MAX_SEATS_AT_ONCE} seats."]})


def validate_seat_selection(seat_numbers: Sequence[int] | None, best: int | None) -> None:
    """Check that a request selects 1 to 10 seats in one way.

    :raises Invalid: not exactly one of the two is given, there are not 1 to 10 seats, or one is named twice.
    """
    if (seat_numbers is None) == (best is None):
        raise Invalid(errors={"non_field_errors": ["Send exactly one of seat_numbers and best."]})
    if best is not None:
        validate_quantity(best, name="best")
    if seat_numbers is not None:
        validate_seat_numbers(seat_numbers, most=MAX_SEATS_AT_ONCE)


def validate_seat_numbers(seat_numbers: Sequence[int], *, most: int) -> None:
    """Check that a request names different seats, and not too many.

    :raises Invalid: there are not 1 to ``most`` seats, or one is named twice.
    """
    if not 1 <= len(seat_numbers) <= most or len({*seat_numbers}) < len(seat_numbers):
        raise Invalid(errors={"seat_numbers": [f"1 to {most} different seats."]})


def lock_selection(show_id: int) -> None:
    """Lock the selection of a show's best seats until the transaction ends.

    Rivals would select the same.
    """
    advisory_lock(-1, show_id)  # no account has this id


def _later_shows_with(quantity: int, shows: Sequence[Show]) -> list[Show]:
    """Find later shows of the same movies with that many seats together."""
    if not shows:
        return []
    since = max(timezone.now(), min(show.date_time for show in shows))
    movies = {show.movie_id for show in shows}
    later: Any = with_available_seats(Show.objects.filter(movie__in=movies, date_time__gt=since))
    later = later.filter(available_seats__gte=quantity).order_by("date_time", "id")[: _LATER_SHOWS * len(movies)]
    maps = seat_maps(later)
    return [show for show in later if show.pk in maps and maps[show.pk].summary.largest_block >= quantity]


def _alternative(show: Show) -> dict[str, Any]:
    instant = show.date_time.isoformat().replace("+00:00", "Z")
    return {"id": show.pk, "screen_name": show.screen_name, "date_time": instant}
