"""``python -m core.server`` starts the server, as ``make run`` and the container do.

SIGTERM and SIGINT end it when the requests on their way are answered. SIGHUP replaces its workers one by one with the
code that is there by then, and no request is lost.
"""

import argparse
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
from uvicorn.supervisors import Multiprocess

from core.server.connection import Connection

BACKLOG = 4096  # connections that the kernel holds until a worker takes them
SECONDS_IDLE = 75  # that a connection is kept without a request; more than proxies keep theirs
SECONDS_TO_START = 30
SECONDS_TO_STOP = 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2, help="processes; as many as there are cores")
    parser.add_argument("--threads", type=int, default=2, help="threads a worker, beside one that may hash a password")
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
        log_config=None,  # core.settings says how to log
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # core.throttling reads them
    )
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        if settings.METRICS_TOKEN:
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)  # read by prometheus_client, in the workers
        supervisor = Multiprocess(config, [config.bind_socket()])
        supervisor.run()
    sys.exit(any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes))


def load() -> Any:
    """Import the application, in a worker; one that can't ends the server instead of being started again."""
    try:
        return import_string("core.asgi.application")  # it sets timeouts before anything reads the settings
    except Exception:
        logging.getLogger(__name__).exception("The application can't be imported.")
        sys.exit(STARTUP_FAILURE)


def _raise_file_limit() -> None:
    """Allow as many files as the machine does: a connection is one."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


if __name__ == "__main__":
    main()
