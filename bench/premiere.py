"""A premiere: bookings on a table that was analysed while it was empty, and is not analysed again.

A prepared statement that is planned in this state would scan the whole table for ever, if scans were allowed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.contestants import Arena, Site
from bench.data import SEATS, Database
from bench.doors import OURS_REST, Graph, Rest
from bench.entries import BOOKED, REST, Entry, at_door
from bench.load import Tally
from bench.walks import Asker, Together, Walk

WARM_UP = 1.0  # seconds, for processes that have just started
PART, SHORT_PART = 10.0, 4.0  # seconds at the beginning, and at the end
SHOWS, SHOWS_BETWEEN = 500, 200  # the latter have as many seats as are sold in a minute
FIRST, LAST = f"{REST}, at the beginning", f"{REST}, at the end"


def premiere(arena: Arena, full: bool) -> Iterator[Entry]:
    """Sell for a minute; in the short form, most of the minute's bookings are inserted by SQL."""
    sale = _Sale(arena, PART if full else SHORT_PART)
    yield Entry(FIRST, sale.sell, sale.site, BOOKED, before=sale.warm_up)
    yield Entry(LAST, sale.sell, sale.site, BOOKED, before=sale.sell_between if full else sale.insert_between)


@dataclass
class _Sale:
    arena: Arena
    part: float
    asker: Asker | None = None
    uncounted: Tally = field(default_factory=Tally)
    """What came back before the part that is measured; only its rate does not count."""

    def __post_init__(self) -> None:
        self.site = self.arena.fresh("premiere", self._furnish)

    def _furnish(self, database: Database) -> None:
        self.first_show = database.furnish_premiere(SHOWS + SHOWS_BETWEEN)

    def sell(self, seconds: float) -> Tally:
        """Sell for a part of the minute, however long the turns of other scenarios are."""
        tally = self._sell(self.part)
        tally.wrong += self.uncounted.wrong
        tally.faults += self.uncounted.faults
        tally.unanswered += self.uncounted.unanswered
        tally.booked += self.uncounted.booked
        return tally

    def warm_up(self) -> None:
        self.uncounted = self._sell(WARM_UP)

    def sell_between(self) -> None:
        self.uncounted = self._sell(4 * self.part)

    def insert_between(self) -> None:
        self.uncounted = Tally()
        self.site.database.sell_out(self.first_show + SHOWS, SHOWS_BETWEEN)

    def _sell(self, seconds: float) -> Tally:
        tally = at_door(self.arena, REST, self.site, OURS_REST, 16, self._asker).run(seconds)
        self.asker = tally.asker
        return tally

    def _asker(self, site: Site, door: Rest | Graph) -> Asker:
        return self.asker or Together(door.book, Walk(self.first_show, SHOWS, SEATS), site.tokens())
