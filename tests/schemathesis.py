"""``python -m tests.schemathesis`` lets Schemathesis look for answers that the OpenAPI document does not promise.

The service runs as users get it: migrated, filled by ``manage.py demo``, served by ``core.server`` on loopback. It is
asked by nobody first, then by staff. The database is the one of ``DATABASE_URL``, which must be empty, and where it is
not set a new SQLite file; so ``python -m tests.postgres python -m tests.schemathesis`` asks it on PostgreSQL.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.service import Service, serving

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
# passwords are too common, or too like the name), how many seats this one show has, whether a key was used for
# something else, and what the version of a seat map is. There a 400 or a 422 is no surprise.
[[operations]]
include-name = [
  "POST /signup",
  "POST /shows/{show_id}/book/",
  "POST /bookings/{booking_id}/cancel/",
  "POST /bookings/{booking_id}/move/",
  "POST /shows/{show_id}/holds/",
  "POST /holds/{hold_id}/confirm/",
  "POST /holds/{hold_id}/extend/",
  "DELETE /holds/{hold_id}/",
  "POST /shows/{show_id}/blocked-seats/",
  "GET /shows/{show_id}/seats/",
]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "410", "422", "429", "5xx"]
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
        database = os.environ.get("DATABASE_URL") or f"sqlite:///{home / 'db.sqlite3'}"
        service = Service(database_url=database, log=home / "log")
        passwords = service.prepare()
        with serving(service):
            found = [_ask(service.origin, home, "nobody"), _ask(service.origin, home, "staff", passwords)]
    return int(any(found))


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
