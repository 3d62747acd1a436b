"""``manage.py forget_expired``"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.idempotency import forget_old_keys
from core.throttling import forget_old_tries


class Command(BaseCommand):
    help = (
        "Delete what has run out: counted tries whose window is over, idempotency keys after 24 hours, "
        "and tokens that have expired."
    )

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"{forget_old_tries()} windows of tries forgotten.")
        self.stdout.write(f"{forget_old_keys()} idempotency keys forgotten.")
        call_command("flushexpiredtokens")
