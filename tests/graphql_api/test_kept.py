"""Answers made of films alone are kept until a film changes."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Movie
from core.models import User
from graphql_api import kept
from tests.conftest import make_show
from tests.doors import token_of

pytestmark = pytest.mark.django_db

FILMS = "query($first: Int) { movies(first: $first) { totalCount nodes { title } } }"


def statements(graph: Any, query: str, **variables: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        graph.query(query, **variables)
    return len(captured)


def test_the_second_time_only_the_version_is_asked_for(graph: Any, movie: Movie) -> None:
    assert statements(graph, FILMS) > 1
    assert statements(graph, FILMS) == 1


def test_a_change_of_a_film_is_told_at_once(graph: Any, movie: Movie) -> None:
    for change in (
        lambda: Movie.objects.filter(pk=movie.pk).update(title="Another title"),
        lambda: Movie.objects.create(title="Another film", duration_minutes=90),
        lambda: Movie.objects.filter(pk=movie.pk).delete(),
    ):
        before = graph.query(FILMS)
        change()
        titles = [node["title"] for node in graph.query(FILMS)["movies"]["nodes"]]
        assert titles == [*Movie.objects.values_list("title", flat=True)]
        assert graph.query(FILMS) != before


def test_other_variables_are_another_question(graph: Any, movie: Movie) -> None:
    Movie.objects.create(title="Another film", duration_minutes=90)
    for first in (1, 2, 1):
        assert len(graph.query(FILMS, first=first)["movies"]["nodes"]) == first


def test_another_operation_is_another_question(graph: Any, movie: Movie) -> None:
    query = "query A { movies { totalCount } } query B { movies { nodes { title } } }"
    for name, key in (("A", "totalCount"), ("B", "nodes"), ("A", "totalCount")):
        assert [*graph.send({"query": query, "operationName": name}).json()["data"]["movies"]] == [key]


def test_what_is_made_of_more_than_films_is_not_kept(graph: Any, movie: Movie) -> None:
    for query in (
        "{ movies { nodes { shows { totalCount } } } }",
        "{ movies { nodes { ...A } } } fragment A on Movie { shows { totalCount } }",
    ):
        before = graph.query(query)
        make_show(movie)
        assert graph.query(query) != before


def test_a_refusal_is_not_kept(graph: Any, movie: Movie) -> None:
    kept._kept.clear()
    assert graph.ask(FILMS, first=0).code == "invalid"
    assert not kept._kept


@pytest.mark.parametrize("variables", [{"unused": 10**40}, {"unused": [[{}]]}, {}], ids=repr)
def test_any_variables_will_do(graph: Any, movie: Movie, variables: Any) -> None:
    assert graph.ask("{ movies { nodes { title } } }", **variables).ok


def test_a_token_that_does_not_hold_is_refused_all_the_same(graph: Any, alice: User, movie: Movie) -> None:
    token = token_of(alice)
    assert graph.query(FILMS, token)["movies"]["totalCount"] == 1
    assert graph.ask(FILMS, "nonsense").code == "token_not_valid"
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert graph.ask(FILMS, token).status == 401


def test_no_more_is_kept_than_there_is_room_for(graph: Any, movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept._kept, "most", 3)
    for first in range(1, 9):
        graph.query(FILMS, first=first)
    assert 1 <= len(kept._kept) <= 3


def test_variables_may_be_fractions(graph: Any, db: None) -> None:
    """They come as Decimal, which plain JSON can't be made of."""
    response = graph.send({"query": "{ movies(first: 1) { nodes { title } } }", "variables": {"x": 1.5}})
    assert response.status_code == 200
