"""Prometheus metrics of all processes of an instance. Without ``METRICS_TOKEN`` nothing is counted or imported.

The processes share the folder that ``PROMETHEUS_MULTIPROC_DIR`` names (the multiprocess mode of prometheus_client),
so that any of them can report on all. ``python -m core.server`` sets it; without it a process reports on itself.
"""

import functools
import hmac
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


class _Uncounted:
    """Takes the place of every metric where nothing is counted."""

    def labels(self, *_: object) -> "_Uncounted":
        return self

    def inc(self, amount: float = 1) -> None:
        pass

    dec = set = observe = inc


def _metric(kind: str, name: str, documentation: str, *labels: str, **options: Any) -> Any:
    if not settings.METRICS_TOKEN:
        return _Uncounted()
    import prometheus_client

    if kind == "Gauge":
        options["multiprocess_mode"] = "livesum"
    return getattr(prometheus_client, kind)(f"tickets_{name}", documentation, labels, registry=_registry(), **options)


@functools.cache
def _registry() -> Any:
    from prometheus_client import CollectorRegistry

    return CollectorRegistry()


WORKERS = _metric("Gauge", "workers", "Processes that serve.")
REQUESTS = _metric("Counter", "requests", "Requests answered.", "route", "method", "status")
REQUEST_SECONDS = _metric(
    "Histogram",
    "request_seconds",
    "From a request's headers to its answer, waiting included.",
    "route",
    "method",
    buckets=BUCKETS,
)
OPERATIONS = _metric("Counter", "operations", "Operations and their outcomes.", "operation", "outcome", "door")
SERVER_REFUSALS = _metric("Counter", "server_refusals", "Requests refused by the server itself.", "code")
LOCK_TIMEOUTS = _metric("Counter", "lock_timeouts", "Attempts that did not get a lock in time.")
RETRIES = _metric("Counter", "request_retries", "Attempts after a lock timeout, unseen by the client.")
STREAMS = _metric("Gauge", "streams", "Open event streams.")
STREAM_ENDS = _metric("Counter", "stream_ends", "Event streams that have ended.", "reason")
POOL_THREADS = _metric("Gauge", "pool_threads", "Threads of a worker pool.", "pool")
POOL_WAITING = _metric("Gauge", "pool_waiting", "Requests that wait for a thread.", "pool")
POOL_BUSY_SECONDS = _metric("Counter", "pool_busy_seconds", "Time that threads spent at work.", "pool")


def count_operation(operation: str, outcome: str, door: str) -> None:
    """Count what came of an operation: ``done``, ``replayed`` or a refusal's code."""
    OPERATIONS.labels(operation, outcome, door).inc()


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    if method not in METHODS:
        method = "other"  # anybody can make up methods
    REQUESTS.labels(route, method, status).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)


def count_stream(change: int, reason: str = "") -> None:
    """Count an event stream that has begun, or has ended and why."""
    STREAMS.inc(change)
    if change < 0:
        STREAM_ENDS.labels(reason or "fault").inc()


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus; for everybody else there is no such address."""
    token = request.META.get("HTTP_AUTHORIZATION", "").encode()
    if (
        not settings.METRICS_TOKEN
        or request.method != "GET"
        or not hmac.compare_digest(token, f"Bearer {settings.METRICS_TOKEN}".encode())
    ):
        raise Http404
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = _registry()
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        _forget_dead_processes(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


metrics.worker_pool = "health"  # type: ignore[attr-defined]


def _forget_dead_processes(folder: Path) -> None:
    """Drop the gauges of processes that have ended; what they have counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    for file in folder.glob("gauge_live*_*.db"):
        pid = int(re.sub(r"\D", "", file.stem))
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another process was faster
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
