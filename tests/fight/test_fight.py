"""A short fight on the database that the run is about, and next to it one whose seats have lost their guard.

They bring their own servers, and leave the database of the other tests alone.
"""

from collections import Counter

import pytest

from tests.fight.arena import UNGUARDED, arena
from tests.fight.checker import Undecided
from tests.fight.fight import Report, fight
from tests.fight.history import Call

SEED = 20261224


@pytest.mark.only("postgresql")
def test_every_seat_has_a_history_that_can_be_explained_while_all_is_killed() -> None:
    with arena("postgresql") as place:
        report = fight(place, secs=6, clients=8, seed=SEED, pause=(0.2, 0.8), until_all_are_killed=True)
    assert report.ok, report
    assert set(report.kills) == {
        "a worker",
        "the server",
        "PostgreSQL",
        "PostgreSQL amid commits",
        "a PostgreSQL process",
    }
    assert len(report.calls) > 100, report


@pytest.mark.only("sqlite")
def test_every_seat_has_a_history_that_can_be_explained_while_the_service_is_killed() -> None:
    with arena("sqlite") as place:
        report = fight(place, secs=6, clients=8, seed=SEED, pause=(0.2, 0.8), until_all_are_killed=True)
    assert report.ok, report
    assert set(report.kills) == {"a worker", "the server"}
    assert len(report.calls) > 100, report


@pytest.mark.only("postgresql")
def test_a_seat_is_sold_twice_without_the_index() -> None:
    """The table may be right again when the fight is over; the history never is."""
    with arena("postgresql", command=UNGUARDED) as place:
        place.take_the_index_away()
        report = fight(place, secs=4, clients=8, seed=SEED, pause=(60, 60))
    assert report.violations, report


def test_an_undecided_show_is_neither_a_pass_nor_a_violation() -> None:
    report = Report("sqlite", SEED, secs=1, clients=1, calls=[], counts=Counter(), kills=Counter())
    assert report.ok
    report.undecided = [Undecided(7, Call(1, "book", 7, 0), 5000)]
    assert not report.ok
    assert not report.failed
    assert "violations  0\n  undecided   1\n\nShow 7: undecided." in str(report)
