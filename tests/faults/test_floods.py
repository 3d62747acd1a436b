"""More than it can serve: what is accepted is served as fast as ever, and the rest is told at once."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cinema import CUSTOMERS, Cinema, wait_until
from tests.faults.load import Answer, Load, Request, in_ms

pytestmark = pytest.mark.only("postgresql")

SECONDS = 4.0
COMING_UP = 1.0  # seconds until all connections are there
TIMES_TOO_MUCH = 5
WAITING = 2.5  # seconds of work that the clients can have waiting: fewer would be a queue, and no flood
MOST_CONNECTIONS = 6000  # both ends of a connection are files of this machine
KEPT = 0.8
KEPT_IN_A_STORM = 0.3
ACCEPTED_WITHIN = 2.0
REFUSED_WITHIN = 0.5
MEGABYTES = 50


@pytest.fixture(scope="module", autouse=True)
def _the_workers_are_warm(cinema: Cinema) -> None:
    _peak(cinema)


@pytest.fixture(autouse=True)
def _nothing_is_left_for_the_next_test(cinema: Cinema) -> Iterator[None]:
    yield
    _drain(cinema)


def test_a_flood_leaves_the_accepted_work_as_fast_as_before(cinema: Cinema, figure: Callable[[str], None]) -> None:
    peak = _peak(cinema)
    before = _megabytes(cinema)
    connections = min(int(WAITING * peak), MOST_CONNECTIONS)
    period = connections / (TIMES_TOO_MUCH * peak)
    with Load(cinema.service.port, cinema.bookings(), connections=connections, period=period) as load:
        most = dict(before)
        for _ in range(int(SECONDS * 5)):
            time.sleep(0.2)
            most = {pid: max(held, _megabytes_of(pid)) for pid, held in most.items()}
        begun, ended = load.begun + COMING_UP, time.monotonic()
    _drain(cinema)
    peak = min(peak, _peak(cinema))  # whatever else the machine does must not look like a loss
    accepted, refused = _parted(load.answers)
    served = sum(begun < answer.started + answer.seconds < ended for answer in accepted) / (ended - begun)
    grown = max(most[pid] - before[pid] for pid in before)
    figure(
        f"peak {peak:.0f}/s; {connections} connections, {len(load.answers) / load.seconds:.0f}/s, served "
        f"{served:.0f}/s ({served / peak:.0%}) p99 {in_ms(accepted, 0.99)} ms, refused {len(refused)} p99 "
        f"{in_ms(refused, 0.99) if refused else '-'} ms; workers grew by {grown:.0f} MB at most"
    )
    assert grown <= MEGABYTES
    assert in_ms(accepted, 0.99) <= ACCEPTED_WITHIN * 1000
    assert served >= KEPT * peak
    assert refused, "five times too much, and nobody was refused"
    assert in_ms(refused, 0.99) <= REFUSED_WITHIN * 1000


def test_a_storm_of_logins_does_not_stop_the_bookings(cinema: Cinema, figure: Callable[[str], None]) -> None:
    peak = _peak(cinema)
    with (
        Load(cinema.service.port, cinema.bookings(), connections=16) as bookings,
        Load(cinema.service.port, _logins(cinema), connections=64, period=0.25) as logins,
    ):
        time.sleep(SECONDS)
    accepted, _ = _parted(bookings.answers)
    entered, refused = _parted(logins.answers)
    served = len(accepted) / bookings.seconds
    figure(
        f"bookings {served:.0f}/s ({served / peak:.0%} of {peak:.0f}/s), p99 {in_ms(accepted, 0.99)} ms, at worst "
        f"{in_ms(accepted, 1)} ms; logins {len(entered) / logins.seconds:.0f}/s, {len(refused)} refused"
    )
    assert served >= KEPT_IN_A_STORM * peak
    assert in_ms(bookings.answers, 1) <= ACCEPTED_WITHIN * 1000


def _peak(cinema: Cinema) -> float:
    """Bookings a second through 16 connections."""
    with Load(cinema.service.port, cinema.bookings(), connections=16) as load:
        time.sleep(2)
    accepted, _ = _parted(load.answers)
    return len(accepted) / load.seconds


def _drain(cinema: Cinema) -> None:
    """Wait until nothing is left to do for clients who are gone."""
    wait_until(lambda: all(cinema.ask(kind).seconds < 0.2 for kind in (cinema.log_in(), cinema.book())), within=15)


def _parted(answers: list[Answer]) -> tuple[list[Answer], list[Answer]]:
    """Part the accepted from the refused; there is nothing else."""
    accepted = [answer for answer in answers if answer.ok]
    assert accepted, "nothing was served"
    refused = [answer for answer in answers if not answer.ok]
    assert {(answer.status, answer.code) for answer in refused} <= {(503, "overloaded"), (503, "busy")}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    return accepted, refused


def _logins(cinema: Cinema) -> Iterator[Request]:
    return (cinema.log_in(number % CUSTOMERS) for number in itertools.count())


def _megabytes(cinema: Cinema) -> dict[int, float]:
    return {pid: _megabytes_of(pid) for pid in cinema.service.workers()}


def _megabytes_of(pid: int) -> float:
    """The memory that a process holds of its own."""
    _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(resident) - int(shared)) * 4096 / 1e6
