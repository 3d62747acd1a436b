"""Who and what the stories are about: Alice owns the booking, Bob does not, Sam is staff."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from catalog.models import Movie, Show
from core.models import User
from tests.doors import GraphQLDoor, RestDoor

PASSWORD = "correct horse battery"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the tests that are about the other database."""
    for item in items:
        marker = item.get_closest_marker("only")
        if marker and connection.vendor != marker.args[0]:
            item.add_marker(pytest.mark.skip(reason=f"about {marker.args[0]}"))


@pytest.fixture(autouse=True)
def _quick_hashes_and_wide_budgets(settings: Any, request: pytest.FixtureRequest) -> None:
    """Hash passwords quickly and count tries generously, but where a test is about these."""
    if not request.node.get_closest_marker("real_accounts"):
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (10_000, 60))


def make_user(username: str, **options: Any) -> User:
    return User.objects.create_user(username, password=PASSWORD, **options)


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice", email="alice@example.com")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def sam(db: None) -> User:
    return make_user("sam", is_staff=True, is_superuser=True)


@pytest.fixture
def movie(db: None) -> Movie:
    return Movie.objects.create(title="The Third Man", duration_minutes=104)


def make_show(movie: Movie, *, seats: int = 5, hours: float = 24, screen: str = "Aurora") -> Show:
    return Show.objects.create(
        movie=movie, screen_name=screen, date_time=timezone.now() + timedelta(hours=hours), total_seats=seats
    )


@pytest.fixture
def show(movie: Movie) -> Show:
    return make_show(movie)


def begin(show: Show) -> None:
    """Let the show have begun a moment ago."""
    Show.objects.filter(pk=show.pk).update(date_time=timezone.now() - timedelta(seconds=1))


@pytest.fixture(params=[RestDoor, GraphQLDoor], ids=["rest", "graphql"])
def door(request: pytest.FixtureRequest, client: Client) -> Any:
    return request.param(client)


@pytest.fixture
def rest(client: Client) -> RestDoor:
    return RestDoor(client)


@pytest.fixture
def graph(client: Client) -> GraphQLDoor:
    return GraphQLDoor(client)
