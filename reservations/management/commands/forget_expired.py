"""``manage.py forget_expired``"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.idempotency import forget_old_keys
from core.throttling import forget_old_tries
from reservations.holds import forget_old_holds, free_lapsed_seats


class Command(BaseCommand):
    help = (
        "Delete what has run out: counted tries whose window is over, idempotency keys after 24 hours, "
        "tokens that have expired, holds that have run out, and what shows of the past had besides bookings."
    )

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"{forget_old_tries()} windows of tries forgotten.")
        self.stdout.write(f"{forget_old_keys()} idempotency keys forgotten.")
        self.stdout.write(f"{free_lapsed_seats()} seats of holds freed, {forget_old_holds()} holds forgotten.")
        call_command("flushexpiredtokens")
