"""The WSGI entry point, for any WSGI server. It is production unless the environment sets ``DEBUG=1``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
os.environ.setdefault("STATEMENT_TIMEOUT", "2500")  # milliseconds; clients do not wait longer
django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402

from core.observability import tracing  # noqa: E402
from reservations import live  # noqa: E402

live.tell_other_processes()  # those who watch are other processes' clients
tracing.start()
application = WSGIHandler()
