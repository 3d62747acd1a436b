"""Rate limits, counted in the database for all workers and both APIs."""

import hashlib
import ipaddress
import math
import re
import time

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from core.errors import Throttled
from core.models import RateLimitWindow

# One statement, so that of many attempts at once each is counted. A window begins with its first attempt.
_COUNT = """
    INSERT INTO core_tries (key, count, until) VALUES (%(key)s, 1, %(now)s + %(seconds)s)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN core_tries.until <= %(now)s THEN 1 ELSE core_tries.count + 1 END,
        until = CASE WHEN core_tries.until <= %(now)s THEN excluded.until ELSE core_tries.until END
    RETURNING count, until
"""


def consume(rate: str, subject: str) -> None:
    """Count an attempt by a client's address, or at an account.

    :raises Throttled: the rate limit is exceeded; ``retry_after`` is in seconds.
    """
    allowed, seconds = settings.THROTTLES[rate]
    now = time.time()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"key": f"{rate}:{subject}", "now": now, "seconds": float(seconds)})
        count, until = cursor.fetchone()
    if count > allowed:
        raise Throttled(retry_after=max(1, math.ceil(until - now)))


def consume_for_account(username: str) -> None:
    """Count an attempt to log in to an account, which need not exist, from any address.

    :raises Throttled: the rate limit of this account is exceeded; ``retry_after`` is in seconds.
    """
    consume("account", hashlib.sha256(username.lower().encode()).hexdigest())


def client_address(request: HttpRequest) -> str:
    """Return the client address of a request.

    Of IPv6 it is the /64 network, of which a client has every address. Only the last ``NUM_PROXIES`` entries of
    ``X-Forwarded-For`` are trusted.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR") or "")
    if settings.NUM_PROXIES and forwarded:
        address = forwarded.split(",")[-settings.NUM_PROXIES :][0].strip()
    if match := re.fullmatch(r"\[(.+)\](?::\d+)?|([\d.]+):\d+", address):  # some proxies add the port
        address = match[1] or match[2]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unreadable"  # all of these share one limit
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(parsed if parsed.version == 4 else ipaddress.ip_network((parsed, 64), strict=False))


def delete_old_rate_limit_windows() -> int:
    """Delete the windows that have ended; return how many."""
    return RateLimitWindow.objects.filter(until__lt=time.time()).delete()[0]
