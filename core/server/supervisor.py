"""The supervisor: starts the workers, restarts those that end, and replaces them one by one on SIGHUP."""

import logging
import socket

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

log = logging.getLogger(__name__)


class Supervisor(Multiprocess):
    """Uvicorn's supervisor, with a listening socket for each worker, among which the kernel spreads connections.

    From one socket, the worker that wakes first takes all connections that wait. A worker's successor gets the same
    socket, so that what still waits there is served.
    """

    def __init__(self, config: Config) -> None:
        config.bind_socket().close()  # ends the program if another server has the port, which would share it below
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        address = (config.host, config.port)
        sockets = [
            socket.create_server(address, family=family, backlog=config.backlog, reuse_port=True)
            for _ in range(config.workers)
        ]
        super().__init__(config, sockets)

    def init_processes(self) -> None:
        self.processes = [self._start(index) for index in range(self.processes_num)]

    def restart_all(self) -> None:
        for index, old in enumerate(self.processes):
            new = self._start(index)
            if not new.wait_until_ready(self.config.timeout_worker_healthcheck, self.should_exit):
                new.kill()
                new.join()
                log.error("The new worker was not ready in time. The old ones go on.")
                return
            old.terminate()
            old.join()
            self.processes[index] = new

    def keep_subprocess_alive(self) -> None:
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set() or process.is_alive(self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()
            else:
                self.processes[index] = self._start(index)

    def _start(self, index: int) -> Process:
        process = Process(self.config, [self.sockets[index % len(self.sockets)]])  # SIGTTIN adds workers
        process.start()
        return process
