"""The graph: connections, statements, limits, and what a client is told when nothing was answered."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Movie, Show
from core.models import User
from reservations.models import Booking
from tests.conftest import make_show
from tests.doors import PAGE, global_id, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def films() -> list[Movie]:
    """Seven films, two of them of the same title."""
    return [Movie.objects.create(title=title, duration_minutes=90) for title in "ABCDDEF"]


class TestConnections:
    def test_walk_forwards_through_every_film_once(self, graph: Any, films: list[Movie]) -> None:
        seen, after = [], None
        pages = 0
        while True:
            pages += 1
            data = graph.query(f"query($after: String) {{ movies(first: 2, after: $after) {PAGE} }}", after=after)
            seen += [node["databaseId"] for node in data["movies"]["nodes"]]
            info = data["movies"]["pageInfo"]
            assert info["hasPreviousPage"] == (after is not None)
            assert data["movies"]["totalCount"] == 7
            if not info["hasNextPage"]:
                break
            after = info["endCursor"]
        assert pages == 4
        assert seen == [movie.pk for movie in films]

    def test_walk_backwards(self, graph: Any, films: list[Movie]) -> None:
        seen: list[int] = []
        before = None
        while True:
            data = graph.query(f"query($before: String) {{ movies(last: 3, before: $before) {PAGE} }}", before=before)
            seen = [node["databaseId"] for node in data["movies"]["nodes"]] + seen
            info = data["movies"]["pageInfo"]
            assert info["hasNextPage"] == (before is not None)
            if not info["hasPreviousPage"]:
                break
            before = info["startCursor"]
        assert seen == [movie.pk for movie in films]

    def test_a_page_does_not_shift_when_a_row_is_added_before_it(self, graph: Any, films: list[Movie]) -> None:
        first = graph.query(f"{{ movies(first: 3) {PAGE} }}")["movies"]
        Movie.objects.create(title="0", duration_minutes=90)
        second = graph.query(
            f"query($after: String) {{ movies(first: 3, after: $after) {PAGE} }}",
            after=first["pageInfo"]["endCursor"],
        )["movies"]
        assert [node["databaseId"] for node in second["nodes"]] == [movie.pk for movie in films[3:6]]

    def test_edges_have_the_nodes_and_their_cursors(self, graph: Any, films: list[Movie]) -> None:
        data = graph.query(
            "{ movies(first: 2) { edges { cursor node { title } } nodes { title } pageInfo { endCursor } } }"
        )
        edges = data["movies"]["edges"]
        assert [edge["node"] for edge in edges] == data["movies"]["nodes"]
        assert edges[-1]["cursor"] == data["movies"]["pageInfo"]["endCursor"]

    def test_are_empty_where_there_is_nothing(self, graph: Any, movie: Movie) -> None:
        data = graph.query(f'{{ movies(search: "nothing") {PAGE} }}')["movies"]
        assert data == {
            "nodes": [],
            "totalCount": 0,
            "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
        }
        data = graph.query(f"{{ movies {{ nodes {{ shows {PAGE} }} }} }}")["movies"]["nodes"][0]["shows"]
        assert (data["nodes"], data["totalCount"]) == ([], 0)

    def test_of_shows_are_cut_for_each_film_apart(self, graph: Any) -> None:
        films = [Movie.objects.create(title=title, duration_minutes=90) for title in "AB"]
        shows = {movie.pk: [make_show(movie, hours=hour) for hour in (3, 1, 2)] for movie in films}
        query = f"query($after: String) {{ movies {{ nodes {{ databaseId shows(first: 2, after: $after) {PAGE} }} }} }}"
        nodes = graph.query(query)["movies"]["nodes"]
        for node in nodes:
            _, early, middle = shows[node["databaseId"]]
            assert [show["databaseId"] for show in node["shows"]["nodes"]] == [early.pk, middle.pk]
            assert node["shows"]["totalCount"] == 3
            assert node["shows"]["pageInfo"]["hasNextPage"] is True
        rest = graph.query(query, after=nodes[0]["shows"]["pageInfo"]["endCursor"])["movies"]["nodes"]
        assert [show["databaseId"] for show in rest[0]["shows"]["nodes"]] == [shows[films[0].pk][0].pk]
        assert rest[0]["shows"]["pageInfo"]["hasNextPage"] is False

    def test_of_shows_are_filtered(self, graph: Any, alice: User, movie: Movie) -> None:
        full, other = make_show(movie, seats=1, hours=1), make_show(movie, hours=100)
        graph.book(alice, full.pk, 1)
        moment = other.date_time.isoformat()
        query = (
            "query($id: ID!, $moment: DateTime, $day: Date) { movie(id: $id) {"
            "free: shows(available: true) { nodes { databaseId } }"
            "full: shows(available: false) { nodes { databaseId } }"
            "since: shows(from: $moment) { nodes { databaseId } }"
            "until: shows(to: $moment) { totalCount }"
            "day: shows(date: $day) { nodes { databaseId } }"
            "} }"
        )
        found = graph.query(query, id=global_id("Movie", movie.pk), moment=moment, day=moment[:10])["movie"]
        assert found == {
            "free": {"nodes": [{"databaseId": other.pk}]},
            "full": {"nodes": [{"databaseId": full.pk}]},
            "since": {"nodes": [{"databaseId": other.pk}]},
            "until": {"totalCount": 2},
            "day": {"nodes": [{"databaseId": other.pk}]},
        }

    @pytest.mark.parametrize(
        "arguments", ["first: 0", "first: 101", "first: -1", "last: 0", "last: 101", "first: 1, last: 1"]
    )
    def test_refuse_a_page_of_another_size(self, graph: Any, films: list[Movie], arguments: str) -> None:
        answer = graph.ask(f"{{ movies({arguments}) {{ totalCount }} }}")
        assert (answer.code, answer.status) == ("invalid", 400)

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "é",
            "bnVsbA==",  # null
            "WzEsMl0=",  # [1,2]
            "WyJhIiwiYiJd",  # ["a","b"]
            "WyJhIix0cnVlXQ==",  # ["a",true]
            "WyJhIiwtMV0=",  # ["a",-1]
            "WyJhIiw5MjIzMzcyMDM2ODU0Nzc1ODA4XQ==",  # ["a",9223372036854775808]
            "WyJcdTAwMDAiLDFd",  # ["\u0000",1]
            "WyJcdWQ4MDAiLDFd",  # ["\ud800",1]
            "W" * 2000,
        ],
    )
    @pytest.mark.parametrize("argument", ["after", "before"])
    def test_refuse_what_is_no_cursor(self, graph: Any, films: list[Movie], cursor: str, argument: str) -> None:
        query = f"query($cursor: String) {{ movies({argument}: $cursor) {{ nodes {{ id }} }} }}"
        answer = graph.ask(query, cursor=cursor)
        assert (answer.code, answer.status) == ("invalid", 400)
        assert argument in answer.facts["errors"]

    @pytest.mark.parametrize("text", ["soon", "2030-01-01T00:00:00", ""])
    def test_of_shows_refuse_a_cursor_that_names_no_moment(self, graph: Any, show: Show, text: str) -> None:
        import base64

        cursor = base64.urlsafe_b64encode(json.dumps([text, 1]).encode()).decode()
        answer = graph.ask(
            "query($cursor: String) { movies { nodes { shows(after: $cursor) { nodes { id } } } } }", cursor=cursor
        )
        assert answer.code == "invalid"


class TestNodes:
    def test_are_found_by_their_global_id(self, graph: Any, alice: User, show: Show) -> None:
        booking = graph.book(alice, show.pk, 1).facts["id"]
        numbers = {"Movie": show.movie_id, "Show": show.pk, "Booking": booking, "User": alice.pk}
        for kind, number in numbers.items():
            query = "query($id: ID!) { node(id: $id) { __typename id } }"
            found = graph.query(query, alice, id=global_id(kind, number))["node"]
            assert found == {"__typename": kind, "id": global_id(kind, number)}

    def test_of_somebody_else_are_nobodys(self, graph: Any, alice: User, bob: User, show: Show) -> None:
        booking = graph.book(alice, show.pk, 1).facts["id"]
        query = "query($id: ID!) { node(id: $id) { id } }"
        for who in (bob, None):
            for kind, number in {"Booking": booking, "User": alice.pk}.items():
                assert graph.query(query, who, id=global_id(kind, number))["node"] is None

    @pytest.mark.parametrize("field", ["movie", "show", "node"])
    @pytest.mark.parametrize(
        "identity",
        [
            *("", "x", "7", "é", "\0", "Movie:1", "TW92aWU6Mf8=", "TW92aWU6Mf//"),
            *(global_id("Movie", "x"), global_id("Show", 2**70), global_id("RateLimitWindow", 1)),
            *(global_id("Show", "-1"), global_id("Movie", 999), global_id("Booking", 1)),
        ],
    )
    def test_are_null_for_every_other_id(self, graph: Any, show: Show, field: str, identity: str) -> None:
        assert graph.query(f"query($id: ID!) {{ {field}(id: $id) {{ id }} }}", id=identity)[field] is None


class TestMe:
    def test_is_null_without_a_token(self, graph: Any) -> None:
        assert graph.query("{ me { id } }") == {"me": None}

    def test_is_the_account_of_the_token(self, graph: Any, alice: User) -> None:
        assert graph.query("{ me { databaseId username email } }", alice)["me"] == {
            "databaseId": alice.pk,
            "username": "alice",
            "email": "alice@example.com",
        }


class TestStatements:
    """Their number follows from the fields of a query, never from the length of its lists, at any depth."""

    SHOW = "id databaseId screenName dateTime totalSeats availableSeats"
    QUERIES = {
        "films": "{ movies { totalCount nodes { title } } }",
        "shows": f"{{ movies {{ nodes {{ title shows {{ totalCount nodes {{ {SHOW} }} }} }} }} }}",
        "filtered": (
            "{ movies { nodes { a: shows(available: true) { totalCount nodes { availableSeats } }"
            " b: shows(first: 1) { nodes { id } } } } }"
        ),
        "back": (
            f"{{ movies(first: 20) {{ nodes {{ shows(first: 20) {{ nodes {{ movie {{ title }} {SHOW} }} }} }} }} }}"
        ),
        "deepest": (
            "{ movies(first: 20) { edges { node { shows(first: 20) { edges { node { movie {"
            " shows(first: 20) { totalCount } } } } } } } } }"
        ),
        "bookings": f"{{ myBookings {{ totalCount nodes {{ seatNumber show {{ {SHOW} movie {{ title }} }} }} }} }}",
        "bookings back": (
            "{ myBookings(first: 20) { nodes { show { movie {"
            " shows(first: 20) { nodes { movie { title } availableSeats } totalCount } } } } } }"
        ),
    }

    def counted(self, graph: Any, query: str, token: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            graph.query(query, token)
        return len(captured)

    def fill(self, owner: User, movies: int, shows: int) -> None:
        for number in range(movies):
            movie = Movie.objects.create(title=f"Film {number}", duration_minutes=90)
            for hour in range(1, shows + 1):
                show = make_show(movie, hours=hour)
                Booking.objects.create(user=owner, show=show, seat_number=1, created_at=show.date_time)

    @pytest.mark.parametrize("name", QUERIES)
    def test_are_as_many_for_twenty_rows_as_for_one(self, graph: Any, alice: User, name: str) -> None:
        token = token_of(alice)
        self.fill(alice, movies=1, shows=1)
        one = self.counted(graph, self.QUERIES[name], token)
        self.fill(alice, movies=6, shows=4)
        assert self.counted(graph, self.QUERIES[name], token) == one
        assert one <= 12

    def test_of_a_booking_are_few(self, graph: Any, alice: User, show: Show) -> None:
        token = token_of(alice)
        with CaptureQueriesContext(connection) as captured:
            graph.book(token, show.pk, 1)
        # The one; on SQLite two, in a savepoint (of the test's transaction) and its release.
        assert len(captured) == (1 if connection.vendor == "postgresql" else 4)
