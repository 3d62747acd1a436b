"""The load client: keep-alive connections that have one request each on its way, in a process of its own."""

import contextlib
import multiprocessing
import re
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

from bench.walks import Asker

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_PATIENCE = 10.0  # seconds that the answers still on their way are waited for after the end


@dataclass(frozen=True)
class Job:
    """So many clients ask one server for so many seconds."""

    port: int
    clients: int
    seconds: float
    asker: Asker
    expected: Mapping[str, tuple[int, bytes]]
    """What an answer can be: its status, and what its body has in it."""
    number: bytes = b""
    """A pattern that finds the numbers of bookings, or of the hold, in a body."""
    seats: int = 1
    """How many bookings an answer has that books: neither more nor less."""


@dataclass
class Tally:
    """What came back."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers that were not expected, by their status and the beginning of their body."""
    faults: int = 0
    """Answers of 500 and above among those."""
    unanswered: int = 0
    seconds: float = 0
    """From the first request to the last answer."""
    latencies: list[float] = field(default_factory=list)
    """Seconds."""
    booked: list[int] = field(default_factory=list)
    """The bookings that were confirmed."""
    asker: Asker | None = None
    """Who asked, with what it has heard."""


class Loader:
    """The process; it ends with the block or with whoever started it."""

    def __enter__(self) -> "Loader":
        start = multiprocessing.get_context("spawn")
        self._pipe, theirs = start.Pipe()
        self._process = start.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    def run(self, job: Job) -> Tally:
        self._pipe.send(job)
        tally = self._pipe.recv()
        if isinstance(tally, str):
            raise RuntimeError(tally)
        return tally


def _serve(pipe: Pipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started us says when to end
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            job = pipe.recv()
            try:
                pipe.send(run(job))
            except OSError as fault:
                pipe.send(f"The server on port {job.port} can't be reached: {fault}")


class _Client:
    __slots__ = ("buffer", "needed", "number", "sent", "socket")

    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.buffer = b""
        self.needed = 0
        self.sent = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)


def run(job: Job) -> Tally:
    """Let every client ask, hear the answer and ask again until the time is over."""
    tally = Tally(asker=job.asker)
    pattern = re.compile(job.number) if job.number else None
    with selectors.DefaultSelector() as selector:
        clients = [_Client(number, job.port) for number in range(job.clients)]
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        started = last = time.perf_counter()
        waiting = sum([_ask(client, job.asker, started) for client in clients])
        until = started + job.seconds
        while waiting and (left := until + _PATIENCE - time.perf_counter()) > 0:
            for key, _ in selector.select(left):
                client = key.data
                answer = _receive(client)
                if answer is None:
                    continue
                now = last = time.perf_counter()
                tally.latencies.append(now - client.sent)
                job.asker.answered(client.number, *_count(tally, answer, job, pattern))
                if not answer or answer[0] == 0 or now >= until or not _ask(client, job.asker, now):
                    waiting -= 1
                    selector.unregister(client.socket)
        tally.unanswered += waiting
        tally.seconds = last - started
        for client in clients:
            client.socket.close()
    return tally


def _ask(client: _Client, asker: Asker, now: float) -> bool:
    request = asker.next(client.number)
    if request is None:
        return False
    client.sent = now
    client.socket.send(request)  # a request is smaller than the socket's buffer, which is empty
    return True


def _receive(client: _Client) -> tuple[int, bytes] | None:
    """Give the status and the body when they are there; a status of 0 if the server hung up."""
    try:
        received = client.socket.recv(262_144)
    except BlockingIOError:
        return None
    except OSError:
        received = b""
    if not received:
        return 0, b"the connection was closed"
    buffer = client.buffer = client.buffer + received if client.buffer else received
    if client.needed:
        if len(buffer) < client.needed:
            return None
        head = buffer.index(b"\r\n\r\n")
    else:
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            return None
        if length := _LENGTH.search(buffer, 0, head + 2):
            client.needed = head + 4 + int(length[1])
            if len(buffer) < client.needed:
                return None
        elif _CHUNKED.search(buffer, 0, head + 2) and not buffer.endswith(b"\r\n0\r\n\r\n"):
            return None
    client.buffer, client.needed = b"", 0
    return int(buffer[9:12]), buffer[head + 4 :]


def _count(
    tally: Tally, answer: tuple[int, bytes], job: Job, pattern: re.Pattern[bytes] | None
) -> tuple[str, list[int]]:
    """Count an answer, and give its name and the numbers in it."""
    status, body = answer
    for name, (its_status, part) in job.expected.items():
        if status == its_status and part in body:
            numbers = [int(number) for number in pattern.findall(body)] if pattern else []
            if name == "booked" and pattern and len(numbers) != job.seats:
                break
            tally.answers[name] += 1
            tally.booked += numbers if name == "booked" else ()
            return name, numbers
    if status == 0:
        tally.unanswered += 1
    else:
        tally.wrong[f"{status} {body[:80].decode(errors='replace')}"] += 1
        tally.faults += status >= 500
    return "", []
