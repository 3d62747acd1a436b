"""What Prometheus is told of the service. Without ``METRICS_TOKEN`` nothing is counted, and nothing imported for it.

A service is several processes, and any of them may be asked. Each keeps its figures in files of one folder, written
through memory, and whoever is asked adds up all of them. A process takes the first free slot of the folder, with the
figures that an earlier one has left there: so a counter does not fall back when workers are replaced or killed, and
there are never more files than there were workers at once. A slot is held by a lock, which the kernel frees with the
process, however that ended.

core.server.serve makes the folder; without one, a process tells its own figures only.
"""

import functools
import hmac
import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

P = ParamSpec("P")
R = TypeVar("R")

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
RETRIED = {"40001": "serialization", "40P01": "deadlock"}


class _Figures:
    """All that is counted, under the names that Prometheus knows."""

    def __init__(self, registry: Any) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        def counter(name: str, words: str, *labels: str) -> Any:
            return Counter(f"tickets_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Any:
            return Gauge(f"tickets_{name}", words, labels, registry=registry, multiprocess_mode="livesum")

        self.workers = gauge("workers", "Processes that serve.")
        self.requests = counter("requests", "Requests answered.", "route", "method", "status")
        self.seconds = Histogram(
            "tickets_request_seconds",
            "From a request's headers to its answer, waiting included.",
            ("route", "method"),
            registry=registry,
            buckets=BUCKETS,
        )
        self.verbs = counter("verbs", "What was asked of the domain, and what came of it.", "verb", "outcome", "door")
        self.gate_refusals = counter("gate_refusals", "Requests that the gate refused unread or unanswered.", "code")
        self.throttled = counter("throttled", "RateLimitWindow refused because their budget was spent.", "budget")
        self.locks_missed = counter("locks_missed", "RateLimitWindow that did not get a lock in time.")
        self.came_again = counter("came_again", "RateLimitWindow after a missed lock, of which no client knows.")
        self.retries = counter("retries", "Transactions begun anew.", "reason")
        self.streams = gauge("streams", "Clients who listen to a stream.")
        self.stream_ends = counter("stream_ends", "Streams that have ended.", "reason")
        self.lane_threads = gauge("lane_threads", "Threads that answer.", "lane")
        self.lane_busy = gauge("lane_busy", "Threads that are answering.", "lane")
        self.lane_waiting = gauge("lane_waiting", "Requests that wait for a thread.", "lane")
        self.lane_seconds = counter("lane_busy_seconds", "Time that threads spent answering.", "lane")


_figures: _Figures | None = None
_registry: Any = None
_slot: Any = None  # the locked file; open for as long as the process lives
_outcomes: ContextVar[list[tuple[str, str]] | None] = ContextVar("outcomes", default=None)


def start() -> None:
    """Begin to count, if that is wanted: once a process, before its threads."""
    global _figures, _registry
    if not settings.METRICS_TOKEN or _figures:
        return
    if settings.METRICS_FOLDER:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = settings.METRICS_FOLDER  # read by the package, not by us
        _write_to(_take_slot(Path(settings.METRICS_FOLDER)))
    from prometheus_client import CollectorRegistry, disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]
    _registry = CollectorRegistry()
    _figures = _Figures(_registry)
    _figures.workers.set(1)


def _write_to(slot: int) -> None:
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call, misc, assignment]


def _take_slot(folder: Path) -> int:
    global _slot
    slot = 0
    while not (_slot := _locked(folder, slot)):
        slot += 1
    _forget_state(folder, slot)
    return slot


def _locked(folder: Path, slot: int) -> Any:
    """Lock a slot; None if a process has it."""
    import fcntl  # where there is none, there is no core.server.serve either

    file = (folder / f"slot-{slot}").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _forget_state(folder: Path, slot: int) -> None:
    """Forget what a process that has ended was just doing; what it has done still counts."""
    (folder / f"gauge_livesum_{slot}.db").unlink(missing_ok=True)


# --- What is counted, and by whom ----------------------------------------------------------------


def counted(verb: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Count what comes of a verb of the domain: ``done``, ``replayed``, or the code of a refusal."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def counting(*args: P.args, **kwargs: P.kwargs) -> R:
            outcomes = _outcomes.get()
            if outcomes is None:
                return function(*args, **kwargs)
            try:
                result = function(*args, **kwargs)
            except Exception as refusal:
                outcomes.append((verb, _outcome(refusal, getattr(refusal, "code", "fault"))))
                raise
            outcomes.append((verb, _outcome(result, "done")))
            return result

        return counting

    return decorate


def count_operation(operation: str, outcome: str, door: str) -> None:
    """Count what came of an operation: ``done``, ``replayed``, or the code of a refusal."""
    outcomes = _outcomes.get()
    if outcomes is not None:
        outcomes.append((operation, outcome))


def _outcome(told: Any, outcome: str) -> str:
    return "replayed" if getattr(told, "replayed", False) else outcome


def begin_try() -> None:
    """Hold what verbs come to until it is known whether a client will hear of it."""
    if _figures:
        _outcomes.set([])


def end_try(match: Any, *, missed_a_lock: bool, comes_again: bool) -> None:
    """Count what came of one try to answer a request; of one that comes again, only that it did."""
    if not _figures:
        return
    if missed_a_lock:
        _figures.locks_missed.inc()
    if comes_again:
        _figures.came_again.inc()
        return
    for verb, outcome in _outcomes.get() or ():
        _labelled(_figures.verbs, verb, outcome, "graphql" if route_of(match) == "graphql" else "rest").inc()


def count_request(method: str, match: Any, status: int, seconds: float) -> None:
    if _figures:
        route = route_of(match)
        method = method if method in METHODS else "other"
        _labelled(_figures.requests, route, method, status).inc()
        _labelled(_figures.seconds, route, method).observe(seconds)


@functools.cache
def _labelled(figure: Any, *labels: Any) -> Any:
    """Give a figure of these labels. The package looks longer for it, each time."""
    return figure.labels(*labels)


def route_of(match: Any) -> str:
    """Name the address that a request was for, by core.urls; anybody can make up paths, but not names."""
    if match is None or not match.url_name:
        return "other"
    return str(match.namespaces[0] if match.namespaces else match.url_name.partition("@")[0])


def count_gate_refusal(code: str) -> None:
    if _figures:
        _figures.gate_refusals.labels(code).inc()


def count_stream(change: int, ended: str = "") -> None:
    """Count a stream that has begun, or has ended and why."""
    if _figures:
        _figures.streams.inc(change)
        if change < 0:
            _figures.stream_ends.labels(ended or "fault").inc()


def count_throttled(budget: str) -> None:
    if _figures:
        _figures.throttled.labels(budget).inc()


def count_retry(sqlstate: str | None) -> None:
    if _figures:
        _figures.retries.labels(RETRIED.get(str(sqlstate), "other")).inc()


class LaneFigures:
    """Who waits in a lane, and who is being answered."""

    def __init__(self, lane: str, threads: int) -> None:
        self._counts = _figures is not None
        if _figures:
            _figures.lane_threads.labels(lane).set(threads)
            self._waiting, self._busy = _figures.lane_waiting.labels(lane), _figures.lane_busy.labels(lane)
            self._seconds = _figures.lane_seconds.labels(lane)

    def arrives(self) -> None:
        if self._counts:
            self._waiting.inc()

    def begins(self) -> float:
        if self._counts:
            self._waiting.dec()
            self._busy.inc()
            return time.perf_counter()
        return 0

    def ends(self, began: float) -> None:
        if self._counts:
            self._busy.dec()
            self._seconds.inc(time.perf_counter() - began)


# --- Who asks ------------------------------------------------------------------------------------


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus; to everybody else there is no such address."""
    given = request.META.get("HTTP_AUTHORIZATION", "").encode()
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    if not _figures or request.method != "GET" or not hmac.compare_digest(given, wanted):
        raise Http404
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return HttpResponse(generate_latest(_all_figures()), content_type=CONTENT_TYPE_LATEST)


def _all_figures() -> Any:
    if not settings.METRICS_FOLDER:
        return _registry
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    _forget_who_has_ended(Path(settings.METRICS_FOLDER))
    everybodys = CollectorRegistry()
    MultiProcessCollector(everybodys, path=settings.METRICS_FOLDER)  # type: ignore[no-untyped-call]
    return everybodys


def _forget_who_has_ended(folder: Path) -> None:
    for path in folder.glob("slot-*"):
        slot = int(path.name.removeprefix("slot-"))
        if freed := _locked(folder, slot):
            _forget_state(folder, slot)
            freed.close()
