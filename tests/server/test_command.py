"""The server as a process: how it begins where it can't, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from core.server.__main__ import SECONDS_TO_START
from tests.faults.cinema import wait_until
from tests.service import ROOT, Service, serving

TIMES = 3
SECONDS_TO_END = 20
CONNECTIONS = 64


@pytest.fixture
def service(tmp_path: Path) -> Service:
    service = Service(database_url=f"sqlite:///{tmp_path / 'cinema.sqlite3'}", log=tmp_path / "service.log")
    service.manage("migrate", "--verbosity", "0")
    return service


@pytest.mark.only("sqlite")
class TestServing:
    def test_does_not_share_its_port(self, service: Service) -> None:
        with serving(service):
            second = subprocess.run(
                [sys.executable, "-m", "core.server", "--port", str(service.port)],
                cwd=ROOT,
                env=service.environment,
                capture_output=True,
                text=True,
                timeout=SECONDS_TO_END,
            )
        assert second.returncode != 0
        assert "Address already in use" in second.stderr

    def test_ends_if_the_application_cannot_be_imported(self, service: Service) -> None:
        server = subprocess.run(
            [sys.executable, "-m", "core.server", "--port", str(service.port)],
            cwd=ROOT,
            env={**service.environment, "DJANGO_SETTINGS_MODULE": "tests.server.broken_settings"},
            capture_output=True,
            text=True,
            timeout=2 * SECONDS_TO_START,
        )
        assert server.returncode == 1
        assert "The application can't be imported." in server.stderr
        assert "tests.server.nowhere" in server.stderr

    def test_connections_are_spread_over_the_workers(self, service: Service) -> None:
        with serving(service):
            workers = service.workers()
            before = [_open_files(worker) for worker in workers]
            connections = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(CONNECTIONS)]
            wait_until(lambda: sum(map(_open_files, workers)) >= sum(before) + CONNECTIONS, within=3)
            shares = [_open_files(worker) - files for worker, files in zip(workers, before, strict=True)]
            for connection in connections:
                connection.close()
        assert min(shares) >= CONNECTIONS // 8  # the kernel's choice is as of a coin

    def test_a_worker_that_was_killed_is_replaced(self, service: Service) -> None:
        with serving(service):
            killed = service.workers()[0]
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: killed not in (workers := service.workers()) and len(workers) == 2, within=20)
            for _ in range(CONNECTIONS):  # some of which the new worker has to serve
                with urllib.request.urlopen(f"{service.origin}/livez", timeout=20) as response:
                    assert response.status == 200

    @pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
    def test_ends_when_its_whole_group_hears_a_signal(self, service: Service, sent: signal.Signals) -> None:
        """As from a terminal: the workers end at the same moment as it does."""
        for _ in range(TIMES):
            server = subprocess.Popen(
                [sys.executable, "-m", "core.server", "--port", str(service.port)],
                cwd=ROOT,
                env=service.environment,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                time.sleep(3)
                os.killpg(server.pid, sent)
                assert server.wait(SECONDS_TO_END) == 0
            finally:
                if server.poll() is None:
                    os.killpg(server.pid, signal.SIGKILL)


def _open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
