"""What the table decides is never wrong, however many answers were lost and however late requests arrived."""

import random
from dataclasses import replace

import pytest

from tests.fight.checker import check
from tests.fight.history import OK, Call
from tests.fight.simulation import MS, Outcome, SimulatedService, Simulation
from tests.fight.table import APART, Table, settle


def fought(seed: int, service: type[SimulatedService] = SimulatedService) -> tuple[list[Call], Table]:
    chance = random.Random(seed)
    simulated = service(range(1, chance.randint(2, 3) + 1), now=1000 * MS)
    customers, calls, lost = chance.randint(1, 3), chance.randint(3, 30), chance.choice([0.1, 0.3, 0.6])
    return Simulation(chance, simulated, customers=customers, calls=calls, lost=lost).run()


def judged(calls: list[Call], table: Table) -> list[str]:
    history, faults = settle(calls, table)
    return [*map(str, check(history, most_steps=100_000)), *faults]


@pytest.mark.parametrize("seeds", [range(start, start + 200) for start in range(0, 1000, 200)], ids=str)
def test_what_a_service_did_is_found_right(seeds: range) -> None:
    for seed in seeds:
        assert judged(*fought(seed)) == [], f"seed {seed}"


def test_it_is_found_right_by_a_clock_that_is_a_little_off() -> None:
    for seed in range(1000, 1400):
        calls, table = fought(seed)
        off = random.Random(seed).randint(-APART + MS, APART - MS)
        rows = [replace(row, created=row.created + off) for row in table.rows]
        holds = [replace(hold, created=hold.created + off) for hold in table.holds]
        assert judged(calls, replace(table, rows=rows, holds=holds)) == [], f"seed {seed}"


class CancelsNothing(SimulatedService):
    def _cancel(self, call: Call) -> Outcome:
        return OK, {}


class UnblocksNothing(SimulatedService):
    def _unblock(self, call: Call) -> Outcome:
        return OK, {}


class SellsWhatIsHeld(SimulatedService):
    def _is_held(self, claim: object) -> bool:
        return False


class BooksHalf(SimulatedService):
    def _book(self, call: Call) -> Outcome:
        outcome, about = super()._book(call)
        if len(about.get("bookings", ())) == 2:
            self._change(self.claims[max(about["bookings"].values()) - 1], status="freed")
        return outcome, about


@pytest.mark.parametrize("service", [CancelsNothing, UnblocksNothing, SellsWhatIsHeld, BooksHalf])
def test_a_service_that_is_wrong_is_found(service: type[SimulatedService]) -> None:
    assert sum(bool(judged(*fought(seed, service))) for seed in range(100)) > 15
