"""Every address answers with and without its slash, and under /api/; and every error is JSON in one shape."""

import json
import re
from typing import Any

import pytest
from django.conf import settings as live_settings
from django.test import Client

from catalog.models import Show
from core.models import User
from tests.conftest import PASSWORD
from tests.doors import token_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_client_lives_on_either_form_of_each_address(rest: Any, sam: User, prefix: str, slash: str) -> None:
    def send(method: str, address: str, body: Any = None, who: Any = None) -> Any:
        return rest.send(method, f"{prefix}{address}{slash}", body, who)

    credentials = {"username": "carol", "password": PASSWORD}
    assert send("POST", "/signup", credentials).status_code == 201
    pair = send("POST", "/login", credentials).json()
    pair = send("POST", "/token/refresh", {"refresh": pair["refresh"]}).json()
    pair = send("POST", "/login/refresh", {"refresh": pair["refresh"]}).json()
    carol = pair["access"]
    assert send("GET", "/me", who=carol).json()["username"] == "carol"
    movie = send("POST", "/movies", {"title": "M", "duration_minutes": 111}, sam).json()["id"]
    assert send("GET", "/movies").json()[0]["id"] == send("GET", f"/movies/{movie}").json()["id"] == movie
    show = {"screen_name": "Aurora", "date_time": "2030-12-24T18:30:00Z", "total_seats": 4}
    show = send("POST", f"/movies/{movie}/shows", show, sam).json()["id"]
    assert send("GET", f"/movies/{movie}/shows").json()[0]["id"] == send("GET", f"/shows/{show}").json()["id"] == show
    booked = send("POST", f"/shows/{show}/book", {"seat_number": 1}, carol)
    assert booked.status_code == 201
    booking = booked.json()["id"]
    assert send("GET", f"/bookings/{booking}", who=carol).json() == booked.json()
    assert send("POST", f"/bookings/{booking}/cancel", who=carol).json()["status"] == "cancelled"
    assert len(send("GET", "/my-bookings", who=carol).json()) == 1
    assert send("POST", "/logout", {"refresh": pair["refresh"]}).status_code == 204
    for address in ("/schema", "/swagger", "/livez", "/readyz"):
        assert rest.client.get(f"{prefix}{address}{slash}").status_code == 200


@pytest.mark.parametrize("address", ["/api/token/", "/api/token"])
def test_the_older_services_login_is_there(rest: Any, alice: User, address: str) -> None:
    response = rest.send("POST", address, {"username": "alice", "password": PASSWORD})
    assert set(response.json()) == {"access", "refresh"}


def error(response: Any, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response["Content-Type"]) == (status, "application/json"), response.content
    body: dict[str, Any] = json.loads(response.content)
    assert body["code"] == code
    assert body["detail"]
    assert response["X-Request-ID"]
    return body


class TestErrors:
    @pytest.mark.parametrize("debug", [False, True])
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    @pytest.mark.parametrize(
        "address",
        ["/nowhere", "/nowhere/", "/movies/abc/", "/movies/-1/", "/movies/1.5/", f"/movies/{10**30}/", "/movies//"],
    )
    def test_an_unknown_address_is_not_found(
        self, rest: Any, settings: Any, address: str, method: str, debug: bool
    ) -> None:
        settings.DEBUG = debug
        error(rest.send(method, address), 404, "not_found")

    @pytest.mark.parametrize(
        ("method", "address", "allowed"),
        [
            ("DELETE", "/movies/", "GET, POST"),
            ("GET", "/signup", "POST"),
            ("PUT", "/my-bookings/", "GET"),
            ("GET", "/shows/1/book/", "POST"),
            ("OPTIONS", "/movies/", "GET, POST"),
            ("POST", "/livez", "GET"),
            ("PATCH", "/schema/", "GET"),
        ],
    )
    def test_a_method_that_is_not_there_is_told_before_anything_else(
        self, rest: Any, method: str, address: str, allowed: str
    ) -> None:
        response = rest.send(method, address)
        error(response, 405, "method_not_allowed")
        assert set(allowed.split(", ")) <= set(response["Allow"].split(", "))

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*"])
    def test_nothing_but_json_is_to_be_had(self, rest: Any, accept: str) -> None:
        error(rest.send("GET", "/movies/", Accept=accept), 406, "not_acceptable")

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    def test_nothing_but_json_is_taken(self, rest: Any, content_type: str) -> None:
        response = rest.client.generic("POST", "/login", b"username=alice", content_type=content_type)
        error(response, 415, "unsupported_media_type")
        empty = rest.client.generic("POST", "/login", b"", CONTENT_TYPE=content_type)
        error(empty, 415, "unsupported_media_type")

    def test_an_empty_body_is_an_empty_object(self, rest: Any, db: None) -> None:
        for content_type in ("", "application/json", "application/json; charset=utf-8"):
            error(rest.client.generic("POST", "/login", b"", CONTENT_TYPE=content_type), 400, "invalid")

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"{'a': 1}",
            b"\xff\xfe",
            b'{"username": "\xff"}',
            b'{"username": "\\ud800"}',
            b'["\\udc00"]',
            b'["\\udc00", 1.5]',
            b'{"\\ud800": 1}',
            b"[" * 101 + b"]" * 101,
            b"[" * 1000 + b"]" * 1000,
            b"[" * 30_000,
            b'{"a":' * 5000 + b"1" + b"}" * 5000,
            b'{"a": NaN}',
            b'{"a": -Infinity}',
            b'{"a": ' + b"9" * 5000 + b"}",
            b'{"username": "a", "username": "b"}',
            b'{"a": {"b": 1, "b": 2}}',
            b"\xef\xbb\xbf{}",
            b"{} {}",
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_a_body_that_is_no_json_is_malformed_at_both_doors(self, rest: Any, graph: Any, body: bytes) -> None:
        error(rest.send("POST", "/login", body), 400, "malformed_json")
        response = graph.send(body)
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "malformed_json")

    def test_a_whole_surrogate_pair_beside_a_fraction_is_json(self, rest: Any, graph: Any) -> None:
        body = b'{"username": "\\ud83c\\udfac", "password": 1.5}'
        assert list(error(rest.send("POST", "/login", body), 400, "invalid")["errors"]) == ["password"]
        assert graph.send(body).json()["errors"][0]["extensions"]["code"] == "invalid"
        body = b'{"query": "{ me { id } }", "variables": {"a": "\\ud83c\\udfac", "b": 1.5}}'
        assert graph.send(body).json() == {"data": {"me": None}}

    @pytest.mark.parametrize(
        "body", [b"null", b"[" * 100 + b"]" * 100, b"5", b'"text"', b"true", b"[]", b"[{}]", b"1.5"]
    )
    def test_a_body_that_is_no_object_is_invalid_at_both_doors(self, rest: Any, graph: Any, body: bytes) -> None:
        assert error(rest.send("POST", "/login", body), 400, "invalid")["errors"]
        response = graph.send(body)
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "invalid")

    def test_an_empty_body_lacks_its_fields(self, rest: Any) -> None:
        assert set(error(rest.send("POST", "/login", b""), 400, "invalid")["errors"]) == {"username", "password"}

    def test_a_body_over_the_limit_is_too_large_at_both_doors(self, rest: Any, graph: Any) -> None:
        body = b'"' + b"a" * live_settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"'
        error(rest.send("POST", "/login", body), 413, "payload_too_large")
        response = graph.send(body)
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (413, "payload_too_large")

    def test_a_bad_token_is_refused_on_open_addresses_too(self, rest: Any) -> None:
        response = rest.send("GET", "/movies/", who="nonsense")
        error(response, 401, "token_not_valid")
        assert re.match(r'Bearer realm="\w+", error="', response["WWW-Authenticate"])

    @pytest.mark.parametrize("header", ["Basic YTpi", "Token abc", "Bearer", "bearer x y"])
    def test_another_kind_of_credentials_is_none(self, rest: Any, alice: User, header: str) -> None:
        response = rest.client.get("/me/", headers={"Authorization": header})
        assert response.status_code == 401

    def test_a_session_speaks_for_nobody(self, rest: Any, graph: Any, sam: User) -> None:
        rest.client.force_login(sam)
        error(rest.send("GET", "/me/"), 401, "not_authenticated")
        assert graph.me(None).facts is None

    def test_a_thousand_parameters_are_refused(self, rest: Any) -> None:
        query = "&".join(f"a{number}=1" for number in range(1100))
        error(rest.send("GET", f"/movies/?{query}"), 400, "invalid")

    def test_a_parameter_that_there_is_not_is_refused(self, rest: Any) -> None:
        body = error(rest.send("GET", "/movies/?serach=alien"), 400, "invalid")
        assert list(body["errors"]) == ["serach"]

    def test_a_body_in_chunks_is_not_taken_for_none(self, rest: Any) -> None:
        error(rest.send("POST", "/login", b"", **{"Transfer-Encoding": "chunked"}), 400, "malformed_json")

    @pytest.mark.parametrize("address", ["/admin", "/favicon.ico"])
    def test_where_a_page_is_leads_a_browser_and_nobody_else(self, address: str) -> None:
        client = Client(enforce_csrf_checks=True)
        assert client.get(address, headers={"accept": "text/html"}).status_code == 302
        error(client.post(address), 405, "method_not_allowed")

    def test_a_foreign_host_is_refused(self, rest: Any, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["example.com"]
        error(rest.client.get("/livez", headers={"host": "evil.example"}), 400, "invalid")

    def test_a_fault_outside_every_view_tells_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("whitenoise.middleware.WhiteNoiseMiddleware.__call__", _fail)
        response = Client(raise_request_exception=False).get("/livez")
        assert error(response, 500, "internal_error").keys() == {"code", "detail"}

    def test_a_fault_in_a_plain_view_tells_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("graphql_api.picker.views.render", _fail)
        response = Client(raise_request_exception=False).get("/")
        assert error(response, 500, "internal_error").keys() == {"code", "detail"}


def _fail(*_: Any, **__: Any) -> None:
    raise ValueError("secret words")


class TestHealth:
    def test_is_alive_without_the_database(self, rest: Any, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert rest.client.get("/livez").json() == {"status": "ok"}

    def test_is_ready_with_it(self, rest: Any) -> None:
        assert rest.client.get("/readyz").json() == {"status": "ok"}


class TestHeaders:
    def test_every_answer_has_an_id_and_a_policy(self, rest: Any) -> None:
        response = rest.client.get("/livez", headers={"X-Request-ID": "from-the-client.1"})
        assert response["X-Request-ID"] == "from-the-client.1"
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert response["Referrer-Policy"] == "same-origin"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', "a\tb"])
    def test_an_id_that_could_be_mistaken_is_replaced(self, rest: Any, given: str) -> None:
        response = rest.client.get("/livez", headers={"X-Request-ID": given})
        assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])

    def test_a_named_origin_may_call_from_a_browser(self, rest: Any, settings: Any) -> None:
        settings.CORS_ALLOWED_ORIGINS = ["https://cinema.example"]
        response = rest.client.options(
            "/shows/1/book/",
            headers={
                "origin": "https://cinema.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type",
            },
        )
        assert response["Access-Control-Allow-Origin"] == "https://cinema.example"
        assert "authorization" in response["Access-Control-Allow-Headers"]
        response = rest.client.get("/movies/", headers={"origin": "https://cinema.example"})
        assert {"Link", "X-Total-Count", "X-Request-ID"} <= set(response["Access-Control-Expose-Headers"].split(", "))
        response = rest.client.get("/movies/", headers={"origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in response


class TestLogs:
    def test_one_line_a_request_with_its_id_and_no_secret(
        self, rest: Any, graph: Any, alice: User, show: Show, caplog: pytest.LogCaptureFixture
    ) -> None:
        from core.observability.logs import JSONFormatter

        rest.login(username="alice", password=PASSWORD)
        graph.login(username="alice", password="wrong " + PASSWORD)
        graph.ask('mutation { login(input: {username: "alice", password: "inline secret"}) { x } }')
        graph.ask('mutation { login(input: {username: "alice", password: "inline secret"} }')
        token = token_of(alice)
        rest.refresh(token)
        rest.book(token, show.pk, 1)
        response = rest.client.get(f"/movies/?search={token}", headers={"X-Request-ID": "abc"})
        assert response["X-Request-ID"] == "abc"
        lines = [JSONFormatter().format(record) for record in caplog.records]
        assert len([line for line in lines if json.loads(line)["logger"] == "request"]) == len(lines) == 7
        assert all("\n" not in line for line in lines)
        for secret in (PASSWORD, "inline secret", token, "search"):
            assert secret not in "".join(lines)

    def test_a_fault_is_one_line_too(
        self, rest: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from core.observability.logs import JSONFormatter

        monkeypatch.setattr("catalog.models.MovieQuerySet.search", _fail)
        rest.send("GET", "/movies/?search=fault")
        fault = next(record for record in caplog.records if record.message == "internal_error")
        line = JSONFormatter().format(fault)
        assert "\n" not in line
        assert "ValueError: secret words" in json.loads(line)["traceback"]


def test_the_admin_answers_under_a_prefix_too(client: Client, db: None) -> None:
    assert client.get("/admin/login/", SCRIPT_NAME="/tickets").status_code == 200
