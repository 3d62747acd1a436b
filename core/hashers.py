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


_slots: threading.Semaphore | None = None


def limit_hashing_threads(threads: int) -> None:
    """Limit the threads of this process that hash at once; core.asgi calls it."""
    global _slots
    _slots = threading.Semaphore(threads)


@contextmanager
def hashing_slot() -> Iterator[None]:
    """Hash in this thread, unless too many other threads are hashing.

    A hash takes as long as many bookings. A thread never waits for its turn: core.server retries the request.

    :raises LockNotAvailable: too many are hashing; nothing was done.
    """
    if _slots is None:
        yield
        return
    if not _slots.acquire(blocking=False):
        raise LockNotAvailable
    try:
        yield
    finally:
        _slots.release()
