"""``manage.py forget_expired``"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.idempotency import delete_old_keys
from core.throttling import delete_old_rate_limit_windows
from reservations.holds import delete_old_holds, free_expired_seats


class Command(BaseCommand):
    help = (
        "Delete expired rows: rate limit windows, idempotency keys after 24 hours, tokens and holds, "
        "and what past shows have besides bookings."
    )

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"{delete_old_rate_limit_windows()} rate limit windows deleted.")
        self.stdout.write(f"{delete_old_keys()} idempotency keys deleted.")
        self.stdout.write(f"{free_expired_seats()} held seats freed, {delete_old_holds()} holds deleted.")
        call_command("flushexpiredtokens")
