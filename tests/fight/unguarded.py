"""``python -m tests.fight.unguarded`` serves the application without what keeps a seat from being sold twice.

The unique index has to be taken from the table as well (``Arena.take_the_index_away``); then a booking still looks
whether the seat is free, as the textbook does, and two may look at once.
"""

import argparse
import re

from core.wsgi import application
from reservations import booking, statements

__all__ = ["application"]

_GUARD = re.compile(r"ON CONFLICT \(show_id, seat_number\) WHERE status = 'booked' DO NOTHING")


def _take_the_guard_away() -> None:
    guarded = [
        (module, name, text)
        for module in (booking, statements)
        for name, text in vars(module).items()
        if isinstance(text, str) and _GUARD.search(text)
    ]
    assert guarded, "no statement relies on the index in the words that are looked for"
    for module, name, text in guarded:
        setattr(module, name, _GUARD.sub("", text))


def main() -> None:
    from granian.constants import Interfaces
    from granian.server import Server

    parser = argparse.ArgumentParser()
    for name in ("--port", "--workers", "--threads"):
        parser.add_argument(name, type=int, required=True)
    told = parser.parse_args()
    Server(
        "tests.fight.unguarded:application",
        address="127.0.0.1",
        port=told.port,
        interface=Interfaces.WSGI,
        workers=told.workers,
        blocking_threads=told.threads,
    ).serve()


if __name__ == "__main__":
    main()
else:
    _take_the_guard_away()
