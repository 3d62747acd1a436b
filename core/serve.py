"""``python -m core.serve`` starts the server, as ``make run`` and the container do: the one place that knows how.

SIGTERM and SIGINT end it when the requests on their way are answered; SIGHUP replaces its workers one by one.
"""

import argparse
import os

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2, help="processes; as many as there are cores")
    parser.add_argument("--threads", type=int, default=2, help="threads a worker; each has a database connection")
    told = parser.parse_args()
    os.environ["THREADS"] = str(told.threads)  # for core.settings, in the workers
    Server(
        "core.asgi:application",
        address=told.host,
        port=told.port,
        interface=Interfaces.ASGI,
        workers=told.workers,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=5000),  # milliseconds
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=20,  # seconds
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main()
