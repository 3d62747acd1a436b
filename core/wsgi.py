"""The WSGI entry point, for any WSGI server.

It is production unless the environment sets ``DEBUG=1``.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
os.environ.setdefault("STATEMENT_TIMEOUT", "2500")  # milliseconds; clients do not wait longer

application = get_wsgi_application()
