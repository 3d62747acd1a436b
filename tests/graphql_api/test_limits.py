"""What one request may ask for, and what is told where nothing was answered."""

import json
from typing import Any

import pytest
from django.db import OperationalError
from graphql import get_named_type, get_nullable_type, is_list_type, is_object_type

from catalog.models import Movie, Show
from core.models import User
from graphql_api.limits import MAX_VALUES
from graphql_api.schema import schema
from reservations.models import Booking
from tests.conftest import PASSWORD
from tests.doors import global_id

pytestmark = pytest.mark.django_db


class TestLimits:
    def deep(self, levels: int) -> str:
        """Write a query so many levels deep: a film, then shows, nodes and movie over and over, then a leaf."""
        inner = levels - 2
        path = " ".join(("shows(first: 1) {", "nodes {", "movie {")[level % 3] for level in range(inner))
        leaf = ("title", "totalCount", "id")[inner % 3]
        return f"query($id: ID!) {{ movie(id: $id) {{ {path} {leaf} {'} ' * inner} }} }}"

    def test_a_query_may_be_ten_levels_deep(self, graph: Any, show: Show) -> None:
        assert graph.ask(self.deep(10), id=global_id("Movie", show.movie_id)).ok
        answer = graph.ask(self.deep(11), id=global_id("Movie", show.movie_id))
        assert (answer.code, answer.status) == ("limit_exceeded", 400)

    def test_a_fragment_is_as_deep_as_where_it_is_spread(self, graph: Any, show: Show) -> None:
        query = (
            "query($id: ID!) { movie(id: $id) { ...A } }"
            " fragment A on Movie { shows(first: 1) { nodes { movie { ...B } } } }"
            " fragment B on Movie { shows(first: 1) { nodes { movie { ...C } } } }"
            " fragment C on Movie { shows(first: 1) { nodes { movie { title } } } }"
        )
        assert graph.ask(query, id=global_id("Movie", show.movie_id)).code == "limit_exceeded"

    def test_fragments_that_spread_fragments_cost_no_time(self, graph: Any, db: None) -> None:
        """Each spreads the next twice: followed naively, the last is reached 2 to the 40 times."""
        fragments = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40))
        query = f"{{ ...F0 }} {fragments} fragment F40 on Query {{ me {{ id }} }}"
        assert graph.ask(query).ok
        mutation = f"mutation {{ ...F0 }} {fragments} fragment F40 on Query {{ __typename }}".replace(
            "Query", "Mutation"
        )
        assert graph.ask(mutation).ok

    @pytest.mark.parametrize(
        "query",
        [
            "{ ...Missing }",
            "{ ...A } fragment A on Query { ...A }",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
            "{ movies { nodes } }",
            "{ movies }",
            "{ nothing }",
            "{ me { id } } { me { id } }",
            "query A { me { id } } query A { me { id } }",
            "fragment A on Query { me { id } }",
            "{ movie(id: null) { id } }",
            "{",
            "",
            "   ",
            "#",
            "subscription { x }",
            "{ movies(first: 99999999999) { totalCount } }",
            "{ a: " + "[" * 400,
            "{ movies(search: " + "[" * 900 + "]" * 90 + ") { totalCount } }",
            "{ movies(first: " + "9" * 5000 + ") { totalCount } }",
        ],
        ids=lambda query: query[:40],
    )
    def test_a_query_that_does_not_validate_is_invalid(self, graph: Any, query: str) -> None:
        answer = graph.ask(query)
        assert answer.status == 400
        assert answer.code in ("invalid", "limit_exceeded")

    def test_tokens_and_aliases_are_bounded(self, graph: Any, db: None) -> None:
        assert graph.ask("{ " + "movies { totalCount } " * 30 + "}").ok
        response = graph.send({"query": "{ " + "movies { totalCount } " * 250 + "}"})
        assert response.status_code == 400
        assert "1000 tokens" in response.json()["errors"][0]["message"]
        assert graph.ask("{ me { " + " ".join(f"a{n}: id" for n in range(15)) + "} }").ok
        answer = graph.ask("{ me { " + " ".join(f"a{n}: id" for n in range(16)) + "} }")
        assert (answer.code, answer.status) == ("limit_exceeded", 400)

    def test_the_values_that_a_query_could_answer_are_bounded(self, graph: Any, show: Show) -> None:
        two_levels = "{ movies { nodes { id title shows { nodes { %s } } } } }"
        assert graph.ask(two_levels % "id databaseId screenName dateTime totalSeats availableSeats").ok
        assert graph.ask(
            two_levels % "id databaseId movie { id databaseId title durationMinutes } screenName dateTime"
        ).code == ("limit_exceeded")
        three_levels = (
            "query($n: Int!) { movies(first: $n) { nodes { shows(first: $n) { nodes { movie {"
            " shows(first: $n) { nodes { id } } } } } } } }"
        )
        largest = round(MAX_VALUES ** (1 / 3))
        assert largest**3 <= MAX_VALUES < (largest + 1) ** 3
        assert graph.ask(three_levels, n=largest).ok
        assert graph.ask(three_levels, n=largest + 1).code == "limit_exceeded"

    def test_every_list_of_objects_says_how_long_it_can_be(self) -> None:
        """A list without a size would count as one item; those of a connection are counted by the connection."""
        types = schema.schema_converter.type_map
        for name, concrete in types.items():
            for definition in getattr(concrete.definition, "fields", ()):
                field: Any = concrete.implementation.fields[schema.config.name_converter.from_field(definition)]  # type: ignore[union-attr]
                inner = get_nullable_type(field.type)
                is_list = is_list_type(inner) and is_object_type(get_named_type(inner))
                is_page = get_named_type(field.type).name.endswith("Connection")
                if (is_list and not name.endswith("Connection") and name != "InvalidInput") or is_page:
                    cost = definition.metadata.get("cost")
                    assert cost, f"{name}.{definition.python_name}"
                    assert is_page == (cost.items is None)

    def test_one_password_is_checked_a_request(self, graph: Any, alice: User) -> None:
        login = 'login(input: {username: "alice", password: "x"}) { ... on Refusal { code } }'
        for query in (
            f"mutation {{ a: {login} b: {login} }}",
            f"mutation {{ ...A ...B }} fragment A on Mutation {{ {login} }} fragment B on Mutation {{ b: {login} }}",
            f'mutation {{ {login} signup(input: {{username: "b", password: "x"}}) {{ ... on Refusal {{ code }} }} }}',
        ):
            answer = graph.ask(query)
            assert (answer.code, answer.status) == ("limit_exceeded", 400)

    def test_batches_are_not_taken(self, graph: Any, db: None) -> None:
        response = graph.send([{"query": "{ me { id } }"}])
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "invalid")


class TestVariables:
    @pytest.mark.parametrize(
        "value", ["5", 5.0, 5.5, True, None, [], [5], {}, 2**31, 10**30, {"seatNumber": 5}], ids=repr
    )
    def test_a_seat_number_is_an_integer(self, graph: Any, alice: User, show: Show, value: Any) -> None:
        answer = graph.book(alice, show.pk, value)
        assert (answer.code, answer.status) == ("invalid", 400)

    @pytest.mark.parametrize("literal", ['"5"', "5.0", "true", "null", "[5]", "{}", "5e0", "99999999999"])
    def test_a_seat_number_in_the_query_is_an_integer_too(
        self, graph: Any, alice: User, show: Show, literal: str
    ) -> None:
        input = f'{{showId: "{global_id("Show", show.pk)}", seatNumber: {literal}}}'
        answer = graph.ask(f"mutation {{ bookSeat(input: {input}) {{ __typename }} }}", alice)
        assert (answer.code, answer.status) == ("invalid", 400)

    @pytest.mark.parametrize(
        ("kind", "argument", "value"),
        [
            ("DateTime", "from", "soon"),
            ("DateTime", "from", "2030-01-01T00:00:00"),
            ("DateTime", "from", "0001-01-01T00:00:00+14:00"),
            ("DateTime", "to", "9999-12-31T23:59:59-14:00"),
            ("DateTime", "to", 5),
            ("DateTime", "to", ""),
            ("Date", "date", "2030-02-30"),
            ("Date", "date", True),
            ("Boolean", "available", "true"),
            ("Int", "first", "1"),
            ("String", "after", 5),
        ],
    )
    def test_an_argument_that_cannot_be_read_is_invalid(
        self, graph: Any, movie: Movie, kind: str, argument: str, value: Any
    ) -> None:
        query = f"query($x: {kind}) {{ movies {{ nodes {{ shows({argument}: $x) {{ totalCount }} }} }} }}"
        answer = graph.ask(query, x=value)
        assert answer.code == "invalid"

    def test_nesting_beyond_reason_is_refused(self, graph: Any, db: None) -> None:
        deep = "[" * 800 + "]" * 800
        query = "query($x: String) { movies(search: $x) { totalCount } }"
        response = graph.send(f'{{"query": "{query}", "variables": {{"x": {deep}}}}}'.encode())
        assert response.status_code == 400

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"query": None},
            {"query": 5},
            {"query": ["{ me { id } }"]},
            {"query": "{ me { id } }", "variables": []},
            {"query": "{ me { id } }", "variables": "x"},
            {"query": "{ me { id } }", "operationName": 5},
            {"query": "{ me { id } }", "operationName": "Other"},
            {"query": "query A { me { id } } query B { me { id } }"},
        ],
        ids=repr,
    )
    def test_a_body_without_one_operation_is_invalid(self, graph: Any, body: Any) -> None:
        response = graph.send(body)
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "invalid")

    def test_an_operation_is_chosen_by_name(self, graph: Any, db: None) -> None:
        body = {"query": "query A { me { id } } query B { movies { totalCount } }", "operationName": "B"}
        assert graph.send(body).json() == {"data": {"movies": {"totalCount": 0}}}


class TestTransport:
    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "head"])
    def test_takes_nothing_but_post(self, graph: Any, method: str) -> None:
        response = getattr(graph.client, method)("/graphql/?query={me{id}}", headers={"accept": "application/json"})
        assert response.status_code == 405
        assert response["Allow"] == "POST"

    @pytest.mark.parametrize("path", ["/graphql/", "/graphql"])
    def test_answers_with_and_without_the_slash(self, graph: Any, path: str) -> None:
        assert graph.send({"query": "{ me { id } }"}, path=path).json() == {"data": {"me": None}}

    @pytest.mark.parametrize(
        "content_type", ["application/graphql", "multipart/form-data; boundary=x", "text/plain", ""]
    )
    def test_takes_nothing_but_json(self, graph: Any, content_type: str) -> None:
        response = graph.client.generic("POST", "/graphql/", b'{"query": "{ me { id } }"}', content_type=content_type)
        assert response.status_code == 415
        assert response.json()["errors"][0]["extensions"]["code"] == "unsupported_media_type"

    def test_needs_no_csrf_token(self, db: None) -> None:
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        response = client.post("/graphql/", {"query": "{ me { id } }"}, content_type="application/json")
        assert response.status_code == 200

    def test_a_bad_token_is_told_before_anything_is_done(self, graph: Any, db: None) -> None:
        response = graph.send({"query": "{ movies { totalCount } }"}, "nonsense")
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")
        assert response.json()["data"] is None

    @pytest.mark.parametrize(
        "query",
        [
            'mutation { ...A } fragment A on Mutation { logout(input: {refresh: "x"}) { __typename } }',
            "mutation { cancelBooking(input: {bookingId: 1}) { __typename } }",
            "{ me { id } }",
            "{ __typename }",
            "mutation { __typename }",
        ],
    )
    def test_a_bad_token_is_overlooked_for_sessions_alone(self, graph: Any, db: None, query: str) -> None:
        answer = graph.ask(query, "nonsense")
        assert (answer.code, answer.status) == ("token_not_valid", 401)

    def test_graphiql_is_there_in_development(self, graph: Any, settings: Any) -> None:
        settings.DEBUG = True
        response = graph.client.get("/graphql/", headers={"accept": "text/html"})
        assert (response.status_code, response.templates[0].name) == (200, "graphql/graphiql.html")
        settings.DEBUG = False
        assert graph.client.get("/graphql/", headers={"accept": "text/html"}).status_code == 405


class TestWhatAMutationHasDone:
    """A booking that was made is in the answer, whatever else of it fails."""

    BOOK = (
        "mutation($input: BookSeatInput!) { bookSeat(input: $input) { ... on Booking { id show { movie { %s } } } } }"
    )

    @pytest.mark.parametrize("arguments", ["first: 500", 'after: "garbage"', 'from: "2030-01-01T00:00:00"'])
    def test_is_told_beside_a_wrong_argument(self, graph: Any, alice: User, show: Show, arguments: str) -> None:
        query = self.BOOK % f"shows({arguments}) {{ totalCount }}"
        input = {"showId": global_id("Show", show.pk), "seatNumber": 1}
        response = graph.send({"query": query, "variables": {"input": input}}, alice)
        body = json.loads(response.content)
        assert (response.status_code, body["errors"][0]["extensions"]["code"]) == (200, "invalid")
        assert body["data"]["bookSeat"]["id"] == global_id("Booking", Booking.objects.get().pk)

    def test_is_told_beside_a_fault(self, graph: Any, alice: User, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: Any, **__: Any) -> None:
            raise OperationalError("connection lost")

        monkeypatch.setattr("graphql_api.types.catalog.connect_to", failing)
        input = {"showId": global_id("Show", show.pk), "seatNumber": 1}
        response = graph.send({"query": self.BOOK % "shows { totalCount }", "variables": {"input": input}}, alice)
        body = json.loads(response.content)
        assert (response.status_code, body["errors"][0]["extensions"]["code"]) == (200, "database_unavailable")
        assert body["data"]["bookSeat"]["id"]

    def test_is_never_hidden_by_another(self, graph: Any, alice: User, show: Show) -> None:
        book = 'bookSeat(input: {showId: "%s", seatNumber: %d}) { __typename }'
        one, two = (book % (global_id("Show", show.pk), seat) for seat in (1, 2))
        for query in (f"a: {one} b: {two}", f"{one} ...A", f"... {{ {one} }} b: {two}"):
            fragment = f"fragment A on Mutation {{ b: {two} }}" if "...A" in query else ""
            answer = graph.ask(f"mutation {{ {query} }} {fragment}", alice)
            assert (answer.code, answer.status) == ("limit_exceeded", 400)
        assert not Booking.objects.exists()


class TestFaults:
    def test_tell_nothing_of_themselves(self, graph: Any, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: Any) -> None:
            raise ValueError("secret words")

        monkeypatch.setattr("graphql_api.types.catalog.available_seats_of", failing)
        query = "query($id: ID!) { show(id: $id) { id availableSeats } }"
        response = graph.send({"query": query, "variables": {"id": global_id("Show", show.pk)}})
        body = json.loads(response.content)
        # What was answered stands; beside it is told that something is missing.
        assert (response.status_code, body["data"]) == (200, {"show": None})
        assert body["errors"][0]["extensions"] == {"code": "internal_error"}
        assert "secret" not in response.content.decode()

    def test_before_the_execution_tell_nothing_either(self, graph: Any, db: None, monkeypatch: Any) -> None:
        def failing(*_: Any) -> None:
            raise ValueError("secret words")

        monkeypatch.setattr("graphql_api.views.client_address", failing)
        response = graph.send({"query": "{ me { id } }"})
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (500, "internal_error")
        assert "secret" not in response.content.decode()


def test_a_refused_signup_names_its_fields(graph: Any, alice: User) -> None:
    answer = graph.signup(username="alice", password=PASSWORD)
    assert list(answer.facts["errors"]) == ["username"]
