"""What the application is to reach, and whether it did."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from bench.entries import (
    COUNTED,
    GRAPHQL,
    GRAPHQL_PAGE,
    JOINED,
    LIBRARY_PAGE,
    LIMIT,
    MANY_SHOWS,
    PAGES,
    PERSISTENT,
    PUBLISHED,
    REST,
    REST_PAGE,
    UNCHANGED,
)
from bench.growth import GROWTH, SIZES
from bench.measure import Figures
from bench.premiere import FIRST, LAST
from bench.seats import MAP, MAP_GRAPHQL, SHOW, SHOW_GRAPHQL
from bench.watching import UNWATCHED, WATCHED


@dataclass(frozen=True)
class Goal:
    words: str
    asked: float
    reached: float | None
    """None where it was not measured."""
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.reached is None:
            return None
        return self.reached <= self.asked if self.at_most else self.reached >= self.asked


def judge(figures: list[Figures]) -> list[Goal]:
    """Judge the goals of the scenarios that were measured; each is a ratio of rounds taken in turn."""
    measured = {figure.scenario.name: figure for figure in figures}
    return [goal for name, its_goals in _GOALS.items() if name in measured for goal in its_goals(measured[name])]


def _many(figures: Figures) -> Iterator[Goal]:
    yield Goal("bookings over many shows, to the baseline as published", 10, figures.ratio(REST, PUBLISHED))
    yield Goal("bookings over many shows, to the persistent baseline", 4, figures.ratio(REST, PERSISTENT))
    yield Goal("bookings over many shows, of the limit", 0.3, figures.ratio(REST, LIMIT))
    yield Goal("bookings over GraphQL, to REST", 0.6, figures.ratio(GRAPHQL, REST))


def _hot(figures: Figures) -> Iterator[Goal]:
    yield Goal("bookings of a hot show by 64, to many shows", 0.8, figures.ratio(REST, MANY_SHOWS))
    spread = median(turn.p99 / turn.p50 for turn in figures.turns[REST])
    yield Goal("bookings of a hot show by 64, p99 to p50", 5, spread, at_most=True)


def _refusals(what: str) -> Callable[[Figures], Iterator[Goal]]:
    def goals(figures: Figures) -> Iterator[Goal]:
        yield Goal(f"refusals, {what}, to bookings", 1, figures.ratio(REST, MANY_SHOWS))

    return goals


def _every(figures: Figures) -> Iterator[Goal]:
    yield Goal("every seat wanted by 64, to the baseline as published", 4, figures.ratio(REST, PUBLISHED))
    faults = figures.faults[REST] + figures.faults[GRAPHQL]
    yield Goal("every seat wanted by 64, answers of 5xx", 0, faults, at_most=True)


def _movies(figures: Figures) -> Iterator[Goal]:
    yield Goal("1,000 films, to the baseline as published", 15, figures.ratio(REST, PUBLISHED))
    yield Goal("1,000 films unchanged, to the baseline as published", 24, figures.ratio(UNCHANGED, PUBLISHED))
    yield from _over_graphql("films", figures)


def _shows(figures: Figures) -> Iterator[Goal]:
    yield Goal("200 shows, to a count a show", 30, figures.ratio(REST, COUNTED))
    yield Goal("200 shows, to a joined Count", 4, figures.ratio(REST, JOINED))
    yield from _over_graphql("shows", figures)


def _mine(figures: Figures) -> Iterator[Goal]:
    yield Goal("my 200 bookings, to the baseline as published", 4, figures.ratio(REST, PUBLISHED))
    yield from _over_graphql("my bookings", figures)


def _over_graphql(what: str, figures: Figures) -> Iterator[Goal]:
    for size in PAGES:
        # Of as many clients each, so that rates are times turned round.
        time = figures.ratio(REST_PAGE[size], GRAPHQL_PAGE[size])
        yield Goal(f"{size} {what} over GraphQL, time to REST", 3, time, at_most=True)
        faster = figures.ratio(GRAPHQL_PAGE[size], LIBRARY_PAGE[size])
        yield Goal(f"{size} {what} over GraphQL, to the library at its best", 2 if size == 100 else 1.5, faster)


def _map(figures: Figures) -> Iterator[Goal]:
    time = figures.ratio(SHOW, MAP)
    yield Goal("map of 300 seats, time to the show alone", 2, time, at_most=True)
    time = figures.ratio(SHOW_GRAPHQL, MAP_GRAPHQL)
    yield Goal("map of 300 seats over GraphQL, time to the show alone", 2, time, at_most=True)


def _watched(figures: Figures) -> Iterator[Goal]:
    yield Goal("bookings that 1,000 watch, to bookings that nobody does", 0.9, figures.ratio(WATCHED, UNWATCHED))


def _premiere(figures: Figures) -> Iterator[Goal]:
    goal = "bookings of a premiere, analysed before it: the end to the beginning"
    yield Goal(goal, 0.9, figures.ratio(LAST, FIRST))


def _growth(figures: Figures) -> Iterator[Goal]:
    smallest, *_, largest = SIZES
    slower = figures.ratio(smallest, largest)
    yield Goal(f"{figures.scenario.title}: {largest} to {smallest}", 1.3, slower, at_most=True)


_GOALS = {
    "many": _many,
    "hot64": _hot,
    "same": _refusals("a seat that is taken"),
    "soldout": _refusals("a show that is sold out"),
    "every": _every,
    "movies": _movies,
    "shows": _shows,
    "mine": _mine,
    "map": _map,
    "watched": _watched,
    "premiere": _premiere,
    **dict.fromkeys((scenario.name for scenario in GROWTH), _growth),
}
