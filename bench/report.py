"""What is told: a table a scenario, what was right, the goals, and both files."""

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.chart import draw
from bench.goals import Goal
from bench.measure import Correctness, Figures

NONE = "–"
NOT_MEASURED = "n/a"


def table(figures: Figures) -> str:
    """Write one scenario's figures: rates, times, cores used, and ratios to the baselines and the limit."""
    head = f"{'':38}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'app':>6}{'db':>6}{'×publ.':>8}{'×pers.':>8}{'limit':>7}"
    lines = [
        f"  {row['contestant']:36}{_rate(row['a_second'])}{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}"
        f"{row['application_cores']:6.2f}{row['database_cores']:6.2f}"
        f"{_times(row['to_published']):>8}{_times(row['to_persistent']):>8}{_share(row['of_the_limit']):>7}"
        for row in figures.rows()
    ]
    return "\n".join([head, *lines, ""])


def _rate(a_second: float) -> str:
    return f"{a_second:10,.1f}" if a_second < 100 else f"{a_second:10,.0f}"


def _times(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}"


def _share(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.0%}"


def correctness(counted: Correctness) -> str:
    """Write what must be 0; of the baseline it is told, of the application it is asked."""
    words = f"{'wrong codes':>12}{'5xx':>6}{'unanswered':>12}{'lost':>6}{'sold twice':>12}{'in part':>9}"
    lines = [f"{'what went wrong':28}{words}"]
    for name, wrong in counted.wrong.items():
        lines.append(
            f"  {name:26}{wrong.codes.total():12}{wrong.faults:6}{wrong.unanswered:12}{wrong.lost:6}"
            f"{wrong.sold_twice:12}{wrong.in_part:9}"
        )
        lines += [f"    {times} × {code}" for code, times in wrong.codes.most_common(5)]
    return "\n".join([*lines, ""])


def goals(judged: list[Goal]) -> str:
    lines = [f"{'goals':72}{'asked':>9}{'reached':>9}"]
    for goal in judged:
        asked = f"{'≤' if goal.at_most else '≥'} {goal.asked:g}"
        reached = NOT_MEASURED if goal.reached is None else f"{goal.reached:.2f}"
        lines.append(f"  {goal.words:70}{asked:>9}{reached:>9}  {_verdict(goal)}")
    return "\n".join([*lines, ""])


def _verdict(goal: Goal) -> str:
    return NOT_MEASURED if goal.met is None else "yes" if goal.met else "NO"


def write(
    folder: Path, figures: list[Figures], judged: list[Goal], counted: Correctness, *, rounds: int, seconds: float
) -> None:
    """Write ``latest.json`` and ``latest.svg``."""
    folder.mkdir(exist_ok=True)
    measured = {
        "measured": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "rounds": rounds,
            "seconds": seconds,
            "cores": os.cpu_count(),
            "load_average": os.getloadavg()[0],
            "machine": platform.machine(),
            "python": platform.python_version(),
        },
        "scenarios": [
            {
                "name": figure.scenario.name,
                "title": figure.scenario.title,
                "clients": figure.scenario.clients,
                "contestants": figure.rows(),
            }
            for figure in figures
        ],
        "goals": [{**asdict(goal), "met": goal.met} for goal in judged],
        "wrong": {name: vars(wrong) for name, wrong in counted.wrong.items()},
    }
    (folder / "latest.json").write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "latest.svg").write_text(draw(figures), encoding="utf-8")
