"""The lists: films, shows with their free seats, and one's own bookings, at both doors and by the library."""

from collections.abc import Callable, Iterator

from bench import doors
from bench.contestants import Arena, Site
from bench.doors import query, request
from bench.entries import (
    COUNTED,
    GRAPHQL_PAGE,
    JOINED,
    LIBRARY,
    PERSISTENT,
    PLAIN,
    PUBLISHED,
    REST,
    REST_PAGE,
    UNCHANGED,
    Entry,
    read,
    unchanged,
)

Asked = Callable[[], bytes]


def movies(arena: Arena, full: bool) -> Iterator[Entry]:
    def whole() -> bytes:
        return request("GET", "/movies/")

    for name, site in [*_baselines(arena, full), (REST, arena.ours)]:
        yield read(arena, name, site, whole, b'"title"', 1000)
    yield unchanged(arena, UNCHANGED, "/movies/")
    yield read(arena, REST_PAGE, arena.ours, lambda: request("GET", "/movies/?limit=100"), b'"title"', 100)
    yield read(arena, GRAPHQL_PAGE, arena.ours, lambda: query(doors.MOVIES), b'"title"', 100)
    yield read(arena, LIBRARY, arena.published, lambda: query(doors.LIBRARY_MOVIES), b'"title"', 100)


def shows(arena: Arena, full: bool) -> Iterator[Entry]:
    ours, baseline = arena.ours, arena.published
    path, path_there = (f"/movies/{site.database.film}/shows/" for site in (ours, baseline))
    film, film_there = doors.global_id("Movie", ours.database.film), str(baseline.database.film)

    def get(address: str) -> Asked:
        return lambda: request("GET", address)

    for name, way in ((COUNTED, "counted/"), (JOINED, "joined/"), (PLAIN, "")):
        yield read(arena, name, baseline, get(path_there + way), b'"screen_name"', 200)
    yield read(arena, REST, ours, get(path), b'"screen_name"', 200)
    yield read(arena, REST_PAGE, ours, get(f"{path}?limit=100"), b'"screen_name"', 100)
    yield read(arena, GRAPHQL_PAGE, ours, lambda: query(doors.SHOWS, movie=film), b'"screenName"', 100)
    yield read(arena, LIBRARY, baseline, lambda: query(doors.LIBRARY_SHOWS, movie=film_there), b'"screenName"', 100)


def my_bookings(arena: Arena, full: bool) -> Iterator[Entry]:
    ours, baseline = arena.ours, arena.published

    def get(site: Site, path: str) -> Asked:
        return lambda: request("GET", path, token=site.reader())

    def ask(site: Site, text: str) -> Asked:
        return lambda: query(text, token=site.reader())

    for name, site in [*_baselines(arena, full), (REST, ours)]:
        yield read(arena, name, site, get(site, "/my-bookings/"), b'"seat_number"', 200)
    yield read(arena, REST_PAGE, ours, get(ours, "/my-bookings/?limit=100"), b'"seat_number"', 100)
    yield read(arena, GRAPHQL_PAGE, ours, ask(ours, doors.MY_BOOKINGS), b'"seatNumber"', 100)
    yield read(arena, LIBRARY, baseline, ask(baseline, doors.LIBRARY_MY_BOOKINGS), b'"seatNumber"', 100)


def _baselines(arena: Arena, full: bool) -> list[tuple[str, Site]]:
    return [(PUBLISHED, arena.published), *([(PERSISTENT, arena.persistent)] if full else [])]
