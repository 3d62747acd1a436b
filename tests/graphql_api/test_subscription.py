"""``seatMapChanged`` as clients get it: server-sent events of a served application, on either database."""

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
from django.test import Client

from catalog.models import Show
from tests.doors import global_id
from tests.postgres import server
from tests.service import Service, serving

QUERY = """subscription($show: ID!, $since: String) {
  seatMapChanged(showId: $show, since: $since) { version seats { seatNumber label status } }
}"""
EVENTS = "text/event-stream"
PASSWORD = "correct horse battery staple"
KEY = "k" * 64


class Cinema:
    def __init__(self, service: Service, url: str) -> None:
        self.service = service
        self.database_url = url
        self.send("POST", "/signup", {"username": "alice", "password": PASSWORD})
        service.manage("createsuperuser", "--no-input", "--username", "sam", "--email", "sam@example.com")
        self.alice, self.sam = (
            self.send("POST", "/login", {"username": name, "password": PASSWORD})["access"] for name in ("alice", "sam")
        )
        self.movie = self.send("POST", "/movies/", {"title": "M", "duration_minutes": 104}, self.sam)["id"]

    def send(self, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Any:
        sender = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=10)
        headers |= {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        sender.request(method, path, None if body is None else json.dumps(body), headers)
        response = sender.getresponse()
        content = response.read()
        sender.close()
        self.status, self.headers = response.status, response.headers
        return json.loads(content) if content.startswith((b"{", b"[")) else content

    def make_show(self, seats: int = 5) -> int:
        begins = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        show = {"screen_name": "Aurora", "date_time": begins, "total_seats": seats}
        return int(self.send("POST", f"/movies/{self.movie}/shows/", show, self.sam)["id"])

    def book(self, show: int, seat: int) -> int:
        booking = self.send("POST", f"/shows/{show}/book/", {"seat_number": seat}, self.alice)
        assert self.status == 201, booking
        return int(booking["id"])

    def ask(self, query: str, variables: Any = None, token: str = "", accept: str = EVENTS) -> Any:
        return self.send("POST", "/graphql/", {"query": query, "variables": variables}, token, Accept=accept)


class Stream:
    """Somebody who watches a show over a connection of its own."""

    def __init__(
        self,
        cinema: Cinema,
        show: int,
        since: str | None = None,
        token: str = "",
        query: str = QUERY,
        name: str | None = None,
        buffer: int = 0,
    ) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", cinema.service.port))
        variables = {"show": global_id("Show", show), "since": since}
        body = json.dumps({"query": query, "variables": variables, "operationName": name})
        head = [
            "POST /graphql/ HTTP/1.1", "Host: 127.0.0.1", f"Accept: {EVENTS}", "Content-Type: application/json",
            f"Content-Length: {len(body)}", *([f"Authorization: Bearer {token}"] if token else []),
        ]  # fmt: skip
        self.socket.sendall(("\r\n".join(head) + "\r\n\r\n" + body).encode())
        self._heard = b""
        self.status = int(self._until(b"\r\n\r\n").split(b" ")[1])
        self._events: list[tuple[str, Any]] = []
        self.text = b""
        self.seats: dict[int, str] = {}
        self.version = since

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._heard:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise EOFError
            self._heard += chunk
        found, self._heard = self._heard.split(mark, 1)
        return found

    def next(self, within: float = 10) -> tuple[str, Any]:
        """Wait for the next event.

        :raises EOFError: the stream has ended.
        """
        self.socket.settimeout(within)
        while not self._events:
            size = int(self._until(b"\r\n"), 16)
            if not size:
                raise EOFError
            while len(self._heard) < size + 2:
                self._heard += self.socket.recv(65536)
            chunk, self._heard = self._heard[:size], self._heard[size + 2 :]
            self.text += chunk
            for block in chunk.decode().split("\n\n"):
                if block.startswith("event: "):
                    name, _, rest = block.removeprefix("event: ").partition("\n")
                    self._events.append((name, rest.removeprefix("data:").strip()))
        name, content = self._events.pop(0)
        if name == "next":
            change = json.loads(content)["data"].get("seatMapChanged", {"version": None, "seats": []})
            self.version = change["version"]
            self.seats |= {seat["seatNumber"]: seat["status"] for seat in change["seats"]}
        return name, content

    def hears(self, seat: int, status: str, within: float = 3) -> None:
        until = time.monotonic() + within
        while self.seats.get(seat) != status:
            self.next(max(0.01, until - time.monotonic()))

    def ends(self, within: float = 5) -> None:
        until = time.monotonic() + within
        with suppress(EOFError):
            while True:
                self.next(max(0.01, until - time.monotonic()))

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cinema]:
    home = tmp_path_factory.mktemp("streams")
    settings = {"JWT_SIGNING_KEY": KEY, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}

    def opened(url: str) -> Iterator[Cinema]:
        service = Service(database_url=url, log=home / "log", settings=settings)
        service.manage("migrate", "--verbosity", "0")
        with serving(service):
            yield Cinema(service, url)

    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        with server() as postgres:
            yield from opened(postgres.url)
    else:
        yield from opened(f"sqlite:///{home / 'cinema.sqlite3'}")


@pytest.fixture
def watch(cinema: Cinema) -> Iterator[Callable[..., Stream]]:
    opened: list[Stream] = []

    def watch(*arguments: Any, **options: Any) -> Stream:
        opened.append(Stream(cinema, *arguments, **options))
        return opened[-1]

    yield watch
    for stream in opened:
        stream.close()


Watch = Callable[..., Stream]


class TestEvents:
    def test_tell_all_seats_and_then_what_changes(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        streams = [watch(show) for _ in range(6)]  # of both processes
        for stream in streams:
            assert stream.status == 200
            stream.next()
            assert stream.seats == dict.fromkeys(range(1, 6), "AVAILABLE")
        booking = cinema.book(show, 3)
        for stream in streams:
            stream.hears(3, "BOOKED")
        cinema.send("POST", f"/bookings/{booking}/cancel/", token=cinema.alice)
        for stream in streams:
            stream.hears(3, "AVAILABLE")

    def test_resume_where_they_were_left(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        before = watch(show)
        before.next()
        before.close()
        cinema.book(show, 2)
        after = watch(show, before.version)
        after.next()
        assert after.seats == {2: "BOOKED"}

    def test_select_what_was_asked_for(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        query = "subscription($show: ID!) { changed: seatMapChanged(showId: $show) { seats { label } } }"
        own, usual = watch(show, query=query), watch(show)
        assert len(json.loads(own.next()[1])["data"]["changed"]["seats"]) == 5
        cinema.book(show, 3)
        usual.hears(3, "BOOKED")
        assert json.loads(own.next()[1]) == {"data": {"changed": {"seats": [{"label": "A3"}]}}}

    def test_select_what_the_named_operation_asks_for(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        query = QUERY.replace("subscription", "subscription Watch") + " query Who { me { username } }"
        stream = watch(show, query=query, name="Watch")
        cinema.book(show, 3)
        stream.hears(3, "BOOKED")

    def test_tell_nothing_about_people(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        stream = watch(show, token=cinema.alice)
        cinema.book(show, 3)
        stream.hears(3, "BOOKED")
        assert b"alice" not in stream.text
        assert b"mine" not in stream.text
        assert cinema.ask('subscription { seatMapChanged(showId: "x") { seats { mine } } }')["errors"]

    def test_are_of_one_show(self, cinema: Cinema, watch: Watch) -> None:
        show, other = cinema.make_show(), cinema.make_show()
        stream = watch(show)
        stream.next()
        cinema.book(other, 3)
        with pytest.raises(TimeoutError):
            stream.next(within=1.5)

    def test_end_with_the_show(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        stream = watch(show)
        stream.next()
        cinema.send("DELETE", f"/shows/{show}/", token=cinema.sam)
        assert cinema.status == 204
        assert stream.next(within=3) == ("complete", "")
        stream.ends()


class TestTokens:
    def test_are_not_needed(self, cinema: Cinema, watch: Watch) -> None:
        assert watch(cinema.make_show()).status == 200

    def test_that_do_not_hold_are_refused(self, cinema: Cinema, watch: Watch) -> None:
        assert watch(cinema.make_show(), token="nonsense").status == 401

    def test_that_run_out_end_the_stream_and_the_next_connection_hears_it(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        claims = jwt.decode(cinema.alice, KEY, algorithms=["HS256"])
        token = jwt.encode(claims | {"exp": int(time.time()) + 2}, KEY, algorithm="HS256")
        stream = watch(show, token=token)
        assert stream.status == 200
        stream.ends(within=5)
        assert watch(show, token=token).status == 401


class TestRefusals:
    def test_of_a_show_that_there_is_not(self, cinema: Cinema) -> None:
        told = cinema.ask(QUERY, {"show": global_id("Show", 10**9)})
        assert (cinema.status, told["errors"][0]["extensions"]["code"]) == (404, "not_found")

    @pytest.mark.parametrize("since", ["", "yesterday", "9" * 18])
    def test_of_what_is_no_version(self, cinema: Cinema, since: str) -> None:
        told = cinema.ask(QUERY, {"show": global_id("Show", cinema.make_show()), "since": since})
        assert (cinema.status, told["errors"][0]["extensions"]["code"]) == (400, "invalid")
        assert list(told["errors"][0]["extensions"]["errors"]) == ["since"]

    def test_of_two_at_once(self, cinema: Cinema) -> None:
        one = 'seatMapChanged(showId: "x") { version }'
        told = cinema.ask(f"subscription {{ one: {one} two: {one} }}")
        assert (cinema.status, told["errors"][0]["extensions"]["code"]) == (400, "invalid")

    def test_of_a_client_who_reads_no_events(self, cinema: Cinema) -> None:
        told = cinema.ask(QUERY, {"show": global_id("Show", 1)}, accept="application/json")
        assert (cinema.status, told["errors"][0]["extensions"]["code"]) == (406, "not_acceptable")

    @pytest.mark.django_db
    def test_where_each_request_is_answered_once(self, client: Client, show: Show) -> None:
        body = {"query": QUERY, "variables": {"show": global_id("Show", show.pk)}}
        told = client.post("/graphql/", body, content_type="application/json", headers={"accept": EVENTS})
        assert (told.status_code, told.json()["errors"][0]["extensions"]["code"]) == (406, "not_acceptable")


class TestOtherOperations:
    def test_are_one_event_to_who_reads_nothing_else(self, cinema: Cinema) -> None:
        told = cinema.ask("{ me { username } }", token=cinema.alice)
        assert told == b'event: next\ndata: {"data":{"me":{"username":"alice"}}}\n\nevent: complete\ndata:\n\n'
        assert cinema.headers["Content-Type"] == EVENTS

    def test_are_json_to_who_reads_both(self, cinema: Cinema) -> None:
        told = cinema.ask("{ me { username } }", token=cinema.alice, accept=f"application/json, {EVENTS}")
        assert told == {"data": {"me": {"username": "alice"}}}

    def test_are_chosen_by_their_name(self, cinema: Cinema) -> None:
        query = QUERY.replace("subscription", "subscription Watch") + " query Who { me { username } }"
        body = {"query": query, "operationName": "Who"}
        assert cinema.send("POST", "/graphql/", body, Accept="application/json") == {"data": {"me": None}}


class TestServing:
    def test_what_a_client_does_not_take_is_not_kept_for_it(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show(seats=2000)
        before = _megabytes(cinema)
        # All of 2,000 seats again and again, for as long as the system takes it from the server.
        idle = [watch(show, buffer=4096) for _ in range(20)]
        reader = watch(show)
        for number in range(40):
            cinema.send("PATCH", f"/shows/{show}/", {"seats_per_row": 10 + number}, cinema.sam)
            reader.next()
        assert _megabytes(cinema) - before < 30
        assert len(idle) == 20

    def test_whoever_leaves_frees_all(self, cinema: Cinema, watch: Watch) -> None:
        before = _files(cinema)
        streams = [watch(cinema.make_show()) for _ in range(20)]
        assert _files(cinema) >= before + 20
        for stream in streams:
            stream.close()
        _becomes(lambda: _files(cinema) <= before + 4)

    @pytest.mark.only("postgresql")
    def test_streams_hold_no_connection_to_the_database(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        for _ in range(50):
            watch(show).next()
        with psycopg.connect(cinema.database_url) as session:
            counted: Any = session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        # Two workers: two threads that answer, one each for passwords, for readiness, and for what is watched.
        assert counted[0] <= 10

    def test_a_reload_ends_streams_and_nothing_is_missed(self, cinema: Cinema, watch: Watch) -> None:
        show = cinema.make_show()
        streams = [watch(show) for _ in range(4)]
        for stream in streams:
            stream.next()
        old = set(cinema.service.workers())
        cinema.service.reload()
        for stream in streams:
            stream.ends(within=30)
        cinema.book(show, 3)
        for stream in streams:
            again = watch(show, stream.version)
            again.next()
            assert again.seats == {3: "BOOKED"}
        _becomes(lambda: not old & set(cinema.service.workers()), within=30)


def _megabytes(cinema: Cinema) -> float:
    held = (Path(f"/proc/{pid}/statm").read_text().split() for pid in cinema.service.workers())
    return max((int(resident) - int(shared)) * 4096 / 1e6 for _, resident, shared, *_ in held)


def _files(cinema: Cinema) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in cinema.service.workers())


def _becomes(holds: Callable[[], bool], within: float = 5) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
