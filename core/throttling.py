"""Budgets of tries, kept in the database: one for all workers and both doors, and counted without a race."""

import hashlib
import ipaddress
import math
import re
import time

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from core.errors import Throttled
from core.models import Tries

# One statement, so that of many tries at once each is counted. A window begins with its first try.
_COUNT_A_TRY = """
    INSERT INTO core_tries (key, count, until) VALUES (%(key)s, 1, %(now)s + %(seconds)s)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN core_tries.until <= %(now)s THEN 1 ELSE core_tries.count + 1 END,
        until = CASE WHEN core_tries.until <= %(now)s THEN excluded.until ELSE core_tries.until END
    RETURNING count, until
"""


def spend_try(budget: str, *, address: str) -> None:
    """Count one try of ``signup``, ``login`` or ``refresh`` against the address it came from.

    :raises Throttled: the budget of this address is spent; ``retry_after`` tells the seconds to wait.
    """
    _spend(budget, f"{budget}:{address}")


def spend_try_on_account(username: str) -> None:
    """Count one try to log in to this account, from wherever it came, whether the account exists or not.

    :raises Throttled: the budget of this account is spent; ``retry_after`` tells the seconds to wait.
    """
    name = hashlib.sha256(username.lower().encode()).hexdigest()
    _spend("account", f"account:{name}")


def _spend(budget: str, key: str) -> None:
    allowed, seconds = settings.THROTTLES[budget]
    now = time.time()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_A_TRY, {"key": key, "now": now, "seconds": float(seconds)})
        count, until = cursor.fetchone()
    if count > allowed:
        raise Throttled(retry_after=max(1, math.ceil(until - now)))


def client_address(request: HttpRequest) -> str:
    """Tell where a request came from; an IPv6 client is its /64, of which it has every address.

    ``X-Forwarded-For`` is believed as far as ``NUM_PROXIES`` proxies of ours have written it, and no further.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR") or "")
    if settings.NUM_PROXIES and forwarded:
        hops = forwarded.split(",")
        address = hops[-min(settings.NUM_PROXIES, len(hops))].strip()
    if match := re.fullmatch(r"\[(.+)\](?::\d+)?|([\d.]+):\d+", address):  # some proxies add the port
        address = match[1] or match[2]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unreadable"  # all of these share one budget
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def forget_old_tries() -> int:
    """Delete the windows that have ended, and tell how many there were."""
    return Tries.objects.filter(until__lt=time.time()).delete()[0]
