"""``manage.py forget_expired``"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.idempotency import delete_old_keys
from core.throttling import delete_old_rate_limit_windows
from reservations.holds import delete_old_holds, free_expired_seats


class Command(BaseCommand):
    help = (
        "Delete what has run out: counted tries whose window is over, idempotency keys after 24 hours, "
        "tokens that have expired, holds that have run out, and what shows of the past had besides bookings."
    )

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"{delete_old_rate_limit_windows()} windows of tries forgotten.")
        self.stdout.write(f"{delete_old_keys()} idempotency keys forgotten.")
        self.stdout.write(f"{free_expired_seats()} seats of holds freed, {delete_old_holds()} holds forgotten.")
        call_command("flushexpiredtokens")
