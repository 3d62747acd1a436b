"""The settings of the project in development mode, which is what tests run in."""

import os

os.environ.setdefault("DEBUG", "1")

from core.settings import *  # noqa: E402, F403
