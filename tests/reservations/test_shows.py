"""Shows over REST."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.api.movies import MovieSerializer
from catalog.models import Movie, Show
from core.models import User
from tests.conftest import make_show
from tests.doors import token_of

pytestmark = pytest.mark.django_db

EVE = datetime(2030, 12, 24, 18, 30, tzinfo=UTC)
GOOD = {"screen_name": "Aurora", "date_time": "2030-12-24T19:30:00+01:00", "total_seats": 40}


@pytest.fixture
def shows(movie: Movie) -> list[Show]:
    """Four shows: the evening before, midnight, the eve, and the midnight after."""
    times = [EVE - timedelta(days=1), EVE.replace(hour=0, minute=0), EVE, EVE.replace(hour=0, minute=0) + timedelta(1)]
    made = [
        Show.objects.create(movie=movie, screen_name=screen, date_time=time, total_seats=seats)
        for time, screen, seats in zip(times, "DCBA", (1, 5, 3, 2), strict=True)
    ]
    make_show(Movie.objects.create(title="Another", duration_minutes=90))
    return made


def found(response: Any, shows: list[Show]) -> list[int]:
    assert response.status_code == 200, response.content
    numbers = [show.pk for show in shows]
    return [numbers.index(show["id"]) for show in response.json()]


class TestList:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", [0, 1, 2, 3]),
            ("date=2030-12-24", [1, 2]),
            ("date=2030-12-26", []),
            ("date=9999-12-31", []),
            ("from=2030-12-24T18:30:00Z", [2, 3]),
            ("from=2030-12-24T19:30:00%2B01:00", [2, 3]),
            ("from=2030-12-24T18:30:01Z", [3]),
            ("from=2030-12-24", [1, 2, 3]),
            ("to=2030-12-24T18:30:00Z", [0, 1, 2]),
            ("to=2030-12-24T18:29:59Z", [0, 1]),
            ("to=2030-12-24", [0, 1, 2]),
            ("from=2030-12-24&to=2030-12-24&date=2030-12-24", [1, 2]),
            ("available=true", [1, 2, 3]),
            ("available=false", [0]),
            ("ordering=-date_time", [3, 2, 1, 0]),
            ("ordering=screen_name", [3, 2, 1, 0]),
            ("ordering=total_seats", [0, 3, 2, 1]),
            ("limit=1&offset=2", [2]),
        ],
    )
    def test_is_filtered_and_ordered(
        self, rest: Any, alice: User, movie: Movie, shows: list[Show], query: str, expected: list[int]
    ) -> None:
        assert rest.book(alice, shows[0].pk, 1).ok
        assert found(rest.send("GET", f"/movies/{movie.pk}/shows/?{query}"), shows) == expected

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("date=tomorrow", "date"),
            ("date=2030-02-30", "date"),
            ("date=", "date"),
            ("date=2030-12-24T00:00:00Z", "date"),
            ("from=2030-12-24T18:30:00", "from"),
            ("from=2030-12-24T18:30:00+01:00", "from"),
            ("from=yesterday", "from"),
            ("from=0001-01-01T00:00:00%2B14:00", "from"),
            ("to=", "to"),
            ("to=%00", "to"),
            ("available=yes", "available"),
            ("available=True", "available"),
            ("available=1", "available"),
            ("ordering=movie__shows", "ordering"),
        ],
    )
    def test_refuses_a_filter_that_cannot_be_read(self, rest: Any, movie: Movie, query: str, field: str) -> None:
        response = rest.send("GET", f"/movies/{movie.pk}/shows/?{query}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == [field]

    def test_knows_no_film_of_another_number(self, rest: Any, movie: Movie) -> None:
        for number in (movie.pk + 1, 0, 2**63, 10**40):
            response = rest.send("GET", f"/movies/{number}/shows/")
            assert (response.status_code, response.json()["code"]) == (404, "not_found")

    def test_takes_two_statements_however_long(
        self, rest: Any, alice: User, movie: Movie, django_assert_num_queries: Any
    ) -> None:
        for _ in range(20):
            rest.book(alice, make_show(movie).pk, 1)
        with django_assert_num_queries(2):
            assert len(rest.send("GET", f"/movies/{movie.pk}/shows/").json()) == 20


class TestStaff:
    def test_adds_a_show(self, rest: Any, sam: User, movie: Movie) -> None:
        response = rest.send("POST", f"/movies/{movie.pk}/shows/", GOOD, sam)
        assert response.status_code == 201
        assert response.json() == {
            "id": Show.objects.get().pk,
            "movie": {"id": movie.pk, "title": "The Third Man", "duration_minutes": 104},
            "screen_name": "Aurora",
            "date_time": "2030-12-24T18:30:00Z",
            "total_seats": 40,
            "seats_per_row": 10,
            "available_seats": 40,
        }

    def test_adds_no_show_of_a_film_that_is_not_there(self, rest: Any, sam: User) -> None:
        assert rest.send("POST", "/movies/999/shows/", GOOD, sam).json()["code"] == "not_found"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("total_seats", value) for value in (0, -1, 10_001, 10**30, "40", 40.0, True, None)),
            *(("date_time", value) for value in ("2030-12-24T18:30:00", "soon", 5, None, [], "2030-12-24", "")),
            *(("screen_name", value) for value in ("", "  ", "a" * 101, "a\0b", None, 5)),
        ],
    )
    def test_refuses_what_is_no_show(self, rest: Any, sam: User, movie: Movie, field: str, value: Any) -> None:
        response = rest.send("POST", f"/movies/{movie.pk}/shows/", {**GOOD, field: value}, sam)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == [field]

    def test_replaces_and_changes_a_show(self, rest: Any, sam: User, show: Show) -> None:
        assert rest.send("PUT", f"/shows/{show.pk}/", GOOD, sam).json()["total_seats"] == 40
        assert rest.send("PATCH", f"/shows/{show.pk}/", {"screen_name": "Capitol"}, sam).json()["total_seats"] == 40
        assert rest.send("PATCH", f"/shows/{show.pk}/", {}, sam).json()["screen_name"] == "Capitol"
        assert rest.send("PUT", f"/shows/{show.pk}/", {"screen_name": "Capitol"}, sam).status_code == 400

    def test_shrinks_a_show_as_far_as_it_is_booked(self, rest: Any, sam: User, alice: User, show: Show) -> None:
        rest.book(alice, show.pk, 2)
        booking = rest.book(alice, show.pk, 4).facts["id"]
        response = rest.send("PATCH", f"/shows/{show.pk}/", {"total_seats": 3}, sam)
        assert (response.status_code, response.json()["code"]) == (409, "seats_in_use")
        assert response.json()["highest_booked_seat"] == 4
        assert rest.send("PATCH", f"/shows/{show.pk}/", {"total_seats": 4}, sam).status_code == 200
        rest.cancel(alice, booking)
        assert rest.send("PUT", f"/shows/{show.pk}/", {**GOOD, "total_seats": 2}, sam).status_code == 200

    def test_deletes_a_show_that_never_had_a_booking(self, rest: Any, sam: User, alice: User, show: Show) -> None:
        other = make_show(show.movie)
        rest.cancel(alice, rest.book(alice, show.pk, 2).facts["id"])
        response = rest.send("DELETE", f"/shows/{show.pk}/", who=sam)
        assert (response.status_code, response.json()["code"]) == (409, "protected")
        assert rest.send("DELETE", f"/shows/{other.pk}/", who=sam).status_code == 204
        assert rest.send("DELETE", f"/shows/{other.pk}/", who=sam).status_code == 404
        assert Show.objects.get() == show

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
    def test_changes_nothing_if_the_answer_cannot_be_read(
        self, rest: Any, sam: User, show: Show, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        def fail(shows: Any) -> Any:
            raise RuntimeError

        monkeypatch.setattr("reservations.staff.with_available_seats", fail)
        path = f"/movies/{show.movie_id}/shows/" if method == "POST" else f"/shows/{show.pk}/"
        assert rest.send(method, path, GOOD, sam).status_code == 500
        assert Show.objects.values().get() == Show.objects.values().get(pk=show.pk, screen_name=show.screen_name)

    def test_adds_no_show_of_a_film_that_is_deleted_meanwhile(
        self, rest: Any, sam: User, movie: Movie, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reservations.staff.with_available_seats", lambda shows: shows.none())
        response = rest.send("POST", f"/movies/{movie.pk}/shows/", GOOD, sam)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert not Show.objects.exists()

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_finds_no_show_of_another_number(self, rest: Any, sam: User, method: str) -> None:
        assert rest.send(method, "/shows/999/", GOOD, sam).json()["code"] == "not_found"

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_others_write_nothing(self, rest: Any, alice: User, show: Show, method: str) -> None:
        path = f"/movies/{show.movie_id}/shows/" if method == "POST" else f"/shows/{show.pk}/"
        assert rest.send(method, path, GOOD, alice).json()["code"] == "permission_denied"
        assert rest.send(method, path, GOOD).json()["code"] == "not_authenticated"


class TestBookings:
    def test_show_one_of_ones_own(self, rest: Any, alice: User, bob: User, show: Show) -> None:
        booked = rest.book(alice, show.pk, 2)
        path = f"/bookings/{booked.facts['id']}/"
        assert rest.send("GET", path, who=alice).json() == booked.facts
        assert rest.send("GET", path, who=bob).json()["code"] == "not_found"
        assert rest.send("GET", path).json()["code"] == "not_authenticated"

    @pytest.mark.parametrize(
        ("ordering", "expected"),
        [
            ("created_at", [0, 1, 2]),
            ("-created_at", [2, 1, 0]),
            ("date_time", [2, 1, 0]),
            ("-date_time", [1, 0, 2]),
            ("seat_number", [1, 2, 0]),
            ("-seat_number", [0, 2, 1]),
        ],
    )
    def test_are_ordered(self, rest: Any, alice: User, movie: Movie, ordering: str, expected: list[int]) -> None:
        late, early = make_show(movie, hours=5), make_show(movie, hours=2)
        wanted = ((late, 4), (late, 1), (early, 2))
        booked = [rest.book(alice, show.pk, seat).facts["id"] for show, seat in wanted]
        listed = rest.send("GET", f"/my-bookings/?ordering={ordering}", who=alice).json()
        assert [booked.index(booking["id"]) for booking in listed] == expected

    @pytest.mark.parametrize("query", ["status=lost", "status=", "upcoming=1", "ordering=user", "limit=x"])
    def test_refuse_a_filter_that_cannot_be_read(self, rest: Any, alice: User, query: str) -> None:
        response = rest.send("GET", f"/my-bookings/?{query}", who=alice)
        assert (response.status_code, list(response.json()["errors"])) == (400, [query.partition("=")[0]])

    def test_take_four_statements_however_many(
        self, rest: Any, alice: User, movie: Movie, django_assert_num_queries: Any
    ) -> None:
        for _ in range(10):
            rest.book(alice, make_show(movie).pk, 1)
        token = token_of(alice)
        with django_assert_num_queries(4):  # the user, the bookings, their shows, the movies of these
            assert len(rest.send("GET", "/my-bookings/", who=token).json()) == 10


def test_a_show_is_read_together_with_its_movie__so_that_it_is_not_deleted_in_between(
    rest: Any, show: Show, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert rest.send("GET", f"/shows/{show.pk}/").json()["movie"]["id"] == show.movie_id


def test_shows_whose_movie_is_deleted_while_they_are_read_are_gone(
    rest: Any, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MovieSerializer, "get_queryset", Movie.objects.none)
    assert rest.send("GET", f"/movies/{show.movie_id}/shows/").json() == []
