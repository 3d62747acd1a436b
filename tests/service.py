"""The application as its users get it: processes of its own, started as ``make serve`` starts them."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parents[1]
SERVE = [sys.executable, "-m", "core.server"]


class Service:
    """A server that can be started, reloaded, stopped and killed; its log is the file ``log``."""

    def __init__(
        self,
        *,
        database_url: str,
        log: Path,
        workers: int = 2,
        threads: int = 2,
        settings: Mapping[str, str] | None = None,
        command: list[str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.cwd = cwd
        self.command = [
            *(command or SERVE),
            *("--port", str(self.port), "--workers", str(workers), "--threads", str(threads)),
        ]
        self.environment = {
            # What pytest and the outer run have set for themselves is not what is served.
            **{name: value for name, value in os.environ.items() if name not in ("ALLOWED_HOSTS", "NUM_PROXIES")},
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "DATABASE_URL": database_url,
            "DEBUG": "1",
            # Budgets that no run can spend.
            **{f"THROTTLE_{budget}": "999999/sec" for budget in ("SIGNUP", "LOGIN", "REFRESH", "ACCOUNT")},
            **(settings or {}),
        }

    def manage(self, *command: str) -> str:
        """Run a command of ``manage.py`` on the service's database, and give what it printed."""
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=self.cwd,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def prepare(self) -> dict[str, str]:
        """Migrate, load the demo, and give the passwords that it tells once."""
        self.manage("migrate", "--verbosity", "0")
        told = self.manage("demo")
        passwords = dict(re.findall(r"^\s+(staff|customer)\s+(\S+)", told, re.MULTILINE))
        assert set(passwords) == {"staff", "customer"}, f"manage.py demo told no passwords:\n{told}"
        return passwords

    def start(self) -> None:
        """Start the server, and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.cwd, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.origin}/livez", timeout=5).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"The service did not start:\n{self.log.read_text()[-2000:]}")

    def workers(self) -> list[int]:
        """Tell the process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [pid for pid in map(int, children) if _is_worker(pid)]

    def reload(self) -> None:
        """Ask for new workers, as an operator does."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Let it answer what it has begun, and end."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and its workers as a power cut would."""
        for pid in [self.process.pid, *self.workers()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _is_worker(pid: int) -> bool:
    """Tell a worker from the helper process of Python's multiprocessing."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
    return b"resource_tracker" not in words


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Serve for as long as the block lasts."""
    service.start()
    try:
        yield service
    finally:
        service.stop()
