"""OpenTelemetry traces; nothing is imported without ``OTEL_EXPORTER_OTLP_ENDPOINT``.

The spans are those of OpenTelemetry's instrumentation of Django and psycopg. They leave the process without query
strings, headers, parameters and the texts of errors, which may quote a parameter. The packages are those of
requirements-otel.txt, and read the other ``OTEL_…`` variables themselves.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings

log = logging.getLogger(__name__)

SECONDS_TO_SEND = 2  # for the last spans when a worker ends

# Old and new names of OpenTelemetry's semantic conventions.
EXPORTED = {
    *("http.method", "http.request.method", "http.route", "http.status_code", "http.response.status_code"),
    *("db.system", "db.system.name", "db.name", "db.namespace", "db.statement", "db.query.text", "error.type"),
    *("db.response.status_code", "request.id"),
}

_stop: Callable[[], None] | None = None


def start() -> None:
    """Start tracing if it is set up, before Django loads its middleware."""
    global _stop
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT or _stop:
        return
    try:
        _stop = _start()
    except ImportError as error:  # serving does not depend on traces
        log.error(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but nothing is traced: %s. Requests are served. To trace, install "
            "requirements-otel.txt and restart.",
            error,
        )


def stop() -> None:
    """Send the spans that have not been sent yet."""
    if _stop:
        _stop()


def _start() -> Callable[[], None]:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Status

    class PrivateExporter(OTLPSpanExporter):
        """Sends spans without the attributes that may be secret."""

        def export(self, spans: Any) -> Any:
            return super().export([_without_secrets(span) for span in spans])

    def _without_secrets(span: ReadableSpan) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes={name: value for name, value in (span.attributes or {}).items() if name in EXPORTED},
            kind=span.kind,
            instrumentation_scope=span.instrumentation_scope,
            status=Status(span.status.status_code),  # without its description, an error's text
            start_time=span.start_time,
            end_time=span.end_time,
        )

    def add_request_id(span: Any, request: Any, response: Any) -> None:
        span.set_attribute("request.id", response.headers.get("X-Request-ID", ""))

    resource = Resource.create({"service.name": "movie-ticket-booking"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(PrivateExporter(timeout=SECONDS_TO_SEND)))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(response_hook=add_request_id)
    PsycopgInstrumentor().instrument()
    return provider.shutdown
