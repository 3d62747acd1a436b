"""The settings of the project in development mode, which is what tests run in."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("DEBUG", "1")

from core.settings import *  # noqa: F403
from core.settings import DATABASE_URL, DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]

if DATABASE_URL.startswith("sqlite:///"):
    # A file and not memory, so that threads meet as requests do; one a run, so that two runs do not.
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.gettempdir()) / f"tickets-test-{os.getpid()}.sqlite3"}
