"""What clients send and hear: one request at a time, or many connections at once in a thread of their own."""

import heapq
import json
import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

HEARD: list[bytes] = []
"""Every answer that was no success; ``test_words.py`` reads them when all else is done."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None
    token: str | None = None
    key: str | None = None

    def encoded(self) -> bytes:
        body = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json"] if body else []
        lines += [f"Authorization: Bearer {self.token}"] if self.token else []
        lines += [f"Idempotency-Key: {self.key}"] if self.key else []
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """What came back and after how many seconds; status 0 and our own words where there is no answer."""

    started: float
    seconds: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a refusal at either door; empty where there is none."""
        if not self.body.startswith(b"{"):
            return ""
        told = self.json
        if "errors" in told and "code" not in told:
            return str(told["errors"][0]["extensions"]["code"])
        for part in (told, *(told.get("data") or {}).values()):
            if isinstance(part, dict) and "code" in part:
                return str(part["code"])
        return ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300 and not self.code


def ask(port: int, request: Request, *, patience: float = 15) -> Answer:
    """Send one request over a connection of its own; status 0 if no answer comes."""
    started = time.monotonic()
    heard = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
            connection.sendall(request.encoded())
            while not (answer := read_answer(heard, started)):
                connection.settimeout(max(0.01, started + patience - time.monotonic()))
                if not (chunk := connection.recv(65536)):
                    break
                heard += chunk
        return answer or _lost(started, f"{len(heard)} bytes of an answer")
    except OSError as fault:
        return _lost(started, str(fault))


def ask_all(port: int, requests: list[Request], *, patience: float = 15) -> list[Answer]:
    """Send all requests at once, each over a connection of its own."""
    answers: list[Answer | None] = [None] * len(requests)

    def send(number: int, request: Request) -> None:
        answers[number] = ask(port, request, patience=patience)

    threads = [threading.Thread(target=send, args=each) for each in enumerate(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in answers if answer]


def read_answer(heard: bytes, started: float) -> Answer | None:
    """Give the answer when all of it is there."""
    head, found, body = heard.partition(b"\r\n\r\n")
    if not found:
        return None
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if len(body) < int(headers.get("content-length", 0)):
        return None
    answer = Answer(started, time.monotonic() - started, int(status.split(" ")[1]), headers, body)
    if not answer.ok:
        HEARD.append(heard)
    return answer


def _lost(started: float, words: str) -> Answer:
    return Answer(started, time.monotonic() - started, body=words.encode())


class Load(threading.Thread):
    """Keeps connections busy for as long as the block lasts, each with one request at a time.

    A connection sends its next request as soon as it has its answer, but not twice within ``period`` seconds. One
    that was closed between two requests is opened again, and that is no failure; one that ends under a request is an
    answer of status 0.
    """

    def __init__(self, port: int, requests: Iterator[Request], *, connections: int, period: float = 0) -> None:
        super().__init__(daemon=True)
        self.answers: list[Answer] = []
        self.reconnects = 0
        self._port = port
        self._requests = requests
        self._period = period
        self._connections = connections
        self._over = threading.Event()
        self._events = selectors.DefaultSelector()
        self._asked: dict[socket.socket, float] = {}
        self._times_used: dict[socket.socket, int] = {}
        self._heard: dict[socket.socket, bytes] = {}
        self._due: list[tuple[float, int, socket.socket]] = []

    def __enter__(self) -> Self:
        self.begun = time.monotonic()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self.join()
        self.seconds = time.monotonic() - self.begun

    def run(self) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection is a file
        for number in range(self._connections):
            if self._over.is_set():
                break
            self._send_later(self._connect(), self.begun + number * self._period / self._connections)
        while not self._over.is_set():
            while self._due and self._due[0][0] <= time.monotonic():
                connection = heapq.heappop(self._due)[2]
                if connection in self._heard:
                    self._send(connection)
            wait = self._due[0][0] - time.monotonic() if self._due else 0.05
            for key, _ in self._events.select(min(0.05, max(0, wait))):
                if isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)
        for connection in list(self._heard):
            connection.close()
        self._events.close()

    def _connect(self) -> socket.socket:
        """Open a connection; while the server takes none, each try is an answer of status 0."""
        while True:
            started = time.monotonic()
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=15)
                break
            except OSError as fault:
                self.answers.append(_lost(started, f"no connection: {fault}"))
                if self._over.wait(0.1):
                    return socket.socket()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._events.register(connection, selectors.EVENT_READ)
        self._heard[connection] = b""
        self._times_used[connection] = 0
        return connection

    def _send_later(self, connection: socket.socket, due: float) -> None:
        heapq.heappush(self._due, (due, id(connection), connection))

    def _send(self, connection: socket.socket) -> None:
        self._asked[connection] = time.monotonic()
        self._times_used[connection] += 1
        try:
            connection.sendall(next(self._requests).encoded())
        except OSError:
            self._lose(connection)

    def _hear(self, connection: socket.socket) -> None:
        try:
            chunk = connection.recv(65536)
        except OSError:
            chunk = b""
        if not chunk:
            self._lose(connection)
            return
        self._heard[connection] += chunk
        if answer := read_answer(self._heard[connection], self._asked.get(connection, 0)):
            self.answers.append(answer)
            self._heard[connection] = b""
            started = self._asked.pop(connection)
            if answer.headers.get("connection", "").lower() == "close":
                connection = self._connect_again(connection)
            self._send_later(connection, started + self._period)

    def _lose(self, connection: socket.socket) -> None:
        started = self._asked.pop(connection, None)
        if started is not None:
            words = f"{len(self._heard[connection])} bytes of answer {self._times_used[connection]} of the connection"
            self.answers.append(_lost(started, words))
        self._send_later(self._connect_again(connection), time.monotonic() + 0.01)

    def _connect_again(self, connection: socket.socket) -> socket.socket:
        self._events.unregister(connection)
        self._heard.pop(connection)
        self._times_used.pop(connection)
        connection.close()
        self.reconnects += 1
        return self._connect()


def in_ms(answers: list[Answer], share: float) -> float:
    """The milliseconds within which this share of the answers came."""
    ordered = sorted(answer.seconds for answer in answers)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)
