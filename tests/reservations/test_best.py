"""The chooser of the best seats, held against every choice there is."""

from fractions import Fraction
from itertools import combinations, pairwise, takewhile
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reservations.seat_selection import largest_block, select_seats


class Hall(NamedTuple):
    free: set[int]
    total_seats: int
    seats_per_row: int

    def best(self, quantity: int, *, allow_split: bool = False) -> list[int] | None:
        return select_seats(**self._asdict(), quantity=quantity, allow_split=allow_split)

    def adjacent(self, seat: int, following: int) -> bool:
        return following == seat + 1 and self.row(seat) == self.row(following)

    def row(self, seat: int) -> int:
        return (seat - 1) // self.seats_per_row


def drawn(*rows: str) -> Hall:
    """Read a hall from a drawing, the row nearest the screen first: `.` is a free seat, `x` one that is not."""
    seats = "".join(rows)
    free = {number for number, seat in enumerate(seats, 1) if seat == "."}
    return Hall(free, total_seats=len(seats), seats_per_row=len(rows[0]))


class TestSeatsTogether:
    def test_are_in_the_middle_two_thirds_back(self) -> None:
        assert drawn(*["......."] * 7).best(3) == [31, 32, 33]  # the fifth row of seven

    def test_leave_no_single_seat_alone(self) -> None:
        assert drawn("x.....x").best(2) == [2, 3]  # 3 and 4 are nearer to the middle, and leave 2 alone

    def test_are_anywhere_else_rather_than_leave_one_alone(self) -> None:
        assert drawn("..xxxxxxx", "xxx...xxx", "xxx...xxx", "xxx...xxx").best(2) == [1, 2]

    def test_may_leave_two_seats_beside_them(self) -> None:
        assert drawn("xx......xx").best(2) == [5, 6]

    def test_leave_a_single_seat_alone_where_they_must(self) -> None:
        assert drawn("...", "xxx").best(2) == [1, 2]

    def test_do_not_care_for_a_single_seat_in_the_next_row(self) -> None:
        assert drawn("..xx", "xxxx", "xx..", ".xxx").best(2) == [11, 12]

    def test_do_not_reach_round_the_end_of_a_row(self) -> None:
        assert drawn("xx..", "..xx").best(3) is None

    def test_are_in_the_lower_row_at_equal_distance(self) -> None:
        assert drawn("xxx", "...", "xxx", "...").best(3) == [4, 5, 6]  # two thirds back is the third row

    def test_have_the_lower_numbers_at_equal_distance(self) -> None:
        assert drawn(".......").best(2) == [3, 4]

    def test_look_for_the_middle_of_a_full_row_in_a_last_row_that_is_shorter(self) -> None:
        assert drawn("xxxxxxxxx", "......").best(2) == [14, 15]

    def test_of_one_are_one_seat_that_leaves_two(self) -> None:
        assert drawn("...", "...", "...", "...").best(1) == [7]

    @pytest.mark.parametrize(
        "hall", [drawn("xxx", "xxx"), drawn("x.x", "x.x"), drawn(".x.", ".x."), drawn("xx.", ".xx")]
    )
    def test_are_none_where_there_is_no_such_block(self, hall: Hall) -> None:
        assert hall.best(2) is None


class TestSeatsInParts:
    def test_are_for_whom_no_block_is_left(self) -> None:
        hall = drawn("...xx", "xxxxx", ".x.x.")
        assert hall.best(3, allow_split=True) == [1, 2, 3]
        assert hall.best(4, allow_split=True) == [1, 2, 3, 13]

    def test_are_in_one_row_before_they_are_in_few_parts(self) -> None:
        assert drawn(".x.x.", "xxxxx", "..xxx", "..xxx").best(3, allow_split=True) == [1, 3, 5]

    def test_are_in_rows_that_follow_each_other(self) -> None:
        assert drawn("..", "xx", "..", "..", "xx", "..").best(3, allow_split=True) == [5, 7, 8]

    def test_are_in_few_parts_before_they_are_near(self) -> None:
        assert drawn("..x.x..").best(4, allow_split=True) == [1, 2, 6, 7]

    def test_are_near_and_then_low(self) -> None:
        assert drawn("..x..", "..x..").best(3, allow_split=True) == [6, 7, 9]

    @pytest.mark.parametrize(("lower", "higher", "rows"), [(1, 3, 4), (2, 6, 7), (3, 5, 7)])
    def test_are_in_the_lower_row_at_equal_distance(self, lower: int, higher: int, rows: int) -> None:
        hall = drawn(*[".x." if row in (lower, higher) else "xxx" for row in range(rows)])
        assert hall.best(2, allow_split=True) == [3 * lower + 1, 3 * lower + 3]

    def test_may_be_elsewhere_than_the_nearest_single_ones(self) -> None:
        hall = drawn("xxxxxxx", "x..x..x", "xxxxxxx", "..x.x..", "xxxxxxx")
        assert hall.best(4, allow_split=True) == [9, 10, 12, 13]

    def test_are_found_while_enough_are_free(self) -> None:
        hall = drawn(".xx", "xxx", "xx.")
        assert hall.best(2, allow_split=True) == [1, 9]
        assert hall.best(3, allow_split=True) is None


class TestAnyHall:
    """The published order of preference, asked of every choice of a little hall."""

    @settings(max_examples=1500, deadline=None)
    @given(st.data(), st.booleans())
    def test_gives_the_best_of_all_choices(self, data: st.DataObject, allow_split: bool) -> None:
        hall = data.draw(halls())
        quantity = data.draw(st.integers(1, 5))
        choices = map(list, combinations(sorted(hall.free), quantity))
        allowed = [choice for choice in choices if allow_split or parts(hall, choice) == 1]
        expected = min(allowed, key=lambda choice: preference(hall, choice), default=None)
        assert hall.best(quantity, allow_split=allow_split) == expected

    @settings(deadline=None)
    @given(st.data(), st.randoms(use_true_random=False))
    def test_gives_the_same_whatever_the_free_seats_come_as(self, data: st.DataObject, random: Random) -> None:
        hall = data.draw(halls())
        shuffled = random.sample(sorted(hall.free), len(hall.free))
        answers = [
            (
                hall._replace(free=free).best(3, allow_split=True),  # type: ignore[arg-type]
                largest_block(free, seats_per_row=hall.seats_per_row),
            )
            for free in (hall.free, sorted(hall.free), shuffled, tuple(shuffled), frozenset(shuffled))
        ]
        assert answers == answers[:1] * len(answers)

    @settings(deadline=None)
    @given(st.data())
    def test_has_the_largest_block_that_can_be_had(self, data: st.DataObject) -> None:
        hall = data.draw(halls())
        blocks = (1 + left_free(hall, seat, +1) for seat in hall.free)
        assert largest_block(hall.free, seats_per_row=hall.seats_per_row) == max(blocks, default=0)


@st.composite
def halls(draw: st.DrawFn) -> Hall:
    """Draw a small hall in any state, or a longer one that is nearly sold out."""
    seats_per_row = draw(st.integers(1, 6))
    if draw(st.booleans()):
        total_seats = draw(st.integers(1, 14))
        seats = draw(st.lists(st.booleans(), min_size=total_seats, max_size=total_seats))
        free = {number for number, is_free in enumerate(seats, 1) if is_free}
    else:
        total_seats = draw(st.integers(15, 60))
        free = draw(st.sets(st.integers(1, total_seats), max_size=11))
    return Hall(free, total_seats, seats_per_row)


def preference(hall: Hall, choice: list[int]) -> tuple[bool, bool, int, int, Fraction, list[int]]:
    """Say how far a choice is from what one would like best, the published order word by word."""
    rows = [hall.row(seat) for seat in choice]
    split = parts(hall, choice) > 1
    return (
        split,
        not split and 1 in (left_free(hall, choice[0], -1), left_free(hall, choice[-1], +1)),
        rows[-1] - rows[0],
        parts(hall, choice),
        sum((distance(hall, seat) for seat in choice), Fraction()),
        choice,
    )


def parts(hall: Hall, choice: list[int]) -> int:
    return 1 + sum(not hall.adjacent(seat, following) for seat, following in pairwise(choice))


def left_free(hall: Hall, seat: int, step: int) -> int:
    """Count the free seats that follow on this side of the seat, in its row."""
    beside = range(seat + step, seat + step * hall.seats_per_row, step)
    return len(list(takewhile(lambda other: other in hall.free and hall.row(other) == hall.row(seat), beside)))


def distance(hall: Hall, seat: int) -> Fraction:
    """Square how far the seat is from the middle of the row two thirds back."""
    last_row = hall.row(hall.total_seats)
    across = (seat - 1) % hall.seats_per_row - Fraction(hall.seats_per_row - 1, 2)
    back = hall.row(seat) - Fraction(2, 3) * last_row
    return across**2 + back**2
