"""A fight: clients book and cancel few seats through both doors, while what they use is killed; then the judges."""

import itertools
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.fight.arena import Adversary, Arena
from tests.fight.checker import Violation, check
from tests.fight.clients import PASSWORD, Fighter, Seat, ask_json
from tests.fight.history import NOTHING_HAPPENED, OK, UNKNOWN, Call
from tests.fight.table import settle

SHOWS, SEATS = 2, 3

_OPENAPI = Path(__file__).resolve().parents[2] / "core" / "openapi.yaml"


@dataclass
class Report:
    """What happened, and what was wrong."""

    database: str
    seed: int
    secs: float
    clients: int
    calls: list[Call]
    counts: Counter[str]
    kills: Counter[str]
    violations: list[Violation] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    checking: float = 0

    @property
    def ok(self) -> bool:
        return not (self.violations or self.faults)

    def __str__(self) -> str:
        asked = [call for call in self.calls if call.verb in ("book", "cancel")]
        booked = sum(call.verb == "book" and call.outcome == OK for call in asked)
        cancelled = sum(call.verb == "cancel" and call.outcome == OK for call in asked)
        unknown = sum(call.outcome == UNKNOWN for call in asked)
        refusals = Counter(call.outcome for call in asked if call.outcome not in (OK, UNKNOWN))
        seats = Counter((call.show, call.seat) for call in self.calls)
        lines = [
            f"{self.database}, {self.clients} clients, {self.secs:.0f} s, seed {self.seed}",
            f"  calls       {len(asked)}: {booked} booked, {cancelled} cancelled, {unknown} of unknown outcome",
            f"  refusals    {_listed(refusals)}",
            f"  answers     {_listed(self.counts)}",
            f"  kills       {_listed(self.kills)}; connections cut by clients {self.counts['cuts']}",
            f"  outage      {_longest_outage(asked):.2f} s at the longest without an answer that tells the outcome",
            f"  seats       {len(seats)} checked, {max(seats.values(), default=0)} calls and looks at the busiest, "
            f"in {self.checking:.1f} s",
            f"  violations  {len(self.violations) + len(self.faults)}",
        ]
        return "\n".join([*lines, *(f"\n{violation}" for violation in self.violations), *_few(self.faults)])


def fight(
    place: Arena,
    *,
    secs: float,
    clients: int,
    seed: int,
    pause: tuple[float, float] = (0.5, 3),
    until_all_are_killed: bool = False,
) -> Report:
    """Let them fight for so long, and judge. The arena's service is started here, and left running.

    ``pause`` is how long the adversary waits, in seconds, at least and at most. With ``until_all_are_killed`` the
    fight goes on until each kind of kill was done, however slow the machine is.
    """
    place.service.start()
    seats = _open_shows(place)
    stop, calm = threading.Event(), threading.Event()
    fighters = [
        Fighter(number + 1, place.service.port, seats, stop, seed=seed, keys=keys_are_known())
        for number in range(clients)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Fighter.sign_up, fighters))
    adversary = Adversary(place, calm, seed=seed, pause=pause)
    for thread in [*fighters, adversary]:
        thread.start()
    calm.wait(secs)
    if until_all_are_killed:
        adversary.has_killed_all.wait(60)
    calm.set()
    adversary.join()
    # Who insists on an answer gets one now.
    time.sleep(0.5)
    stop.set()
    for fighter in fighters:
        fighter.join()
    report = Report(
        place.name,
        seed,
        secs,
        clients,
        calls=[call for fighter in fighters for call in fighter.calls],
        counts=sum((fighter.counts for fighter in fighters), Counter()),
        kills=adversary.kills,
        faults=[fault for fighter in fighters for fault in fighter.faults],
    )
    if adversary.fault:
        report.faults.append(f"What was killed did not come back: {adversary.fault!r}")
    _judge(report, place, seats, {fighter.user: fighter.number for fighter in fighters})
    return report


def keys_are_known() -> bool:
    """Tell whether the contract has ``Idempotency-Key``."""
    return "Idempotency-Key" in _OPENAPI.read_text()


def _open_shows(place: Arena) -> list[Seat]:
    """Make staff, a film and its shows."""
    staff = {"username": "sam", "password": PASSWORD}
    ask_json(place.service.port, "POST", "/signup", staff)
    place.run("UPDATE core_user SET is_staff = true WHERE username = 'sam'")
    token = ask_json(place.service.port, "POST", "/login", staff)["access"]
    movie = ask_json(place.service.port, "POST", "/movies/", {"title": "Ran", "duration_minutes": 162}, token)["id"]
    begins = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    seats = []
    for number in range(SHOWS):
        show = {"screen_name": f"Screen {number}", "date_time": begins, "total_seats": SEATS}
        made = ask_json(place.service.port, "POST", f"/movies/{movie}/shows/", show, token)
        seats += [(int(made["id"]), seat) for seat in range(1, SEATS + 1)]
    return seats


def _judge(report: Report, place: Arena, seats: list[Seat], client_of: dict[int, int]) -> None:
    start = time.monotonic_ns()
    rows = place.bookings(sorted({show for show, _ in seats}), client_of)
    end = time.monotonic_ns()
    history, faults = settle(report.calls, rows, start=start, end=end)
    report.violations = check(history)
    report.checking = (time.monotonic_ns() - end) / 1e9
    report.faults += faults


def _longest_outage(calls: list[Call]) -> float:
    answered = sorted(call.end for call in calls if call.end and call.outcome not in (UNKNOWN, *NOTHING_HAPPENED))
    return max((after - before for before, after in itertools.pairwise(answered)), default=0) / 1e9


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name != "cuts") or "none"


def _few(faults: list[str]) -> list[str]:
    more = [f"... and {len(faults) - 20} more"] if len(faults) > 20 else []
    return ["", *faults[:20], *more] if faults else []


def random_seed() -> int:
    return random.SystemRandom().randrange(10**6)
