"""Those who watch: streams of server-sent events, read by a process of its own, which notes when each piece came."""

import contextlib
import multiprocessing
import re
import selectors
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection as Pipe

from bench.load import Tally

AT_ONCE = 16  # streams that are being opened
PATIENCE = 10.0  # seconds for a stream to open, and for all to be told what was sold
PAUSE = 0.2  # seconds, where the application has too much to do
LOOKED_AT = 50  # streams whose delays are told, of all that are open
_SEAT = re.compile(rb'"seatNumber":(\d+)')


class Watchers:
    """The process; it ends with the block or with whoever started it."""

    def __enter__(self) -> "Watchers":
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

    def watch(self, port: int, requests: Sequence[bytes], count: int) -> None:
        """Open so many streams, and wait until each has been told its first event."""
        self._pipe.send((port, requests, count))
        if fault := self._pipe.recv():
            raise RuntimeError(fault)

    def tell(self, sold: Mapping[int, float]) -> Tally:
        """Wait until everybody has been told of these seats, close the streams, and tell how long it took from the
        moment that is given with each; what somebody was not told is wrong."""
        self._pipe.send(sold)
        return self._pipe.recv()


class Stream:
    """One who watches."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.sendall(request)
        self.socket.setblocking(False)
        self.came: list[tuple[float, bytes]] = []
        """What has come and was not yet looked at, with its time."""
        self.told: dict[int, float] = {}
        """The seats that it was told of, and when it was told first."""
        self.events = 0
        self.is_open = True
        self._raw = b""
        self._text = b""
        self._head = b""

    def leave(self, selector: selectors.BaseSelector) -> None:
        if self.is_open:
            selector.unregister(self.socket)
        self.socket.close()

    def receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.is_open:
                try:
                    piece = self.socket.recv(262_144)
                except ConnectionError:
                    piece = b""
                self.is_open = bool(piece)
                self.came.append((time.perf_counter(), piece))

    def look(self, words: dict[bytes, list[int]]) -> None:
        """Read what has come; ``words`` keeps the seats of an event, since everybody is told the same."""
        for moment, piece in self.came:
            self._raw += piece
            for event in self._events():
                self.events += event.startswith(b"event: next")
                if event not in words:
                    words[event] = [int(seat) for seat in _SEAT.findall(event)]
                for seat in words[event]:
                    self.told.setdefault(seat, moment)
        self.came.clear()

    def _events(self) -> Iterator[bytes]:
        if not self._head:
            self._head, found, rest = self._raw.partition(b"\r\n\r\n")
            if not found:
                self._head = b""
                return
            self._raw = rest
        while not self.refusal and (end := self._raw.find(b"\r\n")) > 0:
            size = int(self._raw[:end], 16)
            if len(self._raw) < end + size + 4:
                break
            self._text += self._raw[end + 2 : end + 2 + size]
            self._raw = self._raw[end + size + 4 :]
        *events, self._text = self._text.split(b"\n\n")
        yield from events

    @property
    def refusal(self) -> str:
        """What it was told in place of a stream; nothing if all is well, or if nothing has come."""
        if self._head and b" 200 " in self._head[:13]:
            return ""
        return (self._head + self._raw)[:300].decode(errors="replace")


def _serve(pipe: Pipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started us says when to end
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            with selectors.DefaultSelector() as selector:
                streams, fault = _open(selector, *pipe.recv())
                pipe.send(fault)
                if not fault:
                    selector.register(pipe, selectors.EVENT_READ)
                    pipe.send(_watch(selector, streams, pipe))
                for stream in streams:
                    stream.socket.close()


def _open(
    selector: selectors.BaseSelector, port: int, requests: Sequence[bytes], count: int
) -> tuple[list[Stream], str]:
    """Open streams, a few at a time; whoever is told to come again does so, as a browser would."""
    opened: list[Stream] = []
    opening: list[Stream] = []
    refusal = ""
    until = time.perf_counter() + PATIENCE
    while len(opened) < count and time.perf_counter() < until:
        while len(opening) < min(AT_ONCE, count - len(opened)):
            stream = Stream(port, requests[len(opened + opening) % len(requests)])
            selector.register(stream.socket, selectors.EVENT_READ, stream)
            opening.append(stream)
        _receive(selector, 0.1)
        for stream in [stream for stream in opening if stream.came]:
            stream.look({})
            if stream.events:
                opening.remove(stream)
                opened.append(stream)
                until = time.perf_counter() + PATIENCE
            elif stream.refusal:
                refusal = stream.refusal
                opening.remove(stream)
                stream.leave(selector)
                time.sleep(PAUSE)
    fault = f"{len(opened)} of {count} streams are open: {refusal or 'no answer'}" if len(opened) < count else ""
    return opened + opening, fault


def _receive(selector: selectors.BaseSelector, timeout: float) -> bool:
    """Receive what there is, and tell whether somebody asks for it."""
    asked = False
    for key, _ in selector.select(timeout):
        if key.data is None:
            asked = True
            continue
        key.data.receive()
        if not key.data.is_open:
            selector.unregister(key.fileobj)
    return asked


def _watch(selector: selectors.BaseSelector, streams: Sequence[Stream], pipe: Pipe) -> Tally:
    began = time.perf_counter()
    while not _receive(selector, 1.0):
        pass
    sold: Mapping[int, float] = pipe.recv()
    words: dict[bytes, list[int]] = {}
    until = time.perf_counter() + PATIENCE
    missing = list(streams)
    while missing and time.perf_counter() < until:
        for stream in missing:
            stream.look(words)
        missing = [stream for stream in missing if not sold.keys() <= stream.told.keys()]
        if missing:
            _receive(selector, 0.05)
    return _tally(streams, missing, sold, began)


def _tally(streams: Sequence[Stream], missing: Sequence[Stream], sold: Mapping[int, float], began: float) -> Tally:
    tally = Tally()
    told = [stream.told[seat] for stream in streams for seat in sold if seat in stream.told]
    tally.seconds = max(told, default=began) - began
    tally.answers["answered"] = len(told)
    for stream in streams[:: max(1, len(streams) // LOOKED_AT)]:
        tally.latencies += [max(0.0, stream.told[seat] - sold[seat]) for seat in sold if seat in stream.told]
    if ended := sum(not stream.is_open for stream in streams):
        tally.wrong["a stream that has ended"] = ended
    if missing:
        tally.wrong["a stream that was not told of a seat"] = len(missing)
    return tally
