"""The ASGI entry point, which ``make serve`` and the container serve. It is production unless the environment sets
``DEBUG=1``."""

import os

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
os.environ.setdefault("STATEMENT_TIMEOUT", "2500")  # clients do not wait longer
os.environ.setdefault("LOCK_TIMEOUT", "50")  # the gate waits longer, and holds no thread for it
django.setup()

from core.server.gate import Gate  # noqa: E402
from reservations import live  # noqa: E402

live.start()
application = Gate(threads=settings.THREADS)
