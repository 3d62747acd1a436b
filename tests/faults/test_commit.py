"""The connection dies while a booking commits: nobody is told that nothing happened, and a key finds out what did."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.faults.cinema import Cinema, count_of, lock_waits, locked, wait_until
from tests.faults.load import Answer, Request
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.only("postgresql")

DOORS = ["rest", "graphql"]
IN_TIME = 5.0


def ask_and_cut(wired: Cinema, wire: Proxy, request: Request, show: int, seat: int, status: str = "booked") -> Answer:
    """Send the request, and cut the connection whose answer comes when the table has the booking in this state."""
    with wired.session() as session:
        cuts = wire.cuts
        wire.cut_answer_when(lambda: count_of(session, show, seat, status) > 0)
        try:
            answer = wired.ask(request)
        finally:
            wire.spare()
    assert wire.cuts == cuts + 1, f"nothing was cut: {answer}"
    return answer


@pytest.fixture(params=DOORS)
def booking_request(request: pytest.FixtureRequest, wired: Cinema) -> Callable[..., Request]:
    return wired.book if request.param == "rest" else wired.mutate


def test_without_a_key_the_outcome_is_told_to_be_unknown(
    booking_request: Callable[..., Request], wired: Cinema, wire: Proxy, figure: Callable[[str], None]
) -> None:
    show, seat = next(wired.seats)
    answer = ask_and_cut(wired, wire, booking_request(show, seat), show, seat)
    figure(f"{answer.seconds * 1000:.0f} ms")
    assert wired.booked(show, seat) == 1
    assert (answer.status, answer.code) == (503, "outcome_unknown")
    assert answer.seconds <= IN_TIME
    assert wired.ask(booking_request(show, seat)).code == "seat_taken"


def test_with_a_key_the_outcome_is_looked_up(
    booking_request: Callable[..., Request], wired: Cinema, wire: Proxy, figure: Callable[[str], None]
) -> None:
    show, seat = next(wired.seats)
    request = booking_request(show, seat, key=str(uuid.uuid4()))
    answer = ask_and_cut(wired, wire, request, show, seat)
    figure(f"{answer.seconds * 1000:.0f} ms")
    assert answer.ok, answer
    again = wired.ask(request)
    assert (again.status, again.json) == (answer.status, answer.json)
    assert wired.booked(show, seat) == 1
    assert answer.seconds <= IN_TIME


def test_a_cancelling_that_was_cut_is_told_to_be_unknown(wired: Cinema, wire: Proxy) -> None:
    show, seat = next(wired.seats)
    booking = wired.ask(wired.book(show, seat)).json["id"]
    answer = ask_and_cut(wired, wire, wired.cancel(booking), show, seat, "cancelled")
    assert (answer.status, answer.code) == (503, "outcome_unknown")
    assert wired.ask(wired.cancel(booking)).code == "already_cancelled"


@pytest.mark.parametrize("keyed", [False, True], ids=["without a key", "with a key"])
def test_a_connection_cut_while_the_statement_waits_makes_nobody_lie(
    keyed: bool, booking_request: Callable[..., Request], wired: Cinema, wire: Proxy, figure: Callable[[str], None]
) -> None:
    """The server goes on with a statement whose client is gone, and may book after the client was answered."""
    show, seat = next(wired.seats)
    request = booking_request(show, seat, key=str(uuid.uuid4()) if keyed else None)
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(wired.ask(request)))
    with wired.session() as session:
        with locked(wired, "SELECT 1 FROM catalog_show WHERE id = %s FOR UPDATE", show):
            asking.start()
            wait_until(lambda: lock_waits(session) > 0, within=1.5)
            wire.cut()
            asking.join(0.5)  # an answer may wait for the lock as well
        asking.join()
        _settle(session)
    (answer,) = answers
    rows = wired.booked(show, seat)
    figure(f"{answer.status} {answer.code}, {rows} in the table, {answer.seconds:.2f} s")
    assert rows <= 1
    if answer.ok:
        assert rows == 1
    else:
        assert answer.status == 503
        assert answer.code == "outcome_unknown" or rows == 0
    assert answer.seconds <= IN_TIME
    if keyed:
        again = wired.ask(request)
        assert again.ok
        assert wired.booked(show, seat) == 1


def _settle(session: psycopg.Connection[Any]) -> None:
    """Wait until no session is at work any more."""
    busy = "SELECT 1 FROM pg_stat_activity WHERE usename = 'cinema' AND state <> 'idle'"
    wait_until(lambda: session.execute(busy).fetchone() is None, within=5)
