"""The limit: the statements of the application's own booking, sent by pgbench to the same database."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.data import BOOKERS, Database
from bench.load import Tally
from bench.walks import Walk
from tests.postgres import Server
from tests.service import Service

_VARIABLES = f"""
\\set step :asked * :clients + :client_id
\\set asked :asked + 1
\\set user :first_user + :step % {BOOKERS}
"""
_FROM_SHOW_TO_SHOW = "\\set show :first_show + :step % :shows\n\\set seat 1 + :step / :shows\n"
_ONE_BY_ONE = "\\set show :first_show + :step / :seats\n\\set seat 1 + :step % :seats\n"


class Limit:
    """pgbench with the statements that the application was seen to run."""

    def __init__(self, server: Server, service: Service, database: Database, token: str, home: Path) -> None:
        self._server = server
        self._database = database
        self._home = home
        home.chmod(0o755)
        show = database.fresh_shows(1)
        self._statements, self._constants = _capture(service, token, database.first_booker, show)

    def run(self, walk: Walk, clients: int, seconds: float) -> Tally:
        """Book for so many whole seconds; what counts is the rows that are there afterwards."""
        script = self._home / "booking.sql"
        script.write_text(_VARIABLES + (_ONE_BY_ONE if walk.one_by_one else _FROM_SHOW_TO_SHOW) + self._statements)
        for old in self._home.glob("latency.*"):
            old.unlink()
        newest = self._database.newest()
        command = self._command(walk, clients, seconds)
        told = subprocess.run(command, cwd=self._home, capture_output=True, text=True)  # noqa: S603
        if told.returncode:
            raise RuntimeError(f"pgbench failed:\n{told.stderr[-2000:]}")
        tally = Tally()
        booked, ran = self._database.booked_since(newest), _number(r"actually processed: (\d+)", told.stdout)
        if booked < 0.9 * ran:
            raise RuntimeError(f"pgbench ran the statements {ran:.0f} times and booked {booked} seats: no limit.")
        tally.answers["booked"] = booked
        tally.seconds = ran / _number(r"tps = ([\d.]+)", told.stdout)
        for log in self._home.glob("latency.*"):
            tally.latencies += [int(line.split()[2]) / 1e6 for line in log.read_text().splitlines()]
        return tally

    def _command(self, walk: Walk, clients: int, seconds: float) -> list[str]:
        variables = {
            "asked": 0,
            "clients": clients,
            "first_user": self._database.first_booker,
            "first_show": walk.first_show,
            "shows": walk.shows,
            "seats": walk.places,
            **self._constants,
        }
        return [
            str(self._server.bin / "pgbench"),
            *("--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--time={max(1, round(seconds))}"),
            *("--log", "--log-prefix=latency", "--file=booking.sql"),
            *(f"--define={name}={value}" for name, value in variables.items()),
            self._database.url,
        ]


def _capture(service: Service, token: str, user: int, show: int) -> tuple[str, dict[str, str]]:
    """Give the statements of one booking as a script of pgbench, and the constants among their parameters."""
    seat = next(number for number in (251, 252, 253) if number not in (user, show))
    captured = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "bench.statement", str(user), str(show), str(seat)],
        input=token,
        cwd=service.cwd,
        env={**os.environ, **service.environment},
        capture_output=True,
        text=True,
    )
    if captured.returncode:
        raise RuntimeError(f"The booking's statements could not be captured:\n{captured.stderr[-3000:]}")
    statements = json.loads(captured.stdout.splitlines()[-1])
    varies = {value.get("varies") for statement in statements for value in statement["values"].values()}
    if missing := {":user", ":show", ":seat"} - varies:
        raise RuntimeError(f"The booking's statements have no parameter for {', '.join(sorted(missing))}.")
    parts, constants = [], {}
    for number, statement in enumerate(statements):
        text, its_constants = _in_script(statement, f"constant{number}")
        parts.append(f"{text.strip()};\n")
        constants |= its_constants
    return "".join(parts), constants


def _in_script(statement: dict[str, Any], prefix: str) -> tuple[str, dict[str, str]]:
    """Write variables of the script for the statement's parameters; other parameters are literals."""
    values = statement["values"]
    constants = {f"{prefix}_{name}": value["constant"] for name, value in values.items() if _is_text(value)}

    def parameter(found: re.Match[str]) -> str:
        name, value = found[1], values[found[1]]
        if "varies" in value:
            return f"{value['varies']}::bigint"
        return f":{prefix}_{name}::text" if _is_text(value) else sql.Literal(value["constant"]).as_string()

    return re.sub(r"%\((\w+)\)s", parameter, statement["text"]).replace("%%", "%"), constants


def _is_text(value: dict[str, Any]) -> bool:
    return isinstance(value.get("constant"), str)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"pgbench told no figure:\n{text[-2000:]}")
    return float(found[1])


def create_database(server: Server, name: str) -> str:
    """Make an empty database in the server, and give its address."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return server.url.removesuffix("/postgres") + "/" + name
