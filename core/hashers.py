"""How passwords are hashed, and by how many threads at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher

from core.errors import LockNotAvailable


class Argon2(Argon2PasswordHasher):
    """Argon2id with the smallest parameters that OWASP recommends: 19 MiB, two passes.

    Django's default takes 100 MiB and eight lanes for each verification: a few dozen logins at once would take
    gigabytes and every core, so that a rush of logins would stop bookings.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1


SECONDS_TO_WAIT = 0.5  # for the turn to hash; a hash takes a tenth of that

_hashing: threading.Semaphore | None = None
_places = threading.Semaphore(2)  # of the thread that hashes, and of one that waits for its turn


def limit_hashing_threads() -> None:
    """Let one thread of this process hash, and one wait for its turn; core.asgi calls it."""
    global _hashing
    _hashing = threading.Semaphore(1)


@contextmanager
def hashing_slot() -> Iterator[None]:
    """Hash in this thread, after the one that hashes now.

    A hash takes as long as many bookings. One thread waits, so that there is always a next hash; no other does:
    core.server retries its request.

    :raises LockNotAvailable: another thread waits already, or the hash takes too long; nothing was done.
    """
    if _hashing is None:
        yield
        return
    if not _places.acquire(blocking=False):
        raise LockNotAvailable
    try:
        if not _hashing.acquire(timeout=SECONDS_TO_WAIT):
            raise LockNotAvailable
        try:
            yield
        finally:
            _hashing.release()
    finally:
        _places.release()
