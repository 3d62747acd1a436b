"""Traces: a span a request, one a statement within it, and in neither what is nobody else's business."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.backends.signals import connection_created
from django.http import HttpResponse

from core.observability import tracing
from tests.core.test_settings import GOOD, run
from tests.postgres import free_port
from tests.service import Service, serving

CALLER = "0af7651916cd43dd8448eb211c80319c"
BLOCK = "import sys; sys.modules[{module!r}] = None; import core.asgi"
LOADED = "import core.asgi, sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"


class Collector:
    """Receives traces as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.received = b""
        collector = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, content: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.received += content
        for of_one in ExportTraceServiceRequest.FromString(content).resource_spans:
            self.services.add(facts(of_one.resource)["service.name"])
            self.spans += [span for scope in of_one.scope_spans for span in scope.spans]

    def span(self, name: str) -> Any:
        """Wait for the last span of a name."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if found := [span for span in self.spans if span.name == name]:
                return found[-1]
            time.sleep(0.05)
        raise AssertionError(f"{name} is not among {sorted({span.name for span in self.spans})}")


def facts(span: Any) -> dict[str, Any]:
    return {fact.key: fact.value.string_value or fact.value.int_value for fact in span.attributes}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    for module in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        pytest.importorskip(module, reason="requirements-otel.txt is not installed")
    collector = Collector()
    yield collector
    collector.server.shutdown()


@pytest.fixture(scope="module")
def service(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("traced")
    service = Service(
        database_url=f"sqlite:///{home / 'db.sqlite3'}",
        log=home / "log",
        settings={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"},
        workers=1,
    )
    service.manage("migrate", "--verbosity", "0")
    with serving(service):
        yield service


def send(service: Service, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    content = json.dumps(body) if body is not None else None
    connection.request(method, path, content, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


class TestRequests:
    def test_are_named_by_their_route(self, service: Service, collector: Collector) -> None:
        answer = send(service, "GET", "/api/movies/12345/")
        span = collector.span("GET movie")
        assert facts(span) == {
            "http.request.method": "GET",
            "http.route": "movie",
            "http.response.status_code": 404,
            "request.id": answer.headers["X-Request-ID"],
        }
        assert collector.services == {"movie-ticket-booking"}

    def test_belong_to_the_callers_trace(self, service: Service, collector: Collector) -> None:
        send(service, "GET", "/livez", traceparent=f"00-{CALLER}-b7ad6b7169203331-01")
        deadline = time.monotonic() + 10
        while CALLER not in {span.trace_id.hex() for span in collector.spans} and time.monotonic() < deadline:
            time.sleep(0.05)
        (span,) = [span for span in collector.spans if span.trace_id.hex() == CALLER]
        assert (span.name, span.parent_span_id.hex()) == ("GET livez", "b7ad6b7169203331")

    def test_hold_their_statements(self, service: Service, collector: Collector) -> None:
        send(service, "GET", "/readyz")
        request = collector.span("GET readyz")
        (statement,) = [span for span in collector.spans if span.parent_span_id == request.span_id]
        assert facts(statement) == {"db.system.name": "sqlite", "db.query.text": "SELECT 1"}
        assert request.start_time_unix_nano <= statement.start_time_unix_nano
        assert statement.end_time_unix_nano <= request.end_time_unix_nano

    def test_tell_nothing_of_whoever_asks(self, service: Service, collector: Collector) -> None:
        token = "header.token.secret"
        send(service, "GET", "/movies/?search=sought-words", Authorization=f"Bearer {token}")
        send(service, "POST", "/signup", {"username": "typed-name", "password": "typed-password"})
        send(service, "POST", "/signup", {"username": "typed-name", "password": "typed-password"})
        send(service, "POST", "/login", {"username": "typed-name", "password": "typed-password"})
        mutation = "mutation($input: LoginInput!) { login(input: $input) { __typename } }"
        typed = {"input": {"username": "typed-name", "password": "typed-password"}}
        send(service, "POST", "/graphql/", {"query": mutation, "variables": typed})
        for name in ("POST graphql", "GET movies", "POST signup", "POST login", "SELECT", "INSERT"):
            collector.span(name)
        time.sleep(0.5)
        assert b"core_user" in collector.received
        for secret in (b"secret", b"sought-words", b"typed-name", b"typed-password", b"TYPED"):
            assert secret not in collector.received


class TestHere:
    """The same in this process, where the spans are looked at as they end."""

    @pytest.fixture
    def ended(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        pytest.importorskip("opentelemetry.sdk", reason="requirements-otel.txt is not installed")
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        exporter = InMemorySpanExporter()
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{free_port()}"
        monkeypatch.setattr(tracing, "_tracer", None)
        monkeypatch.setattr(tracing, "_provider", None)
        tracing.start()
        tracing._provider._active_span_processor._span_processors = (SimpleSpanProcessor(exporter),)
        tracing._watch_statements(connection)
        yield exporter.get_finished_spans
        connection.execute_wrappers.remove(tracing._statement)
        connection_created.disconnect(tracing._watch_statements)
        tracing.stop()

    @pytest.mark.django_db
    def test_a_statement_that_fails_says_which_sort_of_fault_it_was(self, ended: Any) -> None:
        scope = {"method": "BREW", "headers": [(b"authorization", b"Bearer x")]}
        tracing.begin(scope)
        with tracing.within(scope), pytest.raises(DatabaseError), transaction.atomic():
            connection.cursor().execute("SELECT secret_of FROM nowhere WHERE id = %s", ["typed"])
        tracing.end(scope, HttpResponse(status=503))
        (statement,) = [span for span in ended() if span.name == "SELECT"]
        request = ended()[-1]
        assert request.name == "_OTHER other"
        assert statement.parent.span_id == request.context.span_id
        assert statement.attributes["error.type"] in ("OperationalError", "ProgrammingError")
        assert "typed" not in statement.to_json()
        assert not statement.events, "an event would have the words of the fault"
        assert not statement.status.is_ok
        assert not request.status.is_ok

    def test_a_client_that_left_has_no_status(self, ended: Any) -> None:
        scope = {"method": "GET", "headers": []}
        tracing.begin(scope)
        tracing.end(scope, None)
        (request,) = ended()
        assert dict(request.attributes) == {"http.request.method": "GET", "http.route": "other"}

    def test_what_is_missing_is_told(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:9"
        monkeypatch.setattr(tracing, "_tracer", None)
        monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
        tracing.start()
        assert "nothing is traced, for want of opentelemetry-sdk" in caplog.text
        assert tracing._tracer is None


class TestWithoutACollector:
    def test_a_service_ends_in_time(self, tmp_path: Path) -> None:
        pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="requirements-otel.txt is not installed")
        service = Service(
            database_url=f"sqlite:///{tmp_path / 'db.sqlite3'}",
            log=tmp_path / "log",
            settings={"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"},
            workers=1,
        )
        with serving(service):
            assert send(service, "GET", "/livez").status == 200
            began = time.monotonic()
            service.stop()
        assert time.monotonic() - began < 8
        assert service.process.returncode == 0


class TestStarting:
    def test_imports_nothing_where_nothing_is_to_be_traced(self) -> None:
        assert run("-c", LOADED, **GOOD).stdout.strip() == "[]"

    @pytest.mark.parametrize(
        ("module", "package"),
        [
            ("opentelemetry.sdk", "opentelemetry-sdk"),
            ("opentelemetry.exporter.otlp.proto.http", "opentelemetry-exporter-otlp-proto-http"),
        ],
    )
    def test_says_which_package_is_missing_and_serves(self, module: str, package: str) -> None:
        started = run("-c", BLOCK.format(module=module), **GOOD, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
        assert started.returncode == 0, started.stderr
        (told,) = [line for line in started.stderr.splitlines() if "nothing is traced, for want of" in line]
        assert json.loads(told)["level"] == "error"
        assert package in told
