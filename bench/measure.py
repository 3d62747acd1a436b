"""One scenario: its contestants in turn, round after round, with the processors' time and what was right."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.contestants import Arena, Site
from bench.entries import COUNTED, LIMIT, PERSISTENT, PUBLISHED, Entry, Scenario
from bench.load import Tally

R = TypeVar("R")

WARM_UP = 0.3  # seconds, before the first round


@dataclass(frozen=True)
class Turn:
    """What one contestant did in one round."""

    rate: float
    """A second."""
    p50: float
    """Milliseconds, as p99 is."""
    p99: float
    application: float
    """Cores used, as those of the database are."""
    database: float


@dataclass
class Figures:
    """What all contestants of a scenario did."""

    scenario: Scenario
    turns: dict[str, list[Turn]]
    answers: dict[str, Counter[str]]
    faults: Counter[str] = field(default_factory=Counter)
    """Answers of 500 and above."""

    @property
    def published(self) -> str:
        """Name the published service's own way; for the free seats of shows it has three, of which this is one."""
        return COUNTED if COUNTED in self.turns else PUBLISHED

    def median(self, contestant: str, what: str = "rate") -> float:
        return statistics.median(getattr(turn, what) for turn in self.turns[contestant])

    def ratio(self, contestant: str, other: str) -> float | None:
        """Give how often the other's rate is in the contestant's: the median of the rounds' ratios."""
        if contestant not in self.turns or other not in self.turns:
            return None
        pairs = zip(self.turns[contestant], self.turns[other], strict=True)
        ratios = [one.rate / another.rate for one, another in pairs if another.rate]
        return statistics.median(ratios) if ratios else None

    def rows(self) -> list[dict[str, Any]]:
        """Tell each contestant's figures by name."""
        return [
            {
                "contestant": name,
                "a_second": self.median(name),
                "p50_ms": self.median(name, "p50"),
                "p99_ms": self.median(name, "p99"),
                "application_cores": self.median(name, "application"),
                "database_cores": self.median(name, "database"),
                "to_published": self.ratio(name, self.published),
                "to_persistent": self.ratio(name, PERSISTENT),
                "of_the_limit": self.ratio(name, LIMIT),
                "answers": dict(self.answers[name]),
            }
            for name in self.turns
        ]


@dataclass
class Wrong:
    """What went wrong at one contestant's, over the whole run."""

    codes: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    unanswered: int = 0
    lost: int = 0
    sold_twice: int = 0
    in_part: int = 0
    """Groups of which not all seats were sold, or were not sold together."""

    def any(self) -> bool:
        return any((self.codes, self.faults, self.unanswered, self.lost, self.sold_twice, self.in_part))


class Correctness:
    """What must not happen, counted at each database's contestants; the application's must all be 0."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.wrong: dict[str, Wrong] = {}

    def count(self, entry: Entry, tally: Tally) -> None:
        if entry.site is None:
            return
        wrong = self._of(entry.site)
        wrong.codes += tally.wrong
        wrong.faults += tally.faults
        wrong.unanswered += tally.unanswered
        if tally.booked:
            wrong.lost += entry.site.database.lost(tally.booked)

    def look_at_the_tables(self) -> None:
        for site in self._arena.sites.values():
            self._of(site).sold_twice = site.database.sold_twice()
            self._of(site).in_part = site.database.sold_in_part()

    @property
    def holds(self) -> bool:
        return not any(wrong.any() for name, wrong in self.wrong.items() if name != "baseline")

    def _of(self, site: Site) -> Wrong:
        """Find whose database it is; the two baselines share theirs."""
        name = next(name for name, known in self._arena.sites.items() if known.database is site.database)
        return self.wrong.setdefault(name, Wrong())


def measure(
    arena: Arena,
    scenario: Scenario,
    correctness: Correctness,
    *,
    rounds: int,
    seconds: float,
    full: bool,
    say: Callable[[str], None],
) -> Figures:
    entries = list(scenario.entries(arena, full))
    figures = Figures(scenario, {entry.name: [] for entry in entries}, {entry.name: Counter() for entry in entries})
    say(f"{scenario.name}: {scenario.title} …")
    if not scenario.once:
        for entry in entries:
            correctness.count(entry, _prepared(entry, lambda entry=entry: entry.run(WARM_UP)))
    for _ in range(1 if scenario.once else rounds):
        for entry in entries:
            turn, tally = _prepared(entry, lambda entry=entry: _turn(arena, entry, seconds))
            figures.turns[entry.name].append(turn)
            figures.answers[entry.name] += tally.answers
            figures.faults[entry.name] += tally.faults
            correctness.count(entry, tally)
    return figures


def _prepared(entry: Entry, do: Callable[[], R]) -> R:
    if entry.before:
        entry.before()
    try:
        return do()
    finally:
        if entry.after:
            entry.after()


def _turn(arena: Arena, entry: Entry, seconds: float) -> tuple[Turn, Tally]:
    started, before = time.perf_counter(), _processor_times(arena, entry)
    tally = entry.run(seconds)
    application, database = (
        (after - earlier) / (time.perf_counter() - started)
        for after, earlier in zip(_processor_times(arena, entry), before, strict=True)
    )
    p50, p99 = _percentiles(tally.latencies)
    counted = entry.weight * sum(tally.answers[name] for name in entry.counts)
    rate = counted / tally.seconds if tally.seconds else 0.0
    return Turn(rate, p50, p99, application, database), tally


def _processor_times(arena: Arena, entry: Entry) -> tuple[float, float]:
    return entry.site.processor_time() if entry.site else 0.0, arena.processor_time()


def _percentiles(latencies: list[float]) -> tuple[float, float]:
    if not latencies:
        return 0.0, 0.0
    ordered = sorted(latencies)
    return ordered[len(ordered) // 2] * 1000, ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000
