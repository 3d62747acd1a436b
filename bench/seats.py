"""Seats that are seen, chosen, held and moved: maps, groups, the best available, holds."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bench import doors
from bench.contestants import Arena, Site
from bench.data import MOST_SEATS, SEATS
from bench.doors import BEST, GROUP, OURS_GRAPHQL, OURS_REST, Graph, Rest, global_id, query, request
from bench.entries import GRAPHQL, REST, Entry, Scenario, at_door, many_shows_by_16, read, unchanged
from bench.walks import Asker, HoldAndConfirm, Moving, Together, Walk

DOORS: list[tuple[str, Rest | Graph]] = [(REST, OURS_REST), (GRAPHQL, OURS_GRAPHQL)]

SHOW, SHOW_GRAPHQL = f"{REST}, the show alone", f"{GRAPHQL}, the show alone"
MAP, MAP_GRAPHQL = f"{REST}, its seats", f"{GRAPHQL}, its seats"
MAP_OF_A_VIEWER = f"{REST}, its seats to a viewer"
MAP_UNCHANGED = f"{REST}, its seats, 304"
CHANGES, CHANGES_GRAPHQL = f"{REST}, {BEST} changed seats", f"{GRAPHQL}, {BEST} changed seats"
ONE_SEAT = f"{REST}, one by one"
GROUPS, GROUPS_GRAPHQL = f"{REST}, four together", f"{GRAPHQL}, four together"
FOUND, FOUND_GRAPHQL = f"{REST}, found", f"{GRAPHQL}, found"
TAKEN_OF_MANY, TAKEN_OF_ONE = f"{REST}, taken, of 16 shows", f"{REST}, taken, of one show"

HALL = (SEATS, 20)
LARGE_HALL = (2000, 40)
"""Seats, and seats a row."""
STEPS = 18
"""Seats through which each client moves: 16 times that are in a show of 300."""


def seat_map(arena: Arena, full: bool) -> Iterator[Entry]:
    """Ask for the map of a show that is half sold; and for what has changed since, which is three seats."""
    ours = arena.ours
    show, changed_show = (ours.database.half_sold_shows(1, *HALL) for _ in range(2))
    path, changed_path = (f"/shows/{number}/seats/" for number in (show, changed_show))
    number, changed_number = (global_id("Show", each) for each in (show, changed_show))
    version = _version(ours, changed_path)
    assert ours.ask(OURS_REST.book_best(changed_show, 1, ours.tokens()[0]))[0] == 201

    def get(path: str) -> Callable[[], bytes]:
        return lambda: request("GET", path)

    def ask(text: str, **variables: Any) -> Callable[[], bytes]:
        return lambda: query(text, **variables)

    yield read(arena, SHOW, ours, get(f"/shows/{show}/"), b'"total_seats"', 1)
    yield read(arena, MAP, ours, get(path), b'"seat_number"', HALL[0])
    if full:
        viewer = partial(_seats_of_a_viewer, ours, path)
        yield read(arena, MAP_OF_A_VIEWER, ours, viewer, b'"seat_number"', HALL[0])
    yield unchanged(arena, MAP_UNCHANGED, path)
    yield read(arena, CHANGES, ours, get(f"{changed_path}?since={version}"), b'"seat_number"', BEST)
    yield read(arena, SHOW_GRAPHQL, ours, ask(doors.SHOW, show=number), b'"totalSeats"', 1)
    yield read(arena, MAP_GRAPHQL, ours, ask(doors.SEAT_MAP, show=number), b'"seatNumber"', HALL[0])
    changes = ask(doors.SEAT_MAP, show=changed_number, since=version)
    yield read(arena, CHANGES_GRAPHQL, ours, changes, b'"seatNumber"', BEST)


def _version(site: Site, path: str) -> str:
    return site.answer(request("GET", path))["version"]


def _seats_of_a_viewer(site: Site, path: str) -> bytes:
    return request("GET", path, token=site.reader())


def groups(clients: int) -> Callable[[Arena, bool], Iterator[Entry]]:
    """Sell one hot show, a seat or four seats a request; the rate is of seats."""
    shows, seats = 10, MOST_SEATS

    def one(site: Site, door: Rest | Graph) -> Asker:
        walk = Walk(site.database.fresh_shows(shows, seats), shows, seats, one_by_one=True)
        return Together(door.book, walk, site.tokens())

    def four(site: Site, door: Rest | Graph) -> Asker:
        first = site.database.fresh_shows(shows, seats)
        site.database.expect_groups(first, shows, GROUP)
        return Together(door.book_group, Walk(first, shows, seats // GROUP, one_by_one=True), site.tokens())

    def entries(arena: Arena, full: bool) -> Iterator[Entry]:
        yield at_door(arena, ONE_SEAT, arena.ours, OURS_REST, clients, one)
        for name, door in ((GROUPS, OURS_REST), (GROUPS_GRAPHQL, OURS_GRAPHQL)):
            yield at_door(arena, name, arena.ours, door, clients, four, seats=GROUP, rate_of_seats=True)

    return entries


def best(seats: int, seats_per_row: int) -> Callable[[Arena, bool], Iterator[Entry]]:
    """Find the best three seats of a show that is half sold, and take them; the rate is of answers."""
    groups = seats // 10
    """There are at least so many of three: what is free, half of all, comes in fives."""

    def taken(shows: int, one_by_one: bool, site: Site, door: Rest | Graph) -> Asker:
        first = site.database.half_sold_shows(shows, seats, seats_per_row)
        site.database.expect_groups(first, shows, BEST)
        return Together(door.book_best, Walk(first, shows, groups, one_by_one), site.tokens())

    def take(arena: Arena, name: str, shows: int, *, one_by_one: bool) -> Entry:
        return at_door(arena, name, arena.ours, OURS_REST, 16, partial(taken, shows, one_by_one), seats=BEST)

    def entries(arena: Arena, full: bool) -> Iterator[Entry]:
        show = arena.ours.database.half_sold_shows(1, seats, seats_per_row)
        path = f"/shows/{show}/best-seats/?quantity={BEST}"
        yield read(arena, FOUND, arena.ours, lambda: request("GET", path), b'"seat_numbers"', 1)
        asked = query(doors.BEST_SEATS, show=global_id("Show", show), quantity=BEST)
        yield read(arena, FOUND_GRAPHQL, arena.ours, lambda: asked, b'"seatNumbers"', 1)
        yield take(arena, TAKEN_OF_MANY, 16, one_by_one=False)
        yield take(arena, TAKEN_OF_ONE, max(2, 20_000 // seats), one_by_one=True)

    return entries


def holding(arena: Arena, full: bool) -> Iterator[Entry]:
    """Hold a seat and confirm it; the rate is of pairs."""

    def asker(site: Site, door: Rest | Graph) -> Asker:
        return HoldAndConfirm(door, Walk(site.database.fresh_shows(500), 500, SEATS), site.tokens())

    yield many_shows_by_16(arena)
    for name, door in DOORS:
        yield at_door(arena, name, arena.ours, door, 16, asker)


def moving(arena: Arena, full: bool) -> Iterator[Entry]:
    """Move a booking from seat to seat of a show in which 15 others do the same."""

    def asker(site: Site, door: Rest | Graph) -> Asker:
        return Moving(door, site.database.fresh_shows(1), STEPS, site.tokens())

    yield many_shows_by_16(arena)
    for name, door in DOORS:
        yield at_door(arena, name, arena.ours, door, 16, asker, ("moved",))


SEAT_SCENARIOS = [
    Scenario("map", "seat map of 300 seats, half sold", 16, seat_map, short=True),
    Scenario("group16", "seats sold of one hot show, 16 clients", 16, groups(16)),
    Scenario("group64", "seats sold of one hot show, 64 clients", 64, groups(64), short=True),
    Scenario("best300", "the best three seats of 300, half sold", 16, best(*HALL), short=True),
    Scenario("best2000", "the best three seats of 2,000, half sold", 16, best(*LARGE_HALL), short=True),
    Scenario("hold", "hold a seat and confirm it", 16, holding, short=True),
    Scenario("move", "move a booking to another seat", 16, moving),
]
