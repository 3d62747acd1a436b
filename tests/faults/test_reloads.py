"""New workers take over from the old under load, and no request is lost between them."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.faults.cinema import Cinema, wait_until
from tests.faults.load import Answer, Load, Request, in_ms

pytestmark = pytest.mark.only("postgresql")

RELOADS = 3


def test_three_reloads_under_load_fail_no_request(cinema: Cinema, figure: Callable[[str], None]) -> None:
    durations = []
    with (
        _newcomers(cinema) as first_answers,
        Load(cinema.service.port, _mixed(cinema), connections=8, period=0.02) as load,
    ):
        for _ in range(RELOADS):
            time.sleep(0.5)
            durations.append(_reload(cinema))
        time.sleep(0.5)
    answers = load.answers + first_answers
    figure(
        f"{len(answers)} requests, at worst {in_ms(answers, 1)} ms, {load.reconnects} connections closed between "
        f"requests, reloads of {[round(seconds, 1) for seconds in durations]} s"
    )
    assert Counter((answer.status, answer.body) for answer in answers if not answer.ok) == {}


@contextmanager
def _newcomers(cinema: Cinema) -> Iterator[list[Answer]]:
    """Send requests over a new connection each, for as long as the block lasts."""
    answers: list[Answer] = []
    over = threading.Event()

    def come() -> None:
        while not over.wait(0.005):
            answers.append(cinema.ask(cinema.read()))

    coming = threading.Thread(target=come)
    coming.start()
    try:
        yield answers
    finally:
        over.set()
        coming.join()


def _reload(cinema: Cinema) -> float:
    """Reload, and wait until none of the old workers is left."""
    old = set(cinema.service.workers())
    cinema.service.reload()
    return wait_until(lambda: len(new := set(cinema.service.workers())) == len(old) and not new & old, within=30)


def _mixed(cinema: Cinema) -> Iterator[Request]:
    while True:
        yield from (cinema.book(), cinema.read(), cinema.mutate(), cinema.list_movies())
