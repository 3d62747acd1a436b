"""The ASGI entry point. It is production unless the environment sets ``DEBUG=1``."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

application = get_asgi_application()
