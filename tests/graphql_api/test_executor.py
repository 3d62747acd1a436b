"""Lists that are completed column by column are answered as the library does it, field by field."""

import enum
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from django.core.cache import cache
from django.db import OperationalError
from graphql import Undefined, execute, get_introspection_query, parse
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from catalog.models import Movie, Show
from core.models import User
from graphql_api.executor import ListExecutor
from graphql_api.loaders import Batch, batched_field
from graphql_api.queries import Query
from graphql_api.schema import schema
from reservations.models import Booking, Claim, Hold
from tests.conftest import make_show
from tests.doors import global_id, token_of


@pytest.fixture
def field_by_field(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Use the library's own execution context from now on."""

    def switch() -> None:
        cache.clear()  # with answers that are made of movies alone
        monkeypatch.setattr(schema, "execution_context_class", StrawberryGraphQLCoreExecutionContext)

    return switch


@pytest.fixture
def fields_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each field that the library resolves and completes by itself."""
    asked: list[str] = []
    ordinary = StrawberryGraphQLCoreExecutionContext.execute_field

    def noting(self: Any, parent_type: Any, source: Any, details: Any, path: Any, context: Any) -> Any:
        asked.append(f"{parent_type.name}.{details[0].node.name.value}")
        return ordinary(self, parent_type, source, details, path, context)

    monkeypatch.setattr(StrawberryGraphQLCoreExecutionContext, "execute_field", noting)
    return asked


def fill(owner: User, *, movies: int, shows: int) -> None:
    """Add films with shows, and of each two bookings, a live one and a cancelled one, and a hold of two seats."""
    for number in range(movies):
        movie = Movie.objects.create(title=f"Film {number}", duration_minutes=90)
        for hour in range(1, shows + 1):
            show = make_show(movie, hours=hour)
            moment = show.date_time.replace(microsecond=hour)
            Booking.objects.create(user=owner, show=show, seat_number=1, created_at=moment)
            Booking.objects.create(
                user=owner, show=show, seat_number=2, created_at=moment, cancelled_at=moment, status="cancelled"
            )
            held = Hold.objects.create(user=owner, show=show, size=2, created_at=moment)
            for seat in (3, 4):
                Claim.objects.create(
                    user=owner,
                    show=show,
                    seat_number=seat,
                    created_at=moment,
                    hold=held,
                    status="held",
                    expires_at=show.date_time,
                )


SHOW = "id databaseId movie { id databaseId title durationMinutes } screenName dateTime totalSeats availableSeats"
BOOKING = f"id databaseId show {{ {SHOW} }} seatNumber label status createdAt cancelledAt"
HOLD = f"id createdAt expiresAt seats {{ seatNumber label }} show {{ {SHOW} }}"
SEATS = "seatMap { version summary { available largestBlock } rows { row seats { seatNumber label status mine } } }"


@pytest.mark.django_db
class TestAnswersAreTheLibrarys:
    QUERIES = {
        "films": "{ movies { nodes { id databaseId title durationMinutes } } }",
        "shows": f"{{ movies(first: 9) {{ nodes {{ id s: shows(first: 9) {{ nodes {{ {SHOW} }} }} title }} }} }}",
        "bookings": f"{{ myBookings {{ nodes {{ {BOOKING} }} }} }}",
        "edges": f"{{ myBookings(first: 2) {{ edges {{ cursor node {{ {BOOKING} }} }} pageInfo {{ endCursor }} }} }}",
        "nothing": '{ movies(search: "nothing") { nodes { title } edges { node { id } } pageInfo { endCursor } } }',
        "me": "{ me { id username email __typename } }",
        "aliases": "{ m: movies { n: nodes { b: title a: title t: __typename __typename a2: id } } }",
        "fragments": (
            "{ movies { nodes { ...A ... on Movie { durationMinutes } ... on Node { id } } } }"
            " fragment A on Movie { title ...B } fragment B on Movie { databaseId title }"
        ),
        "merged": f"{{ myBookings {{ nodes {{ show {{ id }} id show {{ movie {{ id }} }} show {{ {SHOW} }} }} }} }}",
        "directives": (
            "query($yes: Boolean!, $no: Boolean!) { movies { nodes { title @skip(if: $yes) id @include(if: $yes)"
            " databaseId @skip(if: $no) ...A @include(if: $no) ... @skip(if: $no) { b: title } } } }"
            " fragment A on Movie { durationMinutes }"
        ),
        "all skipped": "query($yes: Boolean!) { movies { nodes { title @skip(if: $yes) } } }",
        "typename alone": "{ movies { __typename nodes { __typename } } }",
        "node": "query($booking: ID!) { node(id: $booking) { __typename id ... on Booking { status show { id } } } }",
        "back": "{ movies(first: 9) { nodes { shows(first: 9) { nodes { movie { id shows { totalCount } } id } } } } }",
        "seats": f"{{ movies(first: 1) {{ nodes {{ shows(first: 1) {{ nodes {{ id {SEATS} seatsPerRow }} }} }} }} }}",
        "seats by fragments": (
            "{ movies(first: 1) { nodes { shows(first: 1) { nodes { seatMap { ...A rows { seats { __typename } } } }"
            " } } } } fragment A on SeatMap { rows { ...B ...B row } } fragment B on SeatRow { s: seats { status label"
            " status } }"
        ),
        "holds": f"{{ myHolds {{ nodes {{ {HOLD} }} edges {{ cursor node {{ seats {{ label }} }} }} }} }}",
        "best": (
            "{ movies(first: 2) { nodes { shows(first: 2) { nodes { a: bestSeats(quantity: 1) { __typename"
            " ... on BestSeats { seatNumbers labels } } b: bestSeats(quantity: 9) { ... on NoAdjacentSeats {"
            " code largestBlock alternatives { id availableSeats movie { title } } } } c: bestSeats(quantity: 0) {"
            " ... on InvalidInput { fields { field messages } } } } } } } }"
        ),
        "wrong version": (
            '{ movies(first: 1) { nodes { shows(first: 1) { nodes { id seatMap(since: "x") { version } } } } } }'
        ),
        "wrong cursor": '{ movies { nodes { id shows(after: "x") { nodes { id } } title } } }',
        "wrong in a row": '{ myBookings { nodes { id show { movie { shows(after: "x") { totalCount } } } } } }',
    }

    @pytest.mark.parametrize("name", QUERIES)
    def test_of_the_graph(self, graph: Any, alice: User, field_by_field: Callable[[], None], name: str) -> None:
        fill(alice, movies=3, shows=2)
        asked = self.QUERIES[name]
        variables = {"yes": True, "no": False, "booking": global_id("Booking", Booking.objects.all()[0].pk)}
        told = {key: value for key, value in variables.items() if f"${key}" in asked}

        def answer() -> tuple[int, bytes]:
            response = graph.send({"query": asked, "variables": told}, token_of(alice))
            return response.status_code, response.content

        first, again = answer(), answer()
        field_by_field()
        assert first == again == answer()
        assert (b'"errors"' in first[1]) == name.startswith("wrong")

    def test_where_the_variables_change_what_is_selected(self, graph: Any, movie: Movie) -> None:
        asked = "query($yes: Boolean!) { movies { nodes { id title @include(if: $yes) } } }"
        for yes in (True, False, True):
            (node,) = graph.query(asked, yes=yes)["movies"]["nodes"]
            assert ("title" in node) is yes

    def test_of_a_booking_that_is_made(
        self, graph: Any, alice: User, show: Show, field_by_field: Callable[[], None]
    ) -> None:
        by_columns = graph.book(alice, show.pk, 1)
        field_by_field()
        by_fields = graph.book(alice, show.pk, 2)
        assert by_columns.facts.keys() == by_fields.facts.keys()
        assert by_columns.facts["show"] == {**by_fields.facts["show"], "available_seats": show.total_seats - 1}
        assert graph.book(alice, show.pk, 1).code == "seat_taken"


@pytest.mark.django_db
class TestListsAreCompletedByColumns:
    """Without columns, the library is asked once for each field of each row."""

    def asked(self, graph: Any, query: str, who: User, asked: list[str]) -> set[str]:
        del asked[:]
        graph.query(query, token_of(who))
        return {*asked}

    @pytest.mark.parametrize(
        ("query", "alone"),
        [
            (
                "{ movies { nodes { id title durationMinutes __typename } } }",
                {"Query.movies", "MovieConnection.nodes"},
            ),
            (f"{{ myBookings {{ nodes {{ {BOOKING} }} }} }}", {"Query.myBookings", "BookingConnection.nodes"}),
            (
                f"{{ myBookings {{ edges {{ cursor node {{ {BOOKING} }} }} }} }}",
                {"Query.myBookings", "BookingConnection.edges"},
            ),
            (f"{{ myHolds {{ nodes {{ {HOLD} }} }} }}", {"Query.myHolds", "HoldConnection.nodes"}),
        ],
        ids=["movies", "bookings", "edges", "holds"],
    )
    def test_of_every_row(self, graph: Any, alice: User, fields_asked: list[str], query: str, alone: set[str]) -> None:
        fill(alice, movies=3, shows=2)
        assert self.asked(graph, query, alice, fields_asked) == alone

    def test_of_the_shows_of_a_movie(self, graph: Any, alice: User, fields_asked: list[str]) -> None:
        fill(alice, movies=1, shows=5)
        movie = global_id("Movie", Movie.objects.get().pk)
        query = f'{{ movie(id: "{movie}") {{ shows {{ nodes {{ {SHOW} }} }} }} }}'
        assert self.asked(graph, query, alice, fields_asked) == {"Query.movie", "Movie.shows", "ShowConnection.nodes"}

    def test_of_every_seat(self, graph: Any, alice: User, fields_asked: list[str]) -> None:
        fill(alice, movies=1, shows=1)
        query = f'{{ show(id: "{global_id("Show", Show.objects.get().pk)}") {{ {SEATS} }} }}'
        asked = self.asked(graph, query, alice, fields_asked)
        assert "SeatMap.rows" in asked
        assert not [field for field in asked if field.startswith(("SeatRow.", "Seat."))]

    def test_within_rows_that_the_library_completes(self, graph: Any, alice: User, fields_asked: list[str]) -> None:
        fill(alice, movies=3, shows=2)
        query = f"{{ movies {{ nodes {{ title shows(first: 2) {{ nodes {{ {SHOW} }} }} }} }} }}"
        assert self.asked(graph, query, alice, fields_asked) == {
            *("Query.movies", "MovieConnection.nodes", "Movie.title", "Movie.shows", "ShowConnection.nodes"),
        }


@pytest.mark.django_db
def test_a_statement_that_fails__in_a_list__is_tried_once(
    graph: Any, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(alice, movies=1, shows=5)
    tries: list[Any] = []

    def failing(*_: Any) -> None:
        tries.append(1)
        raise OperationalError("connection lost")

    monkeypatch.setattr("graphql_api.types.catalog.available_seats_of", failing)
    response = graph.send({"query": "{ myBookings { nodes { show { availableSeats } } } }"}, token_of(alice))
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "database_unavailable"
    assert error["path"] == ["myBookings", "nodes", 0, "show", "availableSeats"]
    assert len(tries) == 1


# --- Values that no column of ours has --------------------------------------------------------


@strawberry.enum
class Mood(enum.Enum):
    GLAD = "glad"
    SAD = "sad"


class Text(str):
    pass


def load_late(batch: Batch) -> None:
    for row in batch.rows:
        row.late = row.number


@strawberry.type
class Inner:
    name: str
    sometimes: str | None


@strawberry.type
class Row:
    number: int
    some_number: int | None
    name: str
    some_name: str | None
    yes: bool
    ratio: float
    key: strawberry.ID
    mood: Mood
    some_mood: Mood | None
    moment: datetime
    some_moment: datetime | None
    inner: Inner
    some_inner: Inner | None
    names: list[str]
    some_names: list[str | None] | None
    inners: list[Inner]
    some_inners: list[list[Inner | None]] | None

    late: int = batched_field(load_late, description="")


@strawberry.type
class Rows:
    @strawberry.field
    def rows(self, info: strawberry.Info) -> list[Row]:
        return list(info.context)

    @strawberry.field
    def some_rows(self, info: strawberry.Info) -> list[Row | None] | None:
        return list(info.context)

    @strawberry.field
    def row(self, info: strawberry.Info) -> Row | None:
        return info.context[1]  # type: ignore[no-any-return]


ROWS = strawberry.Schema(Rows)._schema
MOMENT = datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
FIELDS = (
    "number someNumber name someName yes ratio key mood someMood moment someMoment late"
    " inner { name sometimes } someInner { sometimes name } someNames inners { name sometimes } someInners { name }"
)


def row(**odd: Any) -> SimpleNamespace:
    inner = SimpleNamespace(name="x", sometimes=None)
    usual = {
        **dict.fromkeys(("number", "some_number"), 7),
        **dict.fromkeys(("name", "some_name", "key"), "seven"),
        **dict.fromkeys(("mood", "some_mood"), Mood.GLAD),
        **dict.fromkeys(("moment", "some_moment"), MOMENT),
        **dict.fromkeys(("inner", "some_inner"), inner),
        "yes": True,
        "ratio": 0.5,
        "names": ["a", "b"],
        "some_names": ["a", "b"],
        "inners": [inner, inner],
        "some_inners": [[], [inner]],
    }
    return SimpleNamespace(**{**usual, **odd})


ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2**31 - 1,
        -(2**31),
        2**31,
        -(2**31) - 1,
        5.0,
        5.5,
        float("nan"),
        "5",
        "x",
        "",
        Text("t"),
    ),
    *(Mood.SAD, "glad", "no mood", MOMENT, MOMENT.replace(tzinfo=None), MOMENT.date(), [], {}, object, 10**40),
    *(
        ValueError("odd"),
        SimpleNamespace(name=None, sometimes="y"),
        SimpleNamespace(name="y", sometimes=5),
        "\ud800",
        Undefined,
    ),
    *(["x"], ["x", None], [5], [True], [Text("t")], [ValueError("odd")], [Undefined], ("x", "y"), {"x"}),
    *([SimpleNamespace(name="y", sometimes=None), None], [SimpleNamespace(name=5, sometimes=5)], [None], [[]]),
    *([[None], []], [[SimpleNamespace(name="y")]], [[SimpleNamespace(name=None)], None], [[ValueError("odd")]]),
]


@pytest.mark.parametrize("field", [*vars(row()), "late"])
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_an_odd_value_is_answered_or_refused_as_by_the_library(field: str, value: Any) -> None:
    for asked in (
        f"{{ rows {{ {FIELDS} }} }}",
        f"{{ someRows {{ {FIELDS} names }} }}",
        f"{{ row {{ {FIELDS} }} }}",
        "{ rows { __typename number someInner { name } } someRows { mood someMood __typename } }",
    ):

        def answered(executor: Any, asked: str = asked) -> Any:
            rows = [row(), row(**{"number" if field == "late" else field: value}), row(some_inner=None)]
            result = execute(ROWS, parse(asked), context_value=rows, executor_class=executor)
            return repr(result.data), [error.formatted for error in result.errors or ()]

        assert answered(ListExecutor) == answered(StrawberryGraphQLCoreExecutionContext)


@pytest.mark.parametrize("missing", [None, ValueError("odd"), SimpleNamespace(), 5, Undefined])
def test_an_odd_row_is_answered_or_refused_as_by_the_library(missing: Any) -> None:
    for asked in ("{ rows { number } }", "{ someRows { number names } }", "{ someRows { __typename } }"):
        by_columns, by_fields = (
            execute(ROWS, parse(asked), context_value=[row(), missing], executor_class=executor)
            for executor in (ListExecutor, StrawberryGraphQLCoreExecutionContext)
        )
        assert by_columns.formatted == by_fields.formatted


def test_introspection__is_answered_as_by_the_library() -> None:
    ours = strawberry.Schema(query=Query, execution_context_class=ListExecutor)
    answers = [each.execute_sync(get_introspection_query()) for each in (ours, strawberry.Schema(query=Query))]
    assert not answers[0].errors
    assert answers[0].data == answers[1].data
