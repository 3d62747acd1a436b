"""``python -m tests.fight`` fights for seats, and ends with 1 if a seat's history cannot be explained, and with 3 if a
history is too hard to judge."""

import argparse
import sys

from tests.fight.arena import arena
from tests.fight.fight import fight, random_seed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fight", description=__doc__)
    parser.add_argument("--secs", type=float, default=120, help="how long, on each database")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--database", choices=["postgresql", "sqlite", "both"], default="both")
    parser.add_argument("--seed", type=int, default=None, help="the same choices; the moments differ all the same")
    told = parser.parse_args()
    databases = ["postgresql", "sqlite"] if told.database == "both" else [told.database]
    reports = []
    for database in databases:
        seed = random_seed() if told.seed is None else told.seed
        with arena(database) as place:
            reports.append(fight(place, secs=told.secs, clients=told.clients, seed=seed))
        print(reports[-1], flush=True)
    if any(report.failed for report in reports):
        return 1
    return 0 if all(report.ok for report in reports) else 3


if __name__ == "__main__":
    sys.exit(main())
