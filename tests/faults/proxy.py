"""A wire between the application and its database that can fail in ways a server process can't be made to."""

import selectors
import socket
import threading
from collections.abc import Callable

CHUNK = 64 * 1024


class Proxy(threading.Thread):
    """Forwards connections to a port on loopback, until it is told to swallow or to cut them.

    One thread carries all of them, so that what a test tells it holds for each byte that comes afterwards.
    """

    def __init__(self, target: int) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.swallows = False
        self.cuts = 0
        self._cut_answer_when: Callable[[], bool] | None = None
        self._silent: set[socket.socket] = set()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._events = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.port = int(self._listener.getsockname()[1])

    def swallow(self) -> None:
        """Let every byte be lost from now on, in both directions, without a word to either side."""
        self.swallows = True

    def heal(self) -> None:
        """Forward again; a connection that lost bytes stays silent for ever, as behind a firewall that forgot it."""
        self.swallows = False

    def cut(self) -> None:
        """Close every connection there is."""
        with self._lock:
            for client in list(self._clients):
                self._drop(client)

    def cut_answer_when(self, holds: Callable[[], bool]) -> None:
        """Close the connection whose answer comes while this holds, once, instead of passing the answer on."""
        self._cut_answer_when = holds

    def spare(self) -> None:
        """Cut nothing any more."""
        with self._lock:
            self._cut_answer_when = None

    def run(self) -> None:
        self._events.register(self._listener, selectors.EVENT_READ)
        while not self._ended.is_set():
            ready = self._events.select(0.05)
            with self._lock:
                for key, _ in ready:
                    if key.fileobj is self._listener:
                        self._connect()
                    elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                        self._forward(key.fileobj)

    def stop(self) -> None:
        self._ended.set()
        self.join()
        self.cut()
        self._listener.close()
        self._events.close()

    def _connect(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        for end, other in ((client, server), (server, client)):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[end] = other
            self._events.register(end, selectors.EVENT_READ)
        self._clients.add(client)

    def _forward(self, source: socket.socket) -> None:
        sink = self._peers[source]
        try:
            chunk = source.recv(CHUNK)
            if chunk and (self.swallows or source in self._silent):
                self._silent |= {source, sink}
            elif chunk and not self._is_to_be_cut(source):
                sink.sendall(chunk)
            else:
                self._drop(source)
        except OSError:
            self._drop(source)

    def _is_to_be_cut(self, source: socket.socket) -> bool:
        holds = self._cut_answer_when
        if source in self._clients or holds is None or not holds():
            return False
        self._cut_answer_when = None
        self.cuts += 1
        return True

    def _drop(self, end: socket.socket) -> None:
        for side in (end, self._peers[end]):
            self._events.unregister(side)
            self._peers.pop(side)
            self._clients.discard(side)
            self._silent.discard(side)
            side.close()
