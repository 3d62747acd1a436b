"""Plans of prepared statements scan no table, even if they are made while statistics say that it is empty.

After an ANALYZE of an empty table, which ``vacuumdb --analyze`` runs on a new database, a scan of the table seems to
cost nothing. A prepared statement keeps such a plan while the table grows, until something has it planned again.

Every verb and read of both APIs runs on tables that were analysed while they were empty and filled after that. Their
statements are then planned as PostgreSQL plans them for all parameters, at three moments: with these tables, on the
first claims of a cinema whose movies, shows and accounts were analysed, and with all tables empty.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from psycopg.adapt import PyFormat
from psycopg.pq import ExecStatus

from catalog.models import Show
from core.models import User
from tests.conftest import PASSWORD, make_user
from tests.doors import GraphQLDoor, RestDoor, global_id

pytestmark = [pytest.mark.django_db, pytest.mark.only("postgresql")]

CLAIMS = ["reservations_booking", "reservations_hold", "core_idempotencykey"]
TABLES = [*CLAIMS, "core_user", "catalog_movie", "catalog_show"]

ALLOWED = {
    ("forget_expired", "reservations_booking"): "a command, which looks for the expired holds of all shows",
    ("movies by duration_minutes", "catalog_movie"): "missing index: (duration_minutes, id)",
    ("movies by -duration_minutes", "catalog_movie"): "missing index: (duration_minutes DESC, id)",
}
"""Which actions may scan a table, and why."""

ALLOWED_IN_INDEXES = {
    ("forget_expired", "reservations_booking"): "a command, which looks for the freed seats of all past shows",
    ("forget_expired", "reservations_hold"): "a command, which looks for the holds of all past shows",
    ("forget_expired", "catalog_show"): "a command, which looks for all past shows",
    ("my holds", "reservations_booking"): "planned on the first holds, it goes through the claims of all holds",
}
"""Which actions may read an index from its beginning to its end, and why."""

FILL = """
    INSERT INTO core_user
        (username, email, password, is_superuser, is_staff, is_active, first_name, last_name, date_joined)
    SELECT 'user' || n, '', 'none', false, false, true, '', '', now() FROM generate_series(1, 10000) AS n;
    INSERT INTO catalog_movie (title, duration_minutes)
    SELECT 'Movie ' || n, 60 + n % 100 FROM generate_series(1, 10000) AS n;
    INSERT INTO catalog_show (movie_id, screen_name, date_time, total_seats)
    SELECT (SELECT min(id) FROM catalog_movie) + n % 1000, 'Aurora', now() + n * interval '1 hour', 300
    FROM generate_series(1, 10000) AS n;
    INSERT INTO core_idempotencykey (user_id, key, fingerprint, outcome, created_at)
    SELECT (SELECT min(id) FROM core_user) + n % 1000, 'key' || n, '', '{}', now() FROM generate_series(1, 10000) AS n;
"""
FILL_CLAIMS = """
    INSERT INTO reservations_hold (user_id, show_id, size, created_at)
    SELECT (SELECT min(id) FROM core_user) + n % 1000, (SELECT min(id) FROM catalog_show) + n % 10000, 1, now()
    FROM generate_series(1, {holds}) AS n;
    INSERT INTO reservations_booking (user_id, show_id, seat_number, status, created_at, hold_id, expires_at)
    SELECT user_id, show_id, 300, 'held', created_at, id, now() + interval '10 minutes' FROM reservations_hold;
    INSERT INTO reservations_booking (user_id, show_id, seat_number, status, created_at)
    SELECT (SELECT min(id) FROM core_user) + n % 1000, (SELECT min(id) FROM catalog_show) + n % 1000, 1 + n / 1000,
        'booked', now() FROM generate_series(1, {bookings}) AS n;
"""


class Statement(NamedTuple):
    """A statement as the server gets it."""

    text: str
    types: tuple[int, ...]
    """Of its parameters."""


class Statements(dict[Statement, str]):
    """The statements that were executed, each with the action that was the first to do so."""

    @contextmanager
    def of(self, action: str) -> Iterator[None]:
        def record(execute: Any, text: str, parameters: Any, many: bool, context: Any) -> Any:
            statement = as_prepared(text, parameters)
            if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement.text):
                self.setdefault(statement, action)
            return execute(text, parameters, many, context)

        with connection.execute_wrapper(record):
            yield


def as_prepared(text: str, parameters: Any) -> Statement:
    """Number the placeholders and find the types of the parameters, as psycopg does."""
    if parameters is None:
        return Statement(text, ())
    names: list[Any] = []

    def numbered(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found[1] or len(names)
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    numbered_text = re.sub(r"%%|%s|%\((\w+)\)s", numbered, text)
    return Statement(numbered_text, tuple(type_of(parameters[name]) for name in names))


def type_of(value: Any) -> int:
    session = connection.connection
    dumper = session.adapters.get_dumper(type(value), PyFormat.AUTO)(type(value), session)
    if dumper.get_key(value, PyFormat.AUTO) is not type(value):
        dumper = dumper.upgrade(value, PyFormat.AUTO)
    return int(dumper.oid)


def nodes_of(statement: Statement) -> Iterator[dict[str, Any]]:
    """Give the nodes of the plan that is made for all parameters."""
    result = connection.connection.pgconn.prepare(b"planned", statement.text.encode(), statement.types)
    assert result.status == ExecStatus.COMMAND_OK, (statement, result.error_message)
    values = ", ".join(["NULL"] * len(statement.types))
    ((found,),) = run(f"EXPLAIN (FORMAT JSON) EXECUTE planned{f'({values})' if values else ''}")
    run("DEALLOCATE planned")
    nodes = [found[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
        yield node


def sequential_scans(statement: Statement) -> list[str]:
    """Name the tables that are read row by row."""
    return [node["Relation Name"] for node in nodes_of(statement) if node["Node Type"] == "Seq Scan"]


def end_to_end_index_scans(statement: Statement) -> list[str]:
    """Name the tables of which a whole index is read: there is no condition on the index's first column."""
    indexes = run(
        "SELECT indexrelid::regclass::text, indrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true)"
        " FROM pg_index"
    )
    tables = {index: (table, _bare(first_column)) for index, table, first_column in indexes}
    scans = [(*tables[node["Index Name"]], node) for node in nodes_of(statement) if "Index Name" in node]
    return [table for table, first_column, node in scans if first_column not in _bare(node.get("Index Cond", ""))]


def _bare(expression: str) -> str:
    return re.sub(r'[() "]', "", expression)


def run(text: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall() if cursor.description else []


def empty(tables: list[str]) -> None:
    """Delete all rows of the tables, and analyse everything."""
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run(f"TRUNCATE {', '.join(tables)} CASCADE")
    run("ANALYZE")


@pytest.fixture
def statements(client: Client) -> Statements:
    """The statements of all verbs and reads, which were executed on tables whose statistics say that they are empty."""
    run("SET LOCAL plan_cache_mode = force_generic_plan")
    empty(TABLES)
    run(FILL + FILL_CLAIMS.format(holds=10_000, bookings=20_000))
    alice, sam = make_user("alice"), make_user("sam", is_staff=True, is_superuser=True)
    show = Show.objects.order_by("id")[0]
    statements = Statements()
    for seat, door in ((100, RestDoor(client)), (150, GraphQLDoor(client))):
        account_verbs(statements, door)
        seat_verbs(statements, door, alice, show, seat)
        hold_verbs(statements, door, alice, show, seat + 10)
        seat_reads(statements, door, alice, show)
    rest_lists(statements, RestDoor(client), alice, show)
    graphql_lists(statements, GraphQLDoor(client), alice, show)
    staff_verbs(statements, RestDoor(client), sam, show)
    with statements.of("forget_expired"):
        call_command("forget_expired")
    return statements


def account_verbs(statements: Statements, door: Any) -> None:
    name = f"new-{door.name}"
    with statements.of("accounts"):
        assert door.signup(username=name, password=PASSWORD, email=f"{name}@example.com").ok
        pair = door.login(username=name, password=PASSWORD)
        pair = door.refresh(pair.facts["refresh"])
        assert door.logout(pair.facts["refresh"]).ok


def seat_verbs(statements: Statements, door: Any, alice: User, show: Show, seat: int) -> None:
    with statements.of("book"):
        booking = door.book(alice, show.pk, seat).facts["id"]
        assert door.book(alice, show.pk, seat).code == "seat_taken"
    with statements.of("book with a key"):
        assert door.book(alice, show.pk, seat + 1, f"{seat}").ok
        assert door.book(alice, show.pk, seat + 1, f"{seat}").ok
    with statements.of("book several"):
        assert door.book_several(alice, show.pk, seat_numbers=[seat + 2, seat + 3]).ok
        assert door.book_several(alice, show.pk, best=3).ok
    with statements.of("move"):
        assert door.move(alice, booking, seat + 4).ok
        assert door.move(alice, 0, seat).code == "not_found"
    with statements.of("cancel"):
        assert door.cancel(alice, booking).ok
        assert door.cancel(alice, booking).code == "already_cancelled"
    with statements.of("a booking"):
        assert door.booking(alice, booking).ok


def hold_verbs(statements: Statements, door: Any, alice: User, show: Show, seat: int) -> None:
    with statements.of("hold"):
        hold = door.hold(alice, show.pk, seat_numbers=[seat]).facts["id"]
        best = door.hold(alice, show.pk, best=2).facts["id"]
        assert door.hold(alice, show.pk, seat_numbers=[seat + 1]).ok
    with statements.of("a hold"):
        assert door.held(alice, hold).ok
    with statements.of("my holds"):
        assert door.holds(alice).ok
    with statements.of("extend"):
        assert door.extend(alice, hold).ok
    with statements.of("confirm"):
        assert door.confirm(alice, hold).ok
        assert door.confirm(alice, hold).ok
        assert door.confirm(alice, 0).code == "not_found"
    with statements.of("release"):
        assert door.release(alice, best).ok


def seat_reads(statements: Statements, door: Any, alice: User, show: Show) -> None:
    with statements.of("seat map"):
        version = door.seat_map(show.pk).facts["version"]
        assert door.seat_map(show.pk, alice).ok
        assert door.seat_map(show.pk, since=version).ok
    with statements.of("best seats"):
        assert door.best_seats(show.pk, 3).ok
        full = Show.objects.create(movie=show.movie, screen_name="Box", date_time=show.date_time, total_seats=1)
        assert door.best_seats(full.pk, 3).code == "no_adjacent_seats"
    with statements.of("available seats"):
        assert door.available(show.pk)
    with statements.of("search movies"):
        assert door.movies("Movie 99").ok
    for filters in ({}, {"status": "booked"}, {"upcoming": True}, {"upcoming": False}):
        with statements.of(f"my bookings {filters}"):
            assert door.bookings(alice, **filters).ok


def rest_lists(statements: Statements, rest: RestDoor, alice: User, show: Show) -> None:
    shows = f"/movies/{show.movie_id}/shows/"
    with statements.of("a movie, an account"):
        assert rest.send("GET", f"/movies/{show.movie_id}/").status_code == 200
        assert rest.me(alice).ok
    for path, name, orders in (
        ("/movies/?", "movies", ["title", "duration_minutes", "id"]),
        ("/my-bookings/?", "my bookings", ["created_at", "date_time", "seat_number"]),
        (f"{shows}?", "shows", ["date_time", "screen_name", "total_seats"]),
        (f"{shows}?available=true&", "available shows", ["date_time", "screen_name", "total_seats"]),
        (f"{shows}?available=false&", "full shows", ["date_time"]),
        (f"{shows}?date=2030-12-24&from=2030-12-24&to=2030-12-24&", "shows of a day", ["date_time"]),
    ):
        for order in (order for column in orders for order in (column, f"-{column}")):
            with statements.of(f"{name} by {order}"):
                assert rest.send("GET", f"{path}ordering={order}&limit=5", who=alice).status_code == 200


def graphql_lists(statements: Statements, graph: GraphQLDoor, alice: User, show: Show) -> None:
    page = "totalCount pageInfo { endCursor hasNextPage }"
    seen = "screenName dateTime totalSeats availableSeats movie { title }"
    day = 'from: "2020-12-24T10:00:00Z", date: "2030-12-24", available: true'
    shows = f"title shows(first: 5) {{ nodes {{ {seen} }} totalCount }}"
    maps = "title shows(first: 2) { nodes { seatMap { version } bestSeats(quantity: 2) { __typename } } }"
    for action, field, arguments, fields in (
        ("movies", "movies", "first: 5", "title"),
        ("movies, backwards", "movies", "last: 5", "title"),
        ("movies with shows", "movies", "first: 5", shows),
        ("movies with available shows", "movies", "first: 5", shows.replace("first: 5", f"first: 5, {day}")),
        ("movies with seat maps", "movies", "first: 5", maps),
        ("my bookings", "myBookings", "first: 5", f"seatNumber label status show {{ {seen} }}"),
        ("my holds", "myHolds", "first: 5", f"seats {{ label }} expiresAt show {{ {seen} }}"),
    ):
        with statements.of(action):
            query = f"{{ {field}({arguments}) {{ nodes {{ {fields} }} {page} }} }}"
            cursor = graph.query(query, alice)[field]["pageInfo"]["endCursor"]
            if arguments == "first: 5":
                graph.query(query.replace(arguments, f'{arguments}, after: "{cursor}"', 1), alice)
    with statements.of("shows of a movie"):
        query = f"query($id: ID!) {{ movie(id: $id) {{ shows(first: 5) {{ nodes {{ {seen} }} {page} }} }} }}"
        assert graph.query(query, id=global_id("Movie", show.movie_id))["movie"]


def staff_verbs(statements: Statements, rest: RestDoor, sam: User, show: Show) -> None:
    def send(method: str, path: str, body: Any = None, *, status: int) -> Any:
        response = rest.send(method, path, body, sam)
        assert response.status_code == status, response.content
        return response.json() if response.content else None

    blocked, future = f"/shows/{show.pk}/blocked-seats/", "2040-01-01T00:00:00Z"
    with statements.of("block"):
        send("POST", blocked, {"seat_numbers": [200, 201], "reason": "Broken."}, status=201)
        send("GET", blocked, status=200)
    with statements.of("unblock"):
        send("DELETE", f"{blocked}200/", status=204)
    with statements.of("change show"):
        send("PATCH", f"/shows/{show.pk}/", {"total_seats": 299, "date_time": future}, status=409)
        send("PATCH", f"/shows/{show.pk}/", {"total_seats": 301, "date_time": future}, status=200)
    with statements.of("add and delete show"):
        body = {"screen_name": "Box", "date_time": future, "total_seats": 5}
        added = send("POST", f"/movies/{show.movie_id}/shows/", body, status=201)["id"]
        send("DELETE", f"/shows/{added}/", status=204)
        send("DELETE", f"/shows/{show.pk}/", status=409)
    with statements.of("add, change and delete movie"):
        added = send("POST", "/movies/", {"title": "New", "duration_minutes": 90}, status=201)["id"]
        send("PATCH", f"/movies/{added}/", {"title": "Newer"}, status=200)
        send("DELETE", f"/movies/{added}/", status=204)
        send("DELETE", f"/movies/{show.movie_id}/", status=409)


def scans_of(statements: Statements, scans: Any, allowed: dict[tuple[str, str], str], tables: list[str]) -> list[str]:
    return [
        f"{action} scans {table}: {' '.join(statement.text.split())}"
        for statement, action in statements.items()
        for table in scans(statement)
        if table in tables and (action, table) not in allowed
    ]


def test_plans__stale_statistics__scan_no_table(statements: Statements) -> None:
    assert len(statements) > 100
    # Movies are listed in the order of an index, and searched for in the middle of their titles.
    indexed = [table for table in TABLES if table != "catalog_movie"]
    for prepare in (lambda: None, first_claims):
        prepare()
        assert not scans_of(statements, sequential_scans, ALLOWED, TABLES)
        assert not scans_of(statements, end_to_end_index_scans, ALLOWED_IN_INDEXES, indexed)
    # Where a table has no row, all of its indexes cost the same, and chance decides among them.
    empty(TABLES)
    assert not scans_of(statements, sequential_scans, ALLOWED, TABLES)


def test_plans__stale_statistics_and_sequential_scans_allowed__booking_scans_all_claims(client: Client) -> None:
    """The control: what ``enable_seqscan=off`` in the settings is for."""
    run("SET LOCAL plan_cache_mode = force_generic_plan")
    empty(TABLES)
    run(FILL)
    first_claims()
    statements = Statements()
    seat_verbs(statements, RestDoor(client), make_user("alice"), Show.objects.order_by("id")[0], 100)
    booking = [statement for statement, action in statements.items() if action == "book"]
    assert not any("reservations_booking" in sequential_scans(statement) for statement in booking)
    run("SET LOCAL enable_seqscan = on")
    assert any("reservations_booking" in sequential_scans(statement) for statement in booking)


def first_claims() -> None:
    """Make the first claims after an ANALYZE of a cinema that has none."""
    empty(CLAIMS)
    run(FILL_CLAIMS.format(holds=1, bookings=1))
