"""The server as a process: how it begins where it can't, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.server.__main__ import SECONDS_TO_START
from tests.service import ROOT, Service, serving

TIMES = 3
SECONDS_TO_END = 20


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
