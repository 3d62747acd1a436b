"""``python -m tests.fight.unguarded`` serves the application without what keeps a seat from being sold twice.

The unique index has to be taken from the table as well (``Arena.take_the_index_away``); then a booking still looks
whether the seat is free, as the textbook does, and two may look at once.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from core.wsgi import application
from reservations import booking, claims, holds
from reservations.models import Booking, Claim, Hold

__all__ = ["application"]


def unguarded_take(*, user: Any, show_id: int, seat_numbers: Sequence[int], hold: Hold | None = None) -> list[Booking]:
    """Free the held seats that may be taken over, as the conflict clause would, and insert the claims."""
    taken: list[Booking] = []
    for seat_number in seat_numbers:
        own = Q(pk=None) if hold else Q(user=user.pk)
        held = Claim.objects.filter(show=show_id, seat_number=seat_number, status="held")
        hold_of_own = held.filter(own, expires_at__gt=Now()).values_list("hold_id", flat=True).first()
        held.filter(own | Q(expires_at__lte=Now())).update(status="freed", expires_at=None)
        (claim,) = claims.take(user=user, show_id=show_id, seat_numbers=[seat_number], hold=hold)
        if hold_of_own:
            Claim.objects.filter(pk=claim.pk).update(hold=hold_of_own)
        taken.append(claim)
    return taken


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
    for dialect in claims.DIALECTS.values():
        dialect["on_conflict"] = ""
    booking.take = holds.take = unguarded_take
