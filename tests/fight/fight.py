"""A fight: clients want few seats through both doors, while what they use is killed; then the judges."""

import itertools
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.fight.arena import Adversary, Arena
from tests.fight.checker import Undecided, Violation, check
from tests.fight.clients import Client, Fighter, Warden
from tests.fight.history import LOOKS, NOTHING_HAPPENED, OK, UNKNOWN, Call
from tests.fight.line import ask_json
from tests.fight.table import settle

SHOWS, SEATS = 2, 4


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
    undecided: list[Undecided] = field(default_factory=list)
    """Shows whose history was too hard to judge: neither right nor wrong."""
    faults: list[str] = field(default_factory=list)
    checking: float = 0
    deadlocks: int = 0

    @property
    def failed(self) -> bool:
        """Whether something was wrong."""
        return bool(self.violations or self.faults or self.deadlocks)

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong, and every history was explained."""
        return not (self.failed or self.undecided)

    def __str__(self) -> str:
        asked = [call for call in self.calls if call.verb not in LOOKS]
        done = Counter(call.verb for call in asked if call.outcome == OK)
        several = Counter(call.verb for call in asked if call.outcome == OK and len(call.seats) > 1)
        unknown = Counter(call.verb for call in asked if call.outcome == UNKNOWN)
        refusals = Counter(call.outcome for call in asked if call.outcome not in (OK, UNKNOWN))
        shows = Counter(call.show for call in self.calls)
        lines = [
            f"{self.database}, {self.clients} clients, {self.secs:.0f} s, seed {self.seed}",
            f"  calls       {len(asked)}, and {len(self.calls) - len(asked)} looks",
            f"  done        {_listed(done)}",
            f"  of groups   {_listed(several)}",
            f"  unknown     {_listed(unknown)}",
            f"  refusals    {_listed(refusals)}",
            f"  answers     {_listed(self.counts)}",
            f"  kills       {_listed(self.kills)}; connections cut by clients {self.counts['cuts']}",
            f"  outage      {_longest_outage(asked):.2f} s at the longest without an answer that tells the outcome",
            f"  deadlocks   {self.deadlocks}",
            f"  shows       {len(shows)} checked, {max(shows.values(), default=0)} calls and looks at the busiest, "
            f"in {self.checking:.1f} s",
            f"  violations  {len(self.violations) + len(self.faults)}",
            f"  undecided   {len(self.undecided)}",
        ]
        verdicts = [f"\n{verdict}" for verdict in (*self.violations, *self.undecided)]
        return "\n".join([*lines, *verdicts, *_few(self.faults)])


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
    stop, calm = threading.Event(), threading.Event()
    staff, shows = _open_shows(place, clients + 1, stop, seed)
    fighters = [Fighter(number + 1, place.service.port, shows, stop, seed=seed) for number in range(clients)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Fighter.sign_up, fighters))
    everybody: list[Client] = [*fighters, staff]
    adversary = Adversary(place, calm, seed=seed, pause=pause)
    for thread in [*everybody, adversary]:
        thread.start()
    calm.wait(secs)
    if until_all_are_killed:
        adversary.has_killed_all.wait(60)
    calm.set()
    adversary.join()
    # Who insists on an answer gets one now.
    time.sleep(0.5)
    stop.set()
    for client in everybody:
        client.join()
    report = Report(
        place.name,
        seed,
        secs,
        clients,
        calls=[call for client in everybody for call in client.calls],
        counts=sum((client.counts for client in everybody), Counter()),
        kills=adversary.kills,
        faults=[fault for client in everybody for fault in client.faults],
        deadlocks=place.deadlocks(),
    )
    if adversary.fault:
        report.faults.append(f"What was killed did not come back: {adversary.fault!r}")
    _judge(report, place, [*shows], {client.user: client.number for client in everybody})
    return report


def _open_shows(place: Arena, number: int, stop: threading.Event, seed: int) -> tuple[Warden, dict[int, list[int]]]:
    """Make staff, a film and its shows, of one row each; give the seats of each show."""
    shows: dict[int, list[int]] = {}
    staff = Warden(number, place.service.port, shows, stop, seed=seed)
    staff.sign_up()
    place.run("UPDATE core_user SET is_staff = true WHERE username = 'warden'")
    token = staff.line.token
    movie = ask_json(place.service.port, "POST", "/movies/", {"title": "Ran", "duration_minutes": 162}, token)["id"]
    begins = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for screen in range(SHOWS):
        show = {"screen_name": f"Screen {screen}", "date_time": begins, "total_seats": SEATS, "seats_per_row": SEATS}
        made = ask_json(place.service.port, "POST", f"/movies/{movie}/shows/", show, token)
        shows[int(made["id"])] = list(range(1, SEATS + 1))
    return staff, shows


def _judge(report: Report, place: Arena, shows: list[int], client_of: dict[int, int]) -> None:
    table = place.table(shows, client_of)
    history, faults = settle(report.calls, table)
    verdicts = check(history)
    report.violations = [verdict for verdict in verdicts if isinstance(verdict, Violation)]
    report.undecided = [verdict for verdict in verdicts if isinstance(verdict, Undecided)]
    report.checking = (time.monotonic_ns() - table.end) / 1e9
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
