"""Traces: a span a request, one a statement within it, and in neither what must not leave the process."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.core.test_settings import GOOD, run
from tests.postgres import free_port, server
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
    with server() as postgres:
        service = Service(
            database_url=postgres.url,
            log=tmp_path_factory.mktemp("traced") / "log",
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


@pytest.mark.only("postgresql")
class TestSpans:
    def test_of_requests_are_named_by_their_route(self, service: Service, collector: Collector) -> None:
        answer = send(service, "GET", "/api/movies/12345/?page=1")
        span = collector.span("GET api/movies/<id:movie_id>/")
        assert facts(span) == {
            "http.method": "GET",
            "http.route": "api/movies/<id:movie_id>/",
            "http.status_code": 404,
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

    def test_of_requests_hold_their_statements(self, service: Service, collector: Collector) -> None:
        send(service, "GET", "/readyz")
        request = collector.span("GET readyz")
        (statement,) = [span for span in collector.spans if span.parent_span_id == request.span_id]
        assert facts(statement) == {"db.system": "postgresql", "db.name": "postgres", "db.statement": "SELECT 1"}
        assert request.start_time_unix_nano <= statement.start_time_unix_nano
        assert statement.end_time_unix_nano <= request.end_time_unix_nano

    def test_tell_nothing_of_the_client(self, service: Service, collector: Collector) -> None:
        token = "header.token.secret"
        send(service, "GET", "/movies/?search=sought-words", Authorization=f"Bearer {token}")
        send(service, "POST", "/signup", {"username": "typed-name", "password": "typed-password"})
        send(service, "POST", "/signup", {"username": "typed-name", "password": "typed-password"})
        send(service, "POST", "/login", {"username": "typed-name", "password": "typed-password"})
        mutation = "mutation($input: LoginInput!) { login(input: $input) { __typename } }"
        typed = {"input": {"username": "typed-name", "password": "typed-password"}}
        send(service, "POST", "/graphql/", {"query": mutation, "variables": typed})
        for name in ("POST graphql/", "GET movies/", "POST signup", "POST login", "SELECT", "INSERT"):
            collector.span(name)
        time.sleep(0.5)
        assert b"core_user" in collector.received
        for secret in (b"secret", b"sought-words", b"typed-name", b"typed-password", b"TYPED"):
            assert secret not in collector.received
        failed = [span for span in collector.spans if span.name == "INSERT" and span.status.code]
        assert failed, "the second sign-up was refused by the database, whose message has the name"
        assert not any(span.status.message or span.events for span in failed)


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
        "module",
        ["opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.instrumentation.django"],
    )
    def test_says_that_a_package_is_missing_and_serves(self, module: str) -> None:
        started = run("-c", BLOCK.format(module=module), **GOOD, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
        assert started.returncode == 0, started.stderr
        (told,) = [line for line in started.stderr.splitlines() if "nothing is traced" in line]
        assert json.loads(told)["level"] == "error"
        assert module in told
        assert "requirements-otel.txt" in told
