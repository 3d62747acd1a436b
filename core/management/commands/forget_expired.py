"""``manage.py forget_expired``"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.throttling import forget_old_tries


class Command(BaseCommand):
    help = "Delete what has run out: counted tries whose window is over, and tokens that have expired."

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"{forget_old_tries()} windows of tries forgotten.")
        call_command("flushexpiredtokens")
