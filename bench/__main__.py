"""``python -m bench`` measures the application beside the textbook; ``--full`` measures everything.

It starts a PostgreSQL server of its own and every contestant, lets them take turns, and stops all of them.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from bench import goals, report
from bench.contestants import Arena
from bench.entries import Scenario
from bench.measure import Correctness, Figures, measure
from bench.scenarios import SCENARIOS
from tests.postgres import server

RESULTS = Path(__file__).resolve().parents[1] / "bench-results"


def main() -> int:
    told = _arguments()
    figures: list[Figures] = []
    with server() as postgres, tempfile.TemporaryDirectory(prefix="bench-") as home:
        Path(home).chmod(0o755)
        with Arena(postgres, Path(home), say) as arena:
            correctness = Correctness(arena)
            for scenario in told.scenarios:
                measured = measure(
                    arena, scenario, correctness, rounds=told.rounds, seconds=told.seconds, full=told.full, say=say
                )
                say(report.table(measured))
                figures.append(measured)
            correctness.look_at_the_tables()
    judged = goals.judge(figures)
    say(report.correctness(correctness))
    say(report.goals(judged))
    report.write(RESULTS, figures, judged, correctness, rounds=told.rounds, seconds=told.seconds)
    say(f"Written: {RESULTS.name}/latest.json, {RESULTS.name}/latest.svg")
    return 0 if correctness.holds else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="everything, growth included")
    parser.add_argument("--growth", action="store_true", help="growth alone")
    parser.add_argument(
        "--only", metavar="NAME,NAME", help=f"these alone: {', '.join(scenario.name for scenario in SCENARIOS)}"
    )
    parser.add_argument("--rounds", type=int, help="how often the contestants take turns; 3, and 5 with --full")
    parser.add_argument("--seconds", type=float, help="how long a turn is; 0.8, and 4 with --full")
    told = parser.parse_args()
    told.rounds = told.rounds or (5 if told.full or told.growth else 3)
    told.seconds = told.seconds or (4 if told.full or told.growth else 0.8)
    told.scenarios = _chosen(parser, told)
    return told


def _chosen(parser: argparse.ArgumentParser, told: argparse.Namespace) -> list[Scenario]:
    if told.only:
        names = told.only.split(",")
        if unknown := set(names) - {scenario.name for scenario in SCENARIOS}:
            parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
        return [scenario for scenario in SCENARIOS if scenario.name in names]
    if told.full:
        return SCENARIOS
    return [scenario for scenario in SCENARIOS if (scenario.growth if told.growth else scenario.short)]


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201


def _end(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Stopped.")
        sys.exit(130)
