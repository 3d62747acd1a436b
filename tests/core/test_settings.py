"""The settings in a process of their own, since they are read when it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECRET_KEY": "s" * 30 + "0123456789abcdefghijk",
    "JWT_SIGNING_KEY": "j" * 60,
    "ALLOWED_HOSTS": "cinema.example",
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, timeout=60
    )


def production(**environment: str) -> subprocess.CompletedProcess[str]:
    return run("-c", "import core.wsgi", **environment)


class TestProduction:
    def test_starts_with_all_that_it_needs(self) -> None:
        assert production(**GOOD).returncode == 0

    @pytest.mark.parametrize(
        ("environment", "words"),
        [
            ({}, ["SECRET_KEY is not set", "JWT_SIGNING_KEY is not set", "ALLOWED_HOSTS is not set"]),
            ({**GOOD, "SECRET_KEY": ""}, ["SECRET_KEY is not set"]),
            ({**GOOD, "JWT_SIGNING_KEY": "x" * 49}, ["JWT_SIGNING_KEY is shorter than 50"]),
            ({**GOOD, "SECRET_KEY": "x"}, ["SECRET_KEY is shorter than 50"]),
            ({**GOOD, "SECRET_KEY": GOOD["JWT_SIGNING_KEY"]}, ["SECRET_KEY and JWT_SIGNING_KEY are equal"]),
            ({**GOOD, "ALLOWED_HOSTS": " , "}, ["ALLOWED_HOSTS is not set"]),
            ({**GOOD, "THROTTLE_LOGIN": "many"}, ["THROTTLE_LOGIN must read like 60/min"]),
            ({**GOOD, "THROTTLE_ACCOUNT": "0/min"}, ["THROTTLE_ACCOUNT must read like"]),
            ({**GOOD, "NUM_PROXIES": "two"}, ["NUM_PROXIES must be a whole number"]),
            ({**GOOD, "DATABASE_URL": "mysql://x/y"}, ["DATABASE_URL must begin with postgres:// or sqlite:///"]),
        ],
        ids=str,
    )
    def test_does_not_start_and_says_why(self, environment: dict[str, str], words: list[str]) -> None:
        started = production(**environment)
        assert started.returncode != 0
        assert all(word in started.stderr for word in words)

    def test_passes_djangos_own_check(self) -> None:
        checked = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **GOOD, DEBUG="0")
        assert checked.returncode == 0, checked.stderr

    def test_shows_neither_its_schema_nor_graphiql(self) -> None:
        script = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
import django
django.setup()
from django.test import Client
client = Client(headers={"host": "cinema.example", "x-forwarded-proto": "https"})
page = client.get("/graphql/", headers={"accept": "text/html"})
assert page.status_code == 405, page.status_code
for query in (
    "{ __schema { types { name } } }",
    '{ __type(name: "User") { name } }',
    "{ movis { id } }",
    "{ movies(firs: 1) { totalCount } }",
    "{ node(id: 1) { ... on Movi { id } } }",
    "{ myBookings(status: BOKED) { totalCount } }",
    'mutation { login(input: {usernme: "a", password: "b"}) { __typename } }',
):
    answer = client.post("/graphql/", {"query": query}, content_type="application/json")
    assert answer.status_code == 400, (query, answer.content)
    assert b"Did you mean" not in answer.content, answer.content
assert client.get("/livez").headers["Strict-Transport-Security"]
plain = Client(headers={"host": "cinema.example"})
assert plain.get("/movies/").status_code == 301
assert plain.get("/livez").status_code == 200
"""
        ran = run("-c", script, **GOOD, NUM_PROXIES="1")
        assert ran.returncode == 0, ran.stderr


class TestDevelopment:
    def test_needs_no_variable(self) -> None:
        assert run("manage.py", "check").returncode == 0

    def test_manage_py_obeys_the_environment(self) -> None:
        assert "SECRET_KEY is not set" in run("manage.py", "check", DEBUG="0").stderr

    def test_finds_its_database_beside_manage_py(self) -> None:
        script = "from core.settings import *; print(DATABASES['default']['NAME'])"
        assert run("-c", script, DEBUG="1").stdout.strip() == str(ROOT / "db.sqlite3")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ("0", "198.51.100.1", "192.0.2.1"),
        ("1", "198.51.100.1", "198.51.100.1"),
        ("1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("2", "203.0.113.9, 198.51.100.1", "203.0.113.9"),
        ("2", "198.51.100.1", "198.51.100.1"),
        ("1", "", "192.0.2.1"),
        ("1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("1", "nonsense", "unreadable"),
        ("1", "198.51.100.1:4711", "198.51.100.1"),
        ("1", "[2001:db8:1:2::6]:4711", "2001:db8:1:2::/64"),
    ],
)
def test_the_clients_address_is_believed_as_far_as_our_proxies_go(
    settings: object, rf: object, proxies: str, forwarded: str, address: str
) -> None:
    from core.throttling import client_address

    settings.NUM_PROXIES = int(proxies)  # type: ignore[attr-defined]
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = rf.get("/", REMOTE_ADDR="192.0.2.1", headers=headers)  # type: ignore[attr-defined]
    assert client_address(request) == address
