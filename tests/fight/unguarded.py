"""``python -m tests.fight.unguarded`` serves the application without what keeps a seat from being sold twice.

The unique index has to be taken from the table as well (``Arena.take_the_index_away``); then a booking still looks
whether the seat is free, as the textbook does, and two may look at once.
"""

import argparse
import re
from dataclasses import replace

from core.wsgi import application
from reservations import statements
from reservations.verbs import Verb

__all__ = ["application"]

_GUARD = re.compile(
    r"ON CONFLICT .* WHERE reservations_booking.status = 'held' AND \((.*)\)(?=\s+RETURNING)", re.DOTALL
)

# What the conflict clause does to a held seat that may be taken: it is freed, and its new claim is of the same hold.
_FREE = """
    UPDATE reservations_booking SET status = 'freed', expires_at = NULL FROM account, locked
    WHERE reservations_booking.show_id = locked.id AND seat_number {{among}} AND status = 'held' AND ({takes})
    RETURNING reservations_booking.id
"""
_OWN_HOLD = """(
    SELECT mine.hold_id FROM reservations_booking AS mine
    WHERE mine.show_id = locked.id AND mine.seat_number = seat.number AND mine.status = 'held'
        AND mine.user_id = account.id
)"""


def _unguarded(verb: Verb) -> Verb:
    found = _GUARD.search(verb.written)
    assert found, "no statement relies on the index in the words that are looked for"
    written = _GUARD.sub("", verb.written).replace("CAST(NULL AS bigint)", _OWN_HOLD)
    return replace(verb, writes={"taken": _FREE.format(takes=found[1]), **verb.writes}, written=written)


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
    statements.BOOK, statements.HOLD = _unguarded(statements.BOOK), _unguarded(statements.HOLD)
