"""The application as its users get it: a process of its own, a database of its own, the demo's cinema."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Served:
    """Where it is served, and what the tests prepare over REST before they open a page."""

    origin: str
    passwords: dict[str, str]
    _tokens: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(
            self.origin + path, None if body is None else json.dumps(body).encode(), headers, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def token(self, username: str) -> str:
        if username not in self._tokens:
            pair = self.send("POST", "/login", {"username": username, "password": self.passwords[username]})
            self._tokens[username] = pair["access"]
        return self._tokens[username]

    def make_show(self, *, title: str, seats: int = 5) -> int:
        staff = self.token("staff")
        movie = self.send("POST", "/movies/", {"title": title, "duration_minutes": 104}, staff)
        begins = datetime.now(UTC) + timedelta(days=1)
        show = {"screen_name": "Aurora", "date_time": begins.isoformat(), "total_seats": seats}
        return int(self.send("POST", f"/movies/{movie['id']}/shows/", show, staff)["id"])

    def book(self, show: int, seat: int) -> int:
        return int(self.send("POST", f"/shows/{show}/book/", {"seat_number": seat}, self.token("customer"))["id"])

    def available(self, show: int) -> int:
        return int(self.send("GET", f"/shows/{show}/")["available_seats"])


@contextmanager
def serve(home: Path) -> Iterator[Served]:
    """Migrate, load the demo, and serve on a free port for as long as the block lasts."""
    environment = {
        # What pytest and the outer run have set for themselves is not what is served.
        **{name: value for name, value in os.environ.items() if name not in ("ALLOWED_HOSTS", "NUM_PROXIES")},
        "DJANGO_SETTINGS_MODULE": "core.settings",
        "DATABASE_URL": f"sqlite:///{home / 'cinema.sqlite3'}",
        "DEBUG": "1",
        **{f"THROTTLE_{budget}": "10000/min" for budget in ("SIGNUP", "LOGIN", "REFRESH", "ACCOUNT")},
    }
    passwords = _prepare(environment)
    port = free_port()
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*granian, "--workers", "1", "--blocking-threads", "2", "core.wsgi:application"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        served = Served(f"http://127.0.0.1:{port}", passwords)
        _wait_until_ready(served, process, home / "log")
        yield served
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _prepare(environment: dict[str, str]) -> dict[str, str]:
    """Fill the database, and read the passwords that the demo tells once."""

    def manage(*command: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    manage("migrate", "--verbosity", "0")
    told = manage("demo")
    passwords = dict(re.findall(r"^\s+(staff|customer)\s+(\S+)", told, re.MULTILINE))
    assert set(passwords) == {"staff", "customer"}, f"manage.py demo told no passwords:\n{told}"
    return passwords


def _wait_until_ready(served: Served, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            served.send("GET", "/readyz")
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"The application did not start:\n{log.read_text()[-2000:]}")
