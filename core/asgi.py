"""The ASGI entry point, for ``python -m core.server``.

It is production unless the environment sets ``DEBUG=1``.
"""

import os

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
os.environ.setdefault("STATEMENT_TIMEOUT", "2500")  # milliseconds; clients do not wait longer
os.environ.setdefault("LOCK_TIMEOUT", "50")  # the application waits longer, and holds no thread for it
django.setup()

from core.hashers import limit_hashing_threads  # noqa: E402
from core.server.application import Application  # noqa: E402

limit_hashing_threads()
application = Application(threads=settings.THREADS + 2)  # one may be hashing a password, and one waiting to
