"""Settings with which the application can't be imported."""

from core.settings import *  # noqa: F403

ROOT_URLCONF = "tests.server.nowhere"
