"""Traces for OpenTelemetry. Without ``OTEL_EXPORTER_OTLP_ENDPOINT`` nothing is traced, and nothing imported for it.

A request is one span from its headers to its answer, named by its route; each statement is one within it. Neither has
a query string, a header, a body or a parameter, nor the words of a database's fault, which may quote one.

The packages are those of requirements-otel.txt, and read the other ``OTEL_…`` variables themselves.
"""

import importlib
import logging
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.db.backends.signals import connection_created
from django.http import HttpResponse

from core.observability.metrics import METHODS, route_of

Scope = MutableMapping[str, Any]

log = logging.getLogger(__name__)

_PACKAGES = {
    "opentelemetry-sdk": "opentelemetry.sdk.trace.export",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
}
_SECONDS_TO_SEND = 2  # what is left when a worker ends

_provider: Any = None
_tracer: Any = None


def start() -> None:
    """Begin to trace, if that is wanted: once a process."""
    global _provider, _tracer
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT or _tracer:
        return
    if missing := [package for package, module in _PACKAGES.items() if not _is_there(module)]:
        # Seats are sold without traces too.
        log.error(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but nothing is traced, for want of %s: see requirements-otel.txt",
            " and ".join(missing),
        )
        return
    _provider = _new_provider()
    _tracer = _provider.get_tracer("core.observability.tracing")
    connection_created.connect(_watch_statements)


def _is_there(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def _new_provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource.create({"service.name": "movie-ticket-booking"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_SECONDS_TO_SEND)))
    return provider


def stop() -> None:
    """Send what has not been sent yet."""
    if _provider:
        _provider.shutdown()


# --- Requests ------------------------------------------------------------------------------------


def begin(scope: Scope) -> None:
    """Begin the span of a request, within the caller's where one is told."""
    if not _tracer:
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    told = {
        name.decode("latin1"): value.decode("latin1")
        for name, value in scope["headers"]
        if name in (b"traceparent", b"tracestate")
    }
    parent = TraceContextTextMapPropagator().extract(told)
    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
    scope["core.span"] = _tracer.start_span(
        method, context=parent, kind=SpanKind.SERVER, attributes={"http.request.method": method}
    )


def within(scope: Scope) -> AbstractContextManager[Any]:
    """Let what a thread does belong to the request that it does it for."""
    if not _tracer:
        return nullcontext()
    from opentelemetry.trace import use_span

    return use_span(scope["core.span"], record_exception=False, set_status_on_exception=False)


def end(scope: Scope, response: HttpResponse | None) -> None:
    """End the span; without a response, the client was gone."""
    if not _tracer:
        return
    from opentelemetry.trace import StatusCode

    span = scope["core.span"]
    route = route_of(scope.get("core.match"))
    span.update_name(f"{scope['method'] if scope['method'] in METHODS else '_OTHER'} {route}")
    span.set_attribute("http.route", route)
    if response is not None:
        span.set_attribute("http.response.status_code", response.status_code)
        span.set_attribute("request.id", response.headers.get("X-Request-ID", ""))
        if response.status_code >= 500:
            span.set_status(StatusCode.ERROR)
    span.end()


# --- Statements ----------------------------------------------------------------------------------


def _watch_statements(connection: Any, **_: Any) -> None:
    if _statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_statement)


def _statement(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    from opentelemetry.trace import SpanKind, StatusCode

    words = str(sql).strip()
    span = _tracer.start_span(
        words.split(None, 1)[0].upper(),
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": context["connection"].vendor, "db.query.text": words},
    )
    try:
        return execute(sql, params, many, context)
    except Exception as fault:
        span.set_attribute("error.type", type(fault).__name__)
        if state := getattr(fault.__cause__, "sqlstate", None):
            span.set_attribute("db.response.status_code", state)
        span.set_status(StatusCode.ERROR)
        raise
    finally:
        span.end()
