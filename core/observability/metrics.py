"""Prometheus metrics of all processes of an instance.

The processes share the folder that ``PROMETHEUS_MULTIPROC_DIR`` names (the multiprocess mode of prometheus_client),
so that any of them can report on all. ``python -m core.server`` sets it if there is a ``METRICS_TOKEN``; without it a
process counts in its memory.
"""

import hmac
import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

REGISTRY = CollectorRegistry()


_counter = partial(Counter, namespace="tickets", registry=REGISTRY)
_gauge = partial(Gauge, namespace="tickets", registry=REGISTRY, multiprocess_mode="livesum")

WORKERS = _gauge("workers", "Processes that serve.")
REQUESTS = _counter("requests", "Requests answered.", ("route", "method", "status"))
REQUEST_SECONDS = Histogram(
    "tickets_request_seconds",
    "From a request's headers to its answer, waiting included.",
    ("route", "method"),
    buckets=BUCKETS,
    registry=REGISTRY,
)
OPERATIONS = _counter("operations", "Operations and their outcomes.", ("operation", "outcome", "door"))
SERVER_REFUSALS = _counter("server_refusals", "Requests refused by the server itself.", ("code",))
LOCK_TIMEOUTS = _counter("lock_timeouts", "Attempts that did not get a lock in time.")
RETRIES = _counter("request_retries", "Attempts after a lock timeout, unseen by the client.")
STREAMS = _gauge("streams", "Open event streams.")
STREAM_ENDS = _counter("stream_ends", "Event streams that have ended.", ("reason",))
POOL_THREADS = _gauge("pool_threads", "Threads of a worker pool.", ("pool",))
POOL_WAITING = _gauge("pool_waiting", "Requests that wait for a thread.", ("pool",))
POOL_BUSY_SECONDS = _counter("pool_busy_seconds", "Time that threads spent at work.", ("pool",))


def count_operation(operation: str, outcome: str, door: str) -> None:
    """Count an operation by its outcome: ``done``, ``replayed`` or a refusal's code."""
    OPERATIONS.labels(operation, outcome, door).inc()


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count a request that was answered, if anyone may read the metrics."""
    if not settings.METRICS_TOKEN:  # this takes longer than all other counting
        return
    if method not in METHODS:
        method = "other"  # clients may send any name
    REQUESTS.labels(route, method, status).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)


def count_stream(change: int, reason: str = "") -> None:
    """Count an event stream that began (1) or ended (-1)."""
    STREAMS.inc(change)
    if change < 0:
        STREAM_ENDS.labels(reason or "fault").inc()


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """Report to Prometheus; 404 without its token."""
    given = request.META.get("HTTP_AUTHORIZATION", "").encode()
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    if not settings.METRICS_TOKEN or request.method != "GET" or not hmac.compare_digest(given, expected):
        raise Http404
    registry = REGISTRY
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        _forget_dead_processes(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


metrics.worker_pool = "health"  # type: ignore[attr-defined]


def _forget_dead_processes(folder: Path) -> None:
    """Drop the gauges of processes that have ended; their counters stay."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(re.sub(r"\D", "", file.stem))
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another process deleted it
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
