"""The application on databases of 10 thousand, 1 million and 5 million bookings, measured in turn."""

from collections.abc import Callable, Iterator

from bench.contestants import Arena, Site
from bench.doors import OURS_REST, request
from bench.entries import BOOKED, Entry, Scenario, across_many_shows, at_door, read
from bench.seats import HALL

SIZES = {"10 thousand": 10_000, "1 million": 1_000_000, "5 million": 5_000_000}
FILM_SHOWS = 50  # half sold, these are 7,500 of the ten thousand


def _at_each_size(entry: Callable[[Arena, str, Site], Entry]) -> Callable[[Arena, bool], Iterator[Entry]]:
    def entries(arena: Arena, full: bool) -> Iterator[Entry]:
        for size, bookings in SIZES.items():
            yield entry(arena, size, arena.grown(f"grown_{bookings}", FILM_SHOWS, bookings))

    return entries


def _bookings(arena: Arena, size: str, site: Site) -> Entry:
    return at_door(arena, size, site, OURS_REST, 16, across_many_shows, BOOKED)


def _movies(arena: Arena, size: str, site: Site) -> Entry:
    return read(arena, size, site, lambda: request("GET", "/movies/"), b'"title"', 1000)


def _shows(arena: Arena, size: str, site: Site) -> Entry:
    path = f"/movies/{site.database.film}/shows/"
    return read(arena, size, site, lambda: request("GET", path), b'"screen_name"', FILM_SHOWS)


def _my_bookings(arena: Arena, size: str, site: Site) -> Entry:
    return read(arena, size, site, lambda: request("GET", "/my-bookings/", token=site.reader()), b'"seat_number"', 200)


def _seats(arena: Arena, size: str, site: Site) -> Entry:
    show = site.database.half_sold_shows(1, *HALL)
    return read(arena, size, site, lambda: request("GET", f"/shows/{show}/seats/"), b'"seat_number"', HALL[0])


GROWTH = [
    Scenario("growth-many", "bookings, as their table grows", 16, _at_each_size(_bookings), growth=True),
    Scenario("growth-movies", "1,000 films, as the bookings grow", 16, _at_each_size(_movies), growth=True),
    Scenario("growth-shows", "50 shows half sold, as the bookings grow", 16, _at_each_size(_shows), growth=True),
    Scenario("growth-mine", "my 200 bookings, as the bookings grow", 16, _at_each_size(_my_bookings), growth=True),
    Scenario("growth-map", "a map of 300 seats, as the bookings grow", 16, _at_each_size(_seats), growth=True),
]
