"""A thousand watch the seats of a show while it is sold, over one process that serves them all."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.contestants import Arena, Site
from bench.data import MOST_SEATS
from bench.doors import OURS_REST, WATCH, Graph, Rest, global_id, query, request
from bench.entries import REST, Entry, at_door
from bench.load import Tally
from bench.walks import Noting, Walk

WATCHERS = 1000
UNWATCHED = f"{REST}, one process"
WATCHED = f"{REST}, one process, 1,000 watch"
TOLD = "from an answer to who watches"


def watched(arena: Arena, full: bool) -> Iterator[Entry]:
    """Sell a hot show without and with those who watch it; then tell how late each of them heard of each seat."""
    sale = _Sale(arena)
    yield at_door(arena, UNWATCHED, arena.alone, OURS_REST, 16, sale.begin)
    yield Entry(WATCHED, sale.sell, arena.alone, ("booked",), before=sale.let_in, after=sale.let_out)
    yield Entry(TOLD, sale.told, arena.alone)


@dataclass
class _Sale:
    """One show after the other: nobody watches the first, a thousand watch the second."""

    _arena: Arena
    _show: int = 0
    _asker: Noting | None = None
    _told: list[Tally] = field(default_factory=list)

    def begin(self, site: Site, door: Rest | Graph) -> Noting:
        self._show = self._arena.ours.database.fresh_shows(1, MOST_SEATS)
        walk = Walk(self._show, 1, MOST_SEATS)
        return Noting(door.book, walk, self._arena.ours.tokens())

    def let_in(self) -> None:
        self._asker = self.begin(self._arena.alone, OURS_REST)
        show = global_id("Show", self._show)
        version = self._arena.alone.answer(request("GET", f"/shows/{self._show}/seats/"))["version"]
        asked = [
            query(WATCH, token=token, headers="Accept: text/event-stream", show=show, since=version)
            for token in self._arena.ours.tokens()
        ]
        self._arena.watchers.watch(self._arena.alone.service.port, asked, WATCHERS)

    def sell(self, seconds: float) -> Tally:
        job = at_door(self._arena, WATCHED, self._arena.alone, OURS_REST, 16, lambda site, door: self._asker)
        tally = job.run(seconds)
        self._asker = tally.asker
        return tally

    def let_out(self) -> None:
        sold = {seat: answered for (_, seat), answered in self._asker.answers.items()}
        self._told.append(self._arena.watchers.tell(sold))

    def told(self, seconds: float) -> Tally:
        return self._told.pop()
