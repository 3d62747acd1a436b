"""The application as its users get it: a process of its own, a database of its own, the demo's cinema."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.service import Service, serving


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
    service = Service(database_url=f"sqlite:///{home / 'cinema.sqlite3'}", log=home / "log", workers=1)
    passwords = service.prepare()
    with serving(service):
        yield Served(service.origin, passwords)
