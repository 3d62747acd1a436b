"""Connections that send half a request and then nothing, or a byte a second, hold up nobody else."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.faults.cinema import Cinema
from tests.faults.load import in_ms

pytestmark = pytest.mark.only("postgresql")

EACH = 30
SERVED_WITHIN = 200  # milliseconds
HALF_A_HEADER = b"GET /movies/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: appli"
HALF_A_BODY = (
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
)


@pytest.fixture
def slow_clients(cinema: Cinema) -> Iterator[None]:
    ended = threading.Event()
    with ExitStack() as stack:
        for half in (HALF_A_HEADER, HALF_A_BODY):
            bodies = [
                stack.enter_context(socket.create_connection(("127.0.0.1", cinema.service.port))) for _ in range(EACH)
            ]
            for connection in bodies:
                connection.sendall(half)
        trickling = threading.Thread(target=_trickle, args=(bodies, ended))
        trickling.start()
        time.sleep(1)  # so that each has reached whatever it can hold
        yield
        ended.set()
        trickling.join()


def test_half_open_connections_hold_up_nobody(
    slow_clients: None, cinema: Cinema, figure: Callable[[str], None]
) -> None:
    answers = []
    for _ in range(25):
        for request in (cinema.list_movies(), cinema.book()):
            answers.append(cinema.ask(request, patience=2))
            assert answers[-1].status in (200, 201), f"the {len(answers)}th: {answers[-1]}"
    median, worst = in_ms(answers, 0.5), in_ms(answers, 1)
    figure(f"median {median} ms, worst {worst} ms of {len(answers)}")
    assert worst <= SERVED_WITHIN


def _trickle(connections: list[socket.socket], ended: threading.Event) -> None:
    """Send a byte a second, to whoever still listens."""
    while not ended.wait(1):
        for connection in connections:
            with suppress(OSError):
                connection.send(b" ")
