"""``python -m tests.schemathesis`` lets Schemathesis look for answers that the OpenAPI document does not promise.

The service runs as users get it: migrated, filled by ``manage.py demo``, served by Granian on loopback. It is asked
by nobody first, then by staff. The database is the one of ``DATABASE_URL``, which must be empty, and where that is
not set a new SQLite file; so ``python -m tests.postgres python -m tests.schemathesis`` asks it on PostgreSQL.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")  # of the same environment

SETTINGS = """
seed = 20261224
request-timeout = 30
continue-on-failure = true
phases.examples.fill-missing = true

[generation]
max-examples = 50
database = "none"

[cache]
enabled = false

# Some rules depend on what is in the table, so that no document can tell them: whether a name is taken (and which
# passwords are too common, or too like the name), and how many seats this one show has. There a 400 is no surprise.
[[operations]]
include-name = ["POST /signup", "POST /shows/{show_id}/book/"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "404", "409"]
"""

# Staff and a customer take turns at being refused what is the other's; tokens are renewed before they end.
SETTINGS_OF_STAFF = """
[auth.wfc]
path = "accounts.json"
user = "staff"
peers = ["staff", "customer"]
refresh_interval = 300
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="schemathesis-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        environment = _environment(home)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        passwords = _fill(environment)
        with _service(environment, home / "log") as address:
            found = [_ask(address, home, "nobody"), _ask(address, home, "staff", passwords)]
    return int(any(found))


def _environment(home: Path) -> dict[str, str]:
    # Budgets that no run can spend: a 429 would hide the answer behind it.
    budgets = {f"THROTTLE_{name}": "999999/sec" for name in ("SIGNUP", "LOGIN", "REFRESH", "ACCOUNT")}
    database = os.environ.get("DATABASE_URL") or f"sqlite:///{home / 'db.sqlite3'}"
    return {**os.environ, **budgets, "DATABASE_URL": database, "DEBUG": "1"}


def _fill(environment: dict[str, str]) -> dict[str, str]:
    """Load the demo, and give the passwords that it tells."""
    told = subprocess.run(
        [sys.executable, "manage.py", "demo"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout
    passwords = dict(re.findall(r"^  (staff|customer) +(\S+)", told, re.MULTILINE))
    if len(passwords) != 2:
        sys.exit(f"The database must be empty. manage.py demo said: {told}")
    return passwords


@contextmanager
def _service(environment: dict[str, str], log: Path) -> Iterator[str]:
    """Serve for as long as the block lasts."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as lines:
        granian = subprocess.Popen(
            [*command, "--workers", "2", "--blocking-threads", "2", "core.wsgi:application"],
            cwd=ROOT,
            env=environment,
            stdout=lines,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(f"{address}/readyz", granian, log)
            yield address
        finally:
            granian.terminate()
            granian.wait(30)


def _wait_for(url: str, granian: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.URLError:
            if granian.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    sys.exit(f"The service did not start:\n{log.read_text()[-2000:]}")


def _ask(address: str, home: Path, who: str, passwords: dict[str, str] | None = None) -> int:
    """Run Schemathesis, and give its exit status: 0 where nothing was found."""
    settings = home / f"{who}.toml"
    settings.write_text(SETTINGS + (SETTINGS_OF_STAFF if passwords else ""))
    if passwords:
        (home / "accounts.json").write_text(json.dumps({"auth": [_account(*account) for account in passwords.items()]}))
    print(f"\n--- Asked by {who} ---", flush=True)
    command = [SCHEMATHESIS, "--config-file", settings, "run", f"{address}/schema/"]
    # In a folder of its own, so that it leaves nothing in this one.
    return subprocess.run([*command, "--checks", "all", *sys.argv[1:]], cwd=home).returncode


def _account(username: str, password: str) -> dict[str, object]:
    """Tell Schemathesis how to log in, in the words of Web Fuzzing Commons."""
    return {
        "name": username,
        "loginEndpointAuth": {
            "endpoint": "/login",
            "verb": "POST",
            "contentType": "application/json",
            "payloadRaw": json.dumps({"username": username, "password": password}),
            "token": {
                "extractFrom": "body",
                "extractSelector": "/access",
                "sendIn": "header",
                "sendName": "Authorization",
                "sendTemplate": "Bearer {token}",
            },
        },
    }


if __name__ == "__main__":
    sys.exit(main())
