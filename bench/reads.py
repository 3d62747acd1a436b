"""The lists: films, shows with their free seats, and one's own bookings, at both doors and by the library."""

from collections.abc import Callable, Iterator
from functools import partial

from bench import doors
from bench.contestants import Arena, Site
from bench.doors import query, request
from bench.entries import (
    COUNTED,
    GRAPHQL_PAGE,
    JOINED,
    LIBRARY_PAGE,
    PAGES,
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
Paged = Callable[[int], bytes]


def movies(arena: Arena, full: bool) -> Iterator[Entry]:
    def whole() -> bytes:
        return request("GET", "/movies/")

    for name, site in [*_baselines(arena, full), (REST, arena.ours)]:
        yield read(arena, name, site, whole, b'"title"', 1000)
    yield unchanged(arena, UNCHANGED, "/movies/")
    yield from _pages(
        arena,
        b'"title"',
        rest=lambda size: request("GET", f"/movies/?limit={size}"),
        graphql=lambda size: query(doors.MOVIES, first=size),
        library=lambda size: query(doors.LIBRARY_MOVIES, first=size),
    )


def shows(arena: Arena, full: bool) -> Iterator[Entry]:
    ours, baseline = arena.ours, arena.published
    path, path_there = (f"/movies/{site.database.film}/shows/" for site in (ours, baseline))
    film, film_there = (doors.global_id("Movie", site.database.film) for site in (ours, baseline))

    def get(address: str) -> Asked:
        return lambda: request("GET", address)

    for name, way in ((COUNTED, "counted/"), (JOINED, "joined/"), (PLAIN, "")):
        yield read(arena, name, baseline, get(path_there + way), b'"screen_name"', 200)
    yield read(arena, REST, ours, get(path), b'"screen_name"', 200)
    yield from _pages(
        arena,
        b'"title"',
        rest=lambda size: request("GET", f"{path}?limit={size}"),
        graphql=lambda size: query(doors.SHOWS, movie=film, first=size),
        library=lambda size: query(doors.LIBRARY_SHOWS, movie=film_there, first=size),
    )


def my_bookings(arena: Arena, full: bool) -> Iterator[Entry]:
    ours = arena.ours

    def get(site: Site, path: str) -> Asked:
        return lambda: request("GET", path, token=site.reader())

    for name, site in [*_baselines(arena, full), (REST, ours)]:
        yield read(arena, name, site, get(site, "/my-bookings/"), b'"seat_number"', 200)
    yield from _pages(
        arena,
        b'"title"',
        rest=lambda size: request("GET", f"/my-bookings/?limit={size}", token=ours.reader()),
        graphql=lambda size: query(doors.MY_BOOKINGS, token=ours.reader(), first=size),
        library=lambda size: query(doors.LIBRARY_MY_BOOKINGS, token=arena.persistent.reader(), first=size),
    )


def _pages(arena: Arena, mark: bytes, *, rest: Paged, graphql: Paged, library: Paged) -> Iterator[Entry]:
    """Read pages of each size; the library has persistent connections to the database."""
    for size in PAGES:
        yield read(arena, REST_PAGE[size], arena.ours, partial(rest, size), mark, size)
        yield read(arena, GRAPHQL_PAGE[size], arena.ours, partial(graphql, size), mark, size)
        yield read(arena, LIBRARY_PAGE[size], arena.persistent, partial(library, size), mark, size)


def _baselines(arena: Arena, full: bool) -> list[tuple[str, Site]]:
    return [(PUBLISHED, arena.published), *([(PERSISTENT, arena.persistent)] if full else [])]
