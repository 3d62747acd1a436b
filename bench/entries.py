"""Who takes part in a scenario, and under which name the figures are told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from bench.contestants import Arena, Site
from bench.data import SEATS
from bench.doors import BASELINE, OURS_GRAPHQL, OURS_REST, Graph, Rest, request
from bench.load import Job, Tally
from bench.walks import Again, Asker, Together, Walk

LIMIT = "limit (pgbench)"
PUBLISHED = "baseline as published"
PERSISTENT = "baseline persistent"
REST = "ours REST"
GRAPHQL = "ours GraphQL"
LIBRARY = "library GraphQL at its best"
MANY_SHOWS = "ours REST, many shows by 16"
COUNTED, JOINED, PLAIN = (f"{PUBLISHED}, {way}" for way in ("a count a show", "a joined Count", "no free seats"))
UNCHANGED = "ours REST, 304"
PAGES = (20, 100)
REST_PAGE, GRAPHQL_PAGE, LIBRARY_PAGE = (
    {size: f"{name}, {size}" for size in PAGES} for name in (REST, GRAPHQL, LIBRARY)
)

BOOKED = ("booked",)
REFUSED = ("taken", "full")
ANY = ("booked", "taken", "full", "cancelled")

MakeAsker = Callable[[Site, Rest | Graph], Asker]


@dataclass(frozen=True)
class Entry:
    """One contestant's part in a scenario."""

    name: str
    run: Callable[[float], Tally]
    site: Site | None
    """Whose server answers; none where pgbench asks the database itself."""
    counts: tuple[str, ...] = ("answered",)
    """Which answers are counted in the rate."""
    weight: int = 1
    """What such an answer counts: the seats that it sells, where the rate is of seats."""
    before: Callable[[], None] | None = None
    """What is made ready before the turn, and is no part of it."""
    after: Callable[[], None] | None = None
    """What is tidied up after it."""


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    clients: int
    entries: Callable[[Arena, bool], Iterator[Entry]]
    """Given the arena, and whether everything is to be measured."""
    short: bool = False
    growth: bool = False
    once: bool = False
    """Whether its entries are parts of one run, which is neither warmed up nor repeated."""


def each_door(
    arena: Arena, clients: int, asker: MakeAsker, counts: tuple[str, ...], *, persistent: bool = True
) -> Iterator[Entry]:
    """Let the baseline, once or twice, and both doors of the application do the same."""
    yield at_door(arena, PUBLISHED, arena.published, BASELINE, clients, asker, counts)
    if persistent:
        yield at_door(arena, PERSISTENT, arena.persistent, BASELINE, clients, asker, counts)
    yield at_door(arena, REST, arena.ours, OURS_REST, clients, asker, counts)
    yield at_door(arena, GRAPHQL, arena.ours, OURS_GRAPHQL, clients, asker, counts)


def at_door(
    arena: Arena,
    name: str,
    site: Site,
    door: Rest | Graph,
    clients: int,
    asker: MakeAsker,
    counts: tuple[str, ...] = BOOKED,
    *,
    seats: int = 1,
    rate_of_seats: bool = False,
) -> Entry:
    """Let clients book, so many seats a request; what they ask for is made anew each round."""

    def run(seconds: float) -> Tally:
        job = Job(site.service.port, clients, seconds, asker(site, door), door.expected, door.number, seats)
        return arena.loader.run(job)

    return Entry(name, run, site, counts, seats if rate_of_seats else 1)


def many_shows_by_16(arena: Arena) -> Entry:
    """Give the rate that others are held against, so that it is measured in turn with them."""
    return at_door(arena, MANY_SHOWS, arena.ours, OURS_REST, 16, across_many_shows, BOOKED)


def across_many_shows(site: Site, door: Rest | Graph) -> Asker:
    return Together(door.book, Walk(site.database.fresh_shows(500), 500, SEATS), site.tokens())


def limit(arena: Arena, clients: int, *, shows: int, seats: int = SEATS, one_by_one: bool = False) -> Entry:
    """Let pgbench book the same seats."""

    def run(seconds: float) -> Tally:
        first = arena.ours.database.fresh_shows(shows, seats)
        return arena.limit.run(Walk(first, shows, seats, one_by_one), clients, seconds)

    return Entry(LIMIT, run, None, BOOKED)


def read(arena: Arena, name: str, site: Site, asked: Callable[[], bytes], mark: bytes, rows: int) -> Entry:
    """Let 16 clients read; the first answer is looked at, whether it has so many rows."""

    @cache
    def look() -> None:
        status, _, body = site.ask(asked())
        if status != 200 or body.count(mark) != rows:
            raise RuntimeError(f"{name}: {rows} rows were expected, not {status} {body.count(mark)} {body[:300]!r}")

    def run(seconds: float) -> Tally:
        look()
        return arena.loader.run(Job(site.service.port, 16, seconds, Again([asked()]), {"answered": (200, mark)}))

    return Entry(name, run, site)


def unchanged(arena: Arena, name: str, path: str) -> Entry:
    """Let 16 clients ask for what they have."""

    @cache
    def asked() -> bytes:
        etag = arena.ours.ask(request("GET", path))[1]["ETag"]
        return request("GET", path, headers=f"If-None-Match: {etag}")

    def run(seconds: float) -> Tally:
        job = Job(arena.ours.service.port, 16, seconds, Again([asked()]), {"answered": (304, b"")})
        return arena.loader.run(job)

    return Entry(name, run, arena.ours)
