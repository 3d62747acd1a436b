"""The algorithm that selects the best free seats for a party.

Seats are numbered from 1, row by row; row 0 is the one nearest the screen, and the last row may be shorter. Two seats
are adjacent if their numbers follow each other within one row. The order of preference, the first difference deciding:

1. all adjacent, and no single seat left alone: what stays free beside them, at either side, is not exactly one seat;
2. all adjacent;
3. in several parts, for parties that allow it: in rows as close together as can be, then in the fewest parts.

Among equals, the seats nearest to the middle of the row two thirds back, by the sum of their squared distances; then
the lower row; then the lower seat. Nothing is left to chance: the same free seats give the same answer.

With `row` of `rows` and `column` of `seats_per_row`, both counted from 0, that point is (rows - 1) * 2/3 rows back and
(seats_per_row - 1) / 2 seats across, also for a last row that is shorter. To stay with whole numbers, what is summed
is 36 times a seat's squared distance:

    9 * (2 * column - (seats_per_row - 1))**2 + 4 * (3 * row - 2 * (rows - 1))**2
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from itertools import accumulate, chain
from operator import itemgetter

Choice = tuple[int, int, tuple[int, ...]]
"""How many parts, how far in all, which seats: the least is the best."""


def select_seats(
    free: Collection[int], *, total_seats: int, seats_per_row: int, quantity: int, allow_split: bool = False
) -> list[int] | None:
    """Choose the best `quantity` of the free seats, or None.

    `quantity` is 1 or more. `free` names each free seat of the show once, in any order. With `allow_split` there is a
    choice whenever that many seats are free.
    """
    runs = _runs(free, seats_per_row)
    distances = _distances(total_seats, seats_per_row)
    block = _best_block(runs, distances, quantity)
    if block is None and allow_split and quantity <= len(free):
        return _best_parts(runs, distances, seats_per_row, quantity)
    return block


def largest_block(free: Collection[int], *, seats_per_row: int) -> int:
    """Return the length of the longest run of adjacent free seats."""
    return max(map(len, _runs(free, seats_per_row)), default=0)


def _runs(free: Collection[int], seats_per_row: int) -> list[range]:
    """Group the seats into runs of adjacent ones."""
    seats = sorted(free)
    firsts = [seat for before, seat in zip([0, *seats], seats, strict=False) if _is_gap(before, seat, seats_per_row)]
    lasts = [seat for seat, after in zip(seats, [*seats[1:], 0], strict=False) if _is_gap(seat, after, seats_per_row)]
    return [range(first, last + 1) for first, last in zip(firsts, lasts, strict=True)]


def _is_gap(seat: int, following: int, seats_per_row: int) -> bool:
    return following != seat + 1 or seat % seats_per_row == 0


def _distances(total_seats: int, seats_per_row: int) -> list[int]:
    """List the distance of every seat, at the index of its number."""
    rows = -(-total_seats // seats_per_row)
    across = [9 * (2 * column - (seats_per_row - 1)) ** 2 for column in range(seats_per_row)]
    back = [4 * (3 * row - 2 * (rows - 1)) ** 2 for row in range(rows)]
    return [0] + [to_row + to_column for to_row in back for to_column in across]


def _best_block(runs: list[range], distances: list[int], quantity: int) -> list[int] | None:
    up_to = list(accumulate(distances))
    blocks = (
        (
            first - run.start == 1 or run.stop - first - quantity == 1,  # leaves a single seat alone
            up_to[first + quantity - 1] - up_to[first - 1],
            first,
        )
        for run in runs
        for first in range(run.start, run.stop - quantity + 1)
    )
    best = min(blocks, default=None)
    return None if best is None else list(range(best[2], best[2] + quantity))


def _best_parts(runs: list[range], distances: list[int], seats_per_row: int, quantity: int) -> list[int]:
    neighbourhoods = _closest_rows(runs, seats_per_row, quantity)
    bounds = [(_lower_bound(near, distances, quantity), near) for near in neighbourhoods]
    # The best bound first, so that nearly all the others can be skipped: this limits the work in a large hall.
    bounds.sort(key=itemgetter(0))
    best = _best_choice(bounds[0][1], distances, quantity)
    for bound, near in bounds[1:]:
        if bound > best:
            break
        best = min(best, _best_choice(near, distances, quantity))
    return list(best[2])


def _closest_rows(runs: list[range], seats_per_row: int, quantity: int) -> Iterator[list[range]]:
    """Give the runs of each shortest stretch of rows with enough seats."""
    row_of_run = [(run.start - 1) // seats_per_row for run in runs]
    row_of_seat = [row for row, run in zip(row_of_run, runs, strict=True) for _ in run]
    stretches = set(zip(row_of_seat, row_of_seat[quantity - 1 :], strict=False))
    shortest = min(last - first for first, last in stretches)
    for first, last in stretches:
        if last - first == shortest:
            yield runs[bisect_left(row_of_run, first) : bisect_right(row_of_run, last)]


def _lower_bound(runs: list[range], distances: list[int], quantity: int) -> Choice:
    """Give a lower bound of all choices among these runs.

    It has the fewest parts, and the nearest seats in any parts.
    """
    longest_first = sorted(map(len, runs), reverse=True)
    parts = 1 + bisect_left(list(accumulate(longest_first)), quantity)
    nearest = sorted(map(distances.__getitem__, chain.from_iterable(runs)))[:quantity]
    return parts, sum(nearest), ()


def _best_choice(runs: list[range], distances: list[int], quantity: int) -> Choice:
    """Choose the fewest parts, then the nearest seats.

    Seat by seat: `best[n]` is the best choice of n seats so far.
    """
    best: dict[int, Choice] = {0: (0, 0, ())}
    for run in runs:
        ending: dict[int, Choice] = {}  # the best choice of n seats that ends with the seat just passed
        for seat in run:
            begun = {n: (parts + 1, far, chosen) for n, (parts, far, chosen) in best.items() if n < quantity}
            before = {n: min(choice, ending.get(n, choice)) for n, choice in begun.items()}
            ending = {
                n + 1: (parts, far + distances[seat], (*chosen, seat)) for n, (parts, far, chosen) in before.items()
            }
            best |= {n: min(choice, best.get(n, choice)) for n, choice in ending.items()}
    return best[quantity]
