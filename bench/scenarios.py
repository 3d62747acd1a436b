"""What is measured: each scenario lets its contestants do the same thing, in turn."""

from collections.abc import Callable, Iterator

from bench.contestants import PASSWORD, Arena, Site
from bench.data import MOST_SEATS, SEATS
from bench.doors import Graph, Rest, request
from bench.entries import (
    ANY,
    BOOKED,
    PERSISTENT,
    PUBLISHED,
    REFUSED,
    REST,
    Entry,
    Scenario,
    across_many_shows,
    each_door,
    limit,
    many_shows_by_16,
)
from bench.growth import GROWTH
from bench.load import Job, Tally
from bench.premiere import premiere
from bench.reads import movies, my_bookings, shows
from bench.seats import SEAT_SCENARIOS
from bench.walks import Again, Asker, Rebooking, Rivals, Together, Walk
from bench.watching import watched


def many_shows(arena: Arena, full: bool) -> Iterator[Entry]:
    yield limit(arena, 16, shows=500)
    yield from each_door(arena, 16, across_many_shows, BOOKED)


def hot_show(clients: int) -> Callable[[Arena, bool], Iterator[Entry]]:
    """Sell one show; when its 10,000 seats are gone, the next one is as hot."""

    def asker(site: Site, door: Rest | Graph) -> Asker:
        return Together(
            door.book, Walk(site.database.fresh_shows(10, 10_000), 10, 10_000, one_by_one=True), site.tokens()
        )

    def entries(arena: Arena, full: bool) -> Iterator[Entry]:
        yield limit(arena, clients, shows=10, seats=MOST_SEATS, one_by_one=True)
        yield from each_door(arena, clients, asker, BOOKED, persistent=full)
        if clients == 64:
            yield many_shows_by_16(arena)

    return entries


def same_seat(arena: Arena, full: bool) -> Iterator[Entry]:
    def asker(site: Site, door: Rest | Graph) -> Asker:
        show = site.database.fresh_shows(1)
        return Again([door.book(show, 7, token) for token in site.tokens()])

    yield from each_door(arena, 64, asker, REFUSED, persistent=full)
    yield many_shows_by_16(arena)


def sold_out(arena: Arena, full: bool) -> Iterator[Entry]:
    def asker(site: Site, door: Rest | Graph) -> Asker:
        show = site.database.sold_out_show(SEATS)
        return Again([door.book(show, seat, token) for seat, token in enumerate(site.tokens(), 1)])

    yield from each_door(arena, 16, asker, REFUSED, persistent=full)
    yield many_shows_by_16(arena)


def every_seat_wanted(arena: Arena, full: bool) -> Iterator[Entry]:
    def asker(site: Site, door: Rest | Graph) -> Asker:
        return Rivals(door.book, Walk(site.database.fresh_shows(50), 50, SEATS, one_by_one=True), site.tokens())

    yield from each_door(arena, 64, asker, ANY, persistent=full)


def rebooking(arena: Arena, full: bool) -> Iterator[Entry]:
    def asker(site: Site, door: Rest | Graph) -> Asker:
        return Rebooking(door, site.database.fresh_shows(1), site.tokens())

    yield from each_door(arena, 16, asker, ANY, persistent=full)


def logins(arena: Arena, full: bool) -> Iterator[Entry]:
    """Log in as four accounts at once; each login hashes a password."""
    asked = [
        request("POST", "/login", body={"username": f"booker{number}", "password": PASSWORD}) for number in range(1, 5)
    ]
    for name, site in ((PUBLISHED, arena.published), (PERSISTENT, arena.persistent), (REST, arena.ours)):

        def run(seconds: float, port: int = site.service.port) -> Tally:
            return arena.loader.run(Job(port, 4, seconds, Again(asked), {"answered": (200, b'"access"')}))

        yield Entry(name, run, site)


SCENARIOS = [
    Scenario("many", "bookings over many shows", 16, many_shows, short=True),
    Scenario("hot1", "bookings of one hot show, 1 client", 1, hot_show(1)),
    Scenario("hot4", "bookings of one hot show, 4 clients", 4, hot_show(4)),
    Scenario("hot16", "bookings of one hot show, 16 clients", 16, hot_show(16)),
    Scenario("hot64", "bookings of one hot show, 64 clients", 64, hot_show(64), short=True),
    Scenario("same", "refusals: 64 clients want the same seat", 64, same_seat, short=True),
    Scenario("soldout", "refusals: a show that is sold out", 16, sold_out),
    Scenario("every", "answers: 64 clients want every seat", 64, every_seat_wanted, short=True),
    Scenario("rebook", "answers: book, cancel, book again", 16, rebooking),
    Scenario("movies", "1,000 films", 16, movies, short=True),
    Scenario("shows", "200 shows of 300 seats, half sold", 16, shows, short=True),
    Scenario("mine", "my 200 bookings", 16, my_bookings, short=True),
    Scenario("login", "logins, 4 at once", 4, logins),
    *SEAT_SCENARIOS,
    Scenario("watched", "bookings of one hot show, 1,000 watch it", 16, watched, short=True),
    Scenario("premiere", "a premiere: bookings, analysed when there were none", 16, premiere, short=True, once=True),
    *GROWTH,
]
