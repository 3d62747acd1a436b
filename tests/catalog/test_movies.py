"""Films over REST."""

from typing import Any

import pytest

from catalog.models import Movie, Show
from core.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def films() -> list[Movie]:
    titles = [("Brazil", 136), ("Alien", 117), ("Casablanca", 102), ("Alien", 99)]
    return [Movie.objects.create(title=title, duration_minutes=minutes) for title, minutes in titles]


def titles(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [movie["title"] for movie in response.json()]


class TestList:
    def test_is_a_plain_array_by_title_for_anybody(self, rest: Any, films: list[Movie]) -> None:
        response = rest.send("GET", "/movies/")
        assert titles(response) == ["Alien", "Alien", "Brazil", "Casablanca"]
        assert response.json()[0] == {"id": films[1].pk, "title": "Alien", "duration_minutes": 117}
        assert response.headers["X-Total-Count"] == "4"
        assert "Link" not in response.headers

    def test_is_paged_by_limit_and_offset_with_links(self, rest: Any, films: list[Movie]) -> None:
        response = rest.send("GET", "/movies/?limit=2&offset=1&search=a")
        assert titles(response) == ["Alien", "Brazil"]
        assert response.headers["X-Total-Count"] == "4"
        links = dict(reversed(link.split("; ")) for link in response.headers["Link"].split(", "))
        after = rest.client.get(links['rel="next"'].strip("<>"))
        before = rest.client.get(links['rel="prev"'].strip("<>"))
        assert titles(after) == ["Casablanca"]
        assert titles(before) == ["Alien"]  # the one before, and none a second time

    def test_is_empty_beyond_the_end(self, rest: Any, films: list[Movie]) -> None:
        assert titles(rest.send("GET", "/movies/?offset=999999999")) == []

    def test_is_whole_up_to_1000(self, rest: Any, db: None) -> None:
        Movie.objects.bulk_create(Movie(title=f"Film {n:04}", duration_minutes=90) for n in range(1001))
        response = rest.send("GET", "/movies/")
        assert len(response.json()) == 1000
        assert 'rel="next"' in response.headers["Link"]

    @pytest.mark.parametrize(
        ("ordering", "expected"),
        [
            ("-title", ["Casablanca", "Brazil", "Alien", "Alien"]),
            ("duration_minutes", ["Alien", "Casablanca", "Alien", "Brazil"]),
            ("-id", ["Alien", "Casablanca", "Alien", "Brazil"]),
        ],
    )
    def test_is_ordered(self, rest: Any, films: list[Movie], ordering: str, expected: list[str]) -> None:
        assert titles(rest.send("GET", f"/movies/?ordering={ordering}")) == expected

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=", "limit"),
            ("limit=5.0", "limit"),
            ("limit=%205", "limit"),
            ("limit=%D9%A3", "limit"),
            ("limit=1_0", "limit"),
            ("limit=1&limit=2", "limit"),
            ("offset=-1", "offset"),
            ("offset=99999999999999999999", "offset"),
            ("ordering=password", "ordering"),
            ("ordering=shows__bookings", "ordering"),
            ("ordering=", "ordering"),
            ("search=%00", "search"),
            ("search=a&search=b", "search"),
        ],
    )
    def test_refuses_a_parameter_that_cannot_be_read(self, rest: Any, db: None, query: str, field: str) -> None:
        response = rest.send("GET", f"/movies/?{query}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == [field]

    def test_takes_two_statements_if_it_is_whole(
        self, rest: Any, films: list[Movie], django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(2):  # the version, the movies
            rest.send("GET", "/movies/")


class TestStaff:
    def test_adds_a_film(self, rest: Any, sam: User) -> None:
        response = rest.send("POST", "/movies/", {"title": " M ", "duration_minutes": 111}, sam)
        assert response.status_code == 201
        assert response.json() == {"id": Movie.objects.get().pk, "title": "M", "duration_minutes": 111}

    def test_replaces_a_film(self, rest: Any, sam: User, movie: Movie) -> None:
        response = rest.send("PUT", f"/movies/{movie.pk}/", {"title": "M", "duration_minutes": 111}, sam)
        assert response.json() == {"id": movie.pk, "title": "M", "duration_minutes": 111}
        assert rest.send("PUT", f"/movies/{movie.pk}/", {"title": "M"}, sam).status_code == 400

    def test_changes_a_film(self, rest: Any, sam: User, movie: Movie) -> None:
        response = rest.send("PATCH", f"/movies/{movie.pk}/", {"duration_minutes": 93}, sam)
        assert response.json() == {"id": movie.pk, "title": "The Third Man", "duration_minutes": 93}
        assert rest.send("PATCH", f"/movies/{movie.pk}/", {}, sam).status_code == 200

    def test_deletes_a_film_and_its_shows(self, rest: Any, sam: User, show: Show) -> None:
        assert rest.send("DELETE", f"/movies/{show.movie_id}/", who=sam).status_code == 204
        assert not Show.objects.exists()
        assert rest.send("GET", f"/movies/{show.movie_id}/").json()["code"] == "not_found"

    @pytest.mark.parametrize("cancelled", [False, True])
    def test_keeps_a_film_with_bookings(self, rest: Any, sam: User, alice: User, show: Show, cancelled: bool) -> None:
        booking = rest.book(alice, show.pk, 1).facts["id"]
        if cancelled:
            rest.cancel(alice, booking)
        response = rest.send("DELETE", f"/movies/{show.movie_id}/", who=sam)
        assert (response.status_code, response.json()["code"]) == (409, "protected")
        assert Show.objects.exists()

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"duration_minutes": 90}, "title"),
            ({"title": "", "duration_minutes": 90}, "title"),
            ({"title": "  ", "duration_minutes": 90}, "title"),
            ({"title": "a\0b", "duration_minutes": 90}, "title"),
            ({"title": "a" * 256, "duration_minutes": 90}, "title"),
            ({"title": None, "duration_minutes": 90}, "title"),
            ({"title": 5, "duration_minutes": 90}, "title"),
            ({"title": "M"}, "duration_minutes"),
            *(({"title": "M", "duration_minutes": value}, "duration_minutes") for value in (0, -1, 1441, 10**30)),
            *(({"title": "M", "duration_minutes": value}, "duration_minutes") for value in ("90", 90.0, True, None)),
        ],
        ids=repr,
    )
    def test_refuses_what_is_no_film(self, rest: Any, sam: User, body: Any, field: str) -> None:
        response = rest.send("POST", "/movies/", body, sam)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == [field]
        assert not Movie.objects.exists()

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_finds_no_film_of_another_number(self, rest: Any, sam: User, method: str) -> None:
        response = rest.send(method, "/movies/999/", {"title": "M", "duration_minutes": 111}, sam)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_others_write_nothing(self, rest: Any, alice: User, movie: Movie, method: str) -> None:
        path = "/movies/" if method == "POST" else f"/movies/{movie.pk}/"
        response = rest.send(method, path, {"title": "M", "duration_minutes": 111}, alice)
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
        response = rest.send(method, path, {"title": "M", "duration_minutes": 111})
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
        assert Movie.objects.get() == movie


class TestKeptAnswers:
    def tag(self, rest: Any, **headers: str) -> Any:
        return rest.send("GET", "/movies/", **headers)

    def test_are_not_read_again(self, rest: Any, films: list[Movie], django_assert_num_queries: Any) -> None:
        first = self.tag(rest)
        with django_assert_num_queries(1):  # which asks for the version
            second = self.tag(rest)
        assert first.content == second.content
        assert first["ETag"] == second["ETag"]
        assert second["X-Total-Count"] == first["X-Total-Count"]
        assert second["X-Request-ID"] != first["X-Request-ID"]

    def test_are_304_to_whoever_has_them(self, rest: Any, films: list[Movie]) -> None:
        first = self.tag(rest)
        response = self.tag(rest, **{"If-None-Match": first["ETag"]})
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", first["ETag"])

    def test_tell_addresses_apart(self, rest: Any, films: list[Movie]) -> None:
        assert self.tag(rest).content != rest.send("GET", "/movies/?limit=1").content

    def test_never_stand_for_a_refusal(self, rest: Any, films: list[Movie]) -> None:
        assert rest.send("GET", "/movies/?limit=0", **{"If-None-Match": "*"}).status_code == 400

    @pytest.mark.parametrize(
        "change",
        [
            lambda movie: Movie.objects.create(title="New", duration_minutes=1),
            lambda movie: Movie.objects.bulk_create([Movie(title="New", duration_minutes=1)]),
            lambda movie: Movie.objects.filter(pk=movie.pk).update(title="Renamed"),
            lambda movie: movie.delete(),
        ],
        ids=["create", "bulk_create", "update", "delete"],
    )
    def test_are_made_anew_after_any_change(self, rest: Any, films: list[Movie], change: Any) -> None:
        first = self.tag(rest)
        change(films[0])
        second = self.tag(rest, **{"If-None-Match": first["ETag"]})
        assert second.status_code == 200
        assert second["ETag"] != first["ETag"]
        assert second.content != first.content

    def test_are_stale_without_the_triggers(self, rest: Any, films: list[Movie], monkeypatch: Any) -> None:
        monkeypatch.setattr("catalog.api.movies.movies_version", lambda: "for ever")
        first = self.tag(rest)
        Movie.objects.create(title="New", duration_minutes=1)
        assert self.tag(rest).content == first.content

    @pytest.mark.parametrize(
        "condition", [{"If-Match": '"x"'}, {"If-Unmodified-Since": "Tue, 01 Dec 2099 00:00:00 GMT"}], ids=str
    )
    def test_are_told_to_whoever_has_other_conditions(
        self, rest: Any, films: list[Movie], condition: dict[str, str]
    ) -> None:
        assert self.tag(rest, **condition).status_code == 200

    @pytest.mark.parametrize(("limit", "statements"), [(10, 2), (10_000, 1)])
    def test_are_not_kept_where_they_are_large(
        self,
        rest: Any,
        films: list[Movie],
        monkeypatch: Any,
        django_assert_num_queries: Any,
        limit: int,
        statements: int,
    ) -> None:
        monkeypatch.setattr("catalog.api.movies.MAX_CACHED_BYTES", limit)
        assert self.tag(rest)["ETag"]
        with django_assert_num_queries(statements):
            self.tag(rest)
