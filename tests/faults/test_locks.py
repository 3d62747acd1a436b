"""A session keeps a show locked: its bookings are told so in time, and nobody else notices."""

import threading
from collections.abc import Callable

import pytest

from tests.faults.cinema import Cinema, lock_waits, locked, wait_until
from tests.faults.load import Answer, ask_all, in_ms

pytestmark = pytest.mark.only("postgresql")

LOCKS = {
    "row": "SELECT 1 FROM catalog_show WHERE id = %s FOR UPDATE",
    "queue": "SELECT pg_advisory_xact_lock(%s)",
}
LOCK_TIMEOUT = 2.0
GRACE = 0.5
UNNOTICED = 0.3
CROWD = 12  # more than the service has threads


@pytest.mark.parametrize("lock", LOCKS)
def test_a_booking_of_a_locked_show_is_busy_within_the_lock_timeout(
    lock: str, cinema: Cinema, figure: Callable[[str], None]
) -> None:
    with locked(cinema, LOCKS[lock], cinema.shows[0]):
        answers = ask_all(cinema.service.port, [cinema.book(cinema.shows[0], 1), cinema.mutate(cinema.shows[0], 1)])
    figure(f"{[round(answer.seconds, 2) for answer in answers]} s")
    for answer in answers:
        assert (answer.status, answer.code) == (503, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.seconds <= LOCK_TIMEOUT + GRACE


@pytest.mark.parametrize("lock", LOCKS)
def test_nobody_else_notices_a_crowd_that_waits_for_a_locked_show(
    lock: str, cinema: Cinema, figure: Callable[[str], None]
) -> None:
    show = cinema.shows[0]
    crowd: list[Answer] = []
    waiting = threading.Thread(
        target=lambda: crowd.extend(ask_all(cinema.service.port, [cinema.book(show, 2) for _ in range(CROWD)]))
    )
    with locked(cinema, LOCKS[lock], show), cinema.session() as session:
        waiting.start()
        wait_until(lambda: lock_waits(session) > 0, within=1.5)
        others = [
            cinema.ask(request)
            for _ in range(4)
            for request in (cinema.read(), cinema.list_movies(), cinema.book(), cinema.mutate())
        ]
        waiting.join()
    figure(f"others {in_ms(others, 0.5)} ms, at worst {in_ms(others, 1)}; the crowd {in_ms(crowd, 1)}")
    assert [answer for answer in others if not answer.ok] == []
    assert max(answer.seconds for answer in others) <= UNNOTICED
    # Those for whom there was no room to wait may hear it at once, and in another word.
    assert {answer.status for answer in crowd} == {503}
    assert {answer.code for answer in crowd} <= {"busy", "overloaded"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in crowd)
    assert max(answer.seconds for answer in crowd) <= LOCK_TIMEOUT + GRACE


def test_a_booking_goes_through_when_the_lock_is_released_in_time(cinema: Cinema) -> None:
    show = cinema.shows[0]
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(cinema.ask(cinema.book(show, 3))))
    with locked(cinema, LOCKS["row"], show), cinema.session() as session:
        waiting.start()
        wait_until(lambda: lock_waits(session) > 0, within=1.5)
    waiting.join()
    assert answers[0].status == 201
