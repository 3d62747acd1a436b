"""The WSGI entry point. It is production unless the environment sets ``DEBUG=1``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
os.environ.setdefault("STATEMENT_TIMEOUT", "2500")  # clients do not wait longer

application = get_wsgi_application()

from reservations import live  # noqa: E402

live.start()  # those who watch are other processes' clients
