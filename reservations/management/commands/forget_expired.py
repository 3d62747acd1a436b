"""``manage.py forget_expired``"""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from core.database import delete_in_batches
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
        expired = OutstandingToken.objects.filter(expires_at__lte=timezone.now())
        self.stdout.write(f"{delete_in_batches(expired)} tokens deleted.")
