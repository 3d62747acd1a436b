"""``python -m core.server.serve`` starts the server, as ``make run`` and the container do.

SIGTERM and SIGINT end it when the requests on their way are answered. SIGHUP replaces its workers one by one with the
code that is there by then, and no request is lost.
"""

import argparse
import logging
import os
import resource
import select
import signal
import socket
import tempfile
import threading
import time
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder
from granian.server import Server

MOST_CONNECTIONS = 10_000  # a worker; whoever is beyond them waits unheard, so the gate is to refuse long before
BACKLOG = 4096  # connections that the kernel keeps until a worker takes them

SECONDS_UNREAD = 20  # in which a client takes what it was sent, or else is gone

SECONDS_TO_START = 30
SECONDS_TO_PART = 1  # in which kept connections are told to come again elsewhere
SECONDS_TO_END = 15

log = logging.getLogger("granian")


class CarefulServer(Server):  # type: ignore[misc, valid-type]
    """Ends a worker only when its successor serves, and its clients know.

    A worker and its successor listen on one socket, which is ours: whoever the kernel has let in when the one ends, but
    not yet the worker, is let in by the other. Workers beside each other have sockets of their own, among which the
    kernel spreads the connections.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # A worker writes to it when it serves: see core.server.gate.
        self._ready, told = os.pipe()
        os.environ["READY_FD"] = str(told)

    def signal_handler_interrupt(self, *_: Any, **__: Any) -> None:
        self.interrupt_signal = True
        self._wake()

    def signal_handler_reload(self, *_: Any, **__: Any) -> None:
        self.reload_signal = True
        self._wake()

    def _wake(self) -> None:
        # Not here: the signal may have come while this thread has the event's lock, for which it would wait for ever.
        threading.Thread(target=self._keep_waking, daemon=True).start()

    def _keep_waking(self) -> None:
        # Not once: a worker that ends at the same moment sets the event as well, and it is cleared for both.
        while self.interrupt_signal or self.reload_signal:
            self.main_loop_interrupt.set()
            time.sleep(0.1)

    def _init_shared_socket(self) -> None:
        address = (self.bind_addr, self.bind_port)
        family = socket.AF_INET6 if ":" in self.bind_addr else socket.AF_INET
        _refuse_to_share(address, family)
        self._sockets = [
            socket.create_server(address, family=family, backlog=self.backlog, reuse_port=True)
            for _ in range(self.workers)
        ]
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            for listening in self._sockets:  # from which each connection has it
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * SECONDS_UNREAD)
        self._sso = None

    def _drop_shared_socket(self) -> None:
        for listening in self._sockets:
            listening.close()

    def _spawn_worker(self, idx: int, **what: Any) -> Any:
        self._ssp, self._shd = None, SocketHolder(self._sockets[idx].fileno(), False, self.backlog)  # type: ignore[call-arg]
        return super()._spawn_worker(idx=idx, **what)

    def _respawn_workers(self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        for index in workers:
            old = self.wrks[index]
            self.wrks[index] = self._spawn_worker(idx=index, target=spawn_target, callback_loader=target_loader)
            self._forget_who_is_ready()
            self.wrks[index].start()
            if not select.select([self._ready], [], [], SECONDS_TO_START)[0]:
                # One that dies now is a sign that none can start; then the server ends.
                self.respawned_wrks[index] = time.monotonic()
                log.error("worker %s has not started in time", index + 1)
            if old.is_alive():
                _part_from(old)

    def _stop_workers(self) -> None:
        for worker in self.wrks:
            if worker.is_alive():
                os.kill(worker.inner.pid, signal.SIGUSR1)  # streams would not end by themselves
            worker.terminate()
        for worker in self.wrks:
            _end(worker)
        self.wrks.clear()

    def _forget_who_is_ready(self) -> None:
        while select.select([self._ready], [], [], 0)[0]:
            os.read(self._ready, 1024)


def _refuse_to_share(address: tuple[str, int], family: int) -> None:
    """End where another server listens already: sockets that share a port would take turns with it."""
    try:
        socket.create_server(address, family=family).close()
    except OSError as fault:
        raise SystemExit(f"{address[0]}:{address[1]} can't be had: {fault.strerror}.") from fault


def _part_from(worker: Any) -> None:
    os.kill(worker.inner.pid, signal.SIGUSR1)
    time.sleep(SECONDS_TO_PART)
    _end(worker)


def _end(worker: Any) -> None:
    """Let a worker answer what it has begun; one that does not end is killed."""
    until = time.monotonic() + SECONDS_TO_END
    while worker.is_alive() and time.monotonic() < until:
        worker.terminate()  # again and again: while it starts, a worker hears nothing
        worker.join(0.5)
    if worker.is_alive():
        worker.kill()
        worker.join()


def _allow_as_many_files_as_may_be() -> None:
    """A connection is a file, and many machines allow a thousand at first."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.server.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2, help="processes; as many as there are cores")
    parser.add_argument("--threads", type=int, default=2, help="threads a worker; each has a database connection")
    told = parser.parse_args()
    _allow_as_many_files_as_may_be()
    os.environ["THREADS"] = str(told.threads)  # for core.settings, in the workers
    with tempfile.TemporaryDirectory(prefix="figures-") as folder:
        os.environ.setdefault("METRICS_FOLDER", folder)  # where the workers put their figures together
        CarefulServer(
            "core.asgi:application",
            address=told.host,
            port=told.port,
            interface=Interfaces.ASGI,
            workers=told.workers,
            websockets=False,
            backlog=BACKLOG,
            backpressure=MOST_CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=5000),  # milliseconds
            respawn_failed_workers=True,
            log_level=LogLevels.warning,
        ).serve()


if __name__ == "__main__":
    main()
