"""``python -m bench.baseline.serve --port 8001 --workers 2 --threads 2``"""

import argparse

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.baseline.serve")
    for number in ("--port", "--workers", "--threads"):
        parser.add_argument(number, type=int, required=True)
    told = parser.parse_args()
    Server(
        "bench.baseline.wsgi:application",
        port=told.port,
        interface=Interfaces.WSGI,
        workers=told.workers,
        blocking_threads=told.threads,
        log_level=LogLevels.warning,
    ).serve()
