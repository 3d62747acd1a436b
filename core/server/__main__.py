"""``python -m core.server`` starts the server; ``make run`` and the container use it.

SIGTERM and SIGINT end it after the current requests. SIGHUP replaces its workers one by one with the current code, and
no request is lost.
"""

import argparse
import gc
import logging.config
import os
import resource
import sys
import tempfile
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE

from core.server.connection import Connection
from core.server.supervisor import Supervisor

BACKLOG = 4096  # connections that the kernel holds until a worker takes them
SECONDS_IDLE = 75  # until a connection without a request is closed; a proxy should close it earlier
SECONDS_TO_START = 30
SECONDS_TO_STOP = 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2, help="processes; as many as there are cores")
    parser.add_argument(
        "--threads",
        type=int,
        default=2,
        help="threads a worker; two more are added, since one may be hashing a password, and one waiting to",
    )
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    os.environ["THREADS"] = str(arguments.threads)  # for core.settings, in the workers
    logging.config.dictConfig(settings.LOGGING)
    _raise_file_limit()
    config = Config(
        "core.server.__main__:load",
        factory=True,
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        http=Connection,
        ws="none",
        interface="asgi3",
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=SECONDS_IDLE,
        timeout_graceful_shutdown=SECONDS_TO_STOP,
        timeout_worker_healthcheck=SECONDS_TO_START,
        log_config=None,  # logging is set up in core.settings
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # core.throttling reads them
    )
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        if settings.METRICS_TOKEN:
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)  # read by prometheus_client, in the workers
        supervisor = Supervisor(config)
        supervisor.run()
    sys.exit(any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes))


def load() -> Any:
    """Import the application in a worker; an error ends the whole server."""
    try:
        application = import_string("core.asgi.application")  # it sets timeouts before anything reads the settings
    except Exception:
        logging.getLogger(__name__).exception(
            "The application can't be imported. The server stops; correct the error below and start it again."
        )
        sys.exit(STARTUP_FAILURE)
    gc.collect()
    gc.freeze()  # what was imported stays, and need not be searched for garbage
    gc.set_threshold(20_000)  # objects; the default of 700 takes a twentieth of a GraphQL request
    return application


def _raise_file_limit() -> None:
    """Raise the limit of open files, of which each connection is one."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


if __name__ == "__main__":
    main()
