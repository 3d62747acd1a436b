"""The project's settings, and the migrations of a release that does not exist: ``RELEASE`` tells which."""

import os

from core.settings import *  # noqa: F403

MIGRATION_MODULES = {"reservations": f"tests.faults.releases.{os.environ['RELEASE']}"}
INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]  # noqa: F405
