"""Password hashing."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes and one lane, the smallest setting that OWASP recommends.

    Django's default takes 100 MiB and eight lanes for each verification: a few dozen logins at once would take
    gigabytes and every core, so that the logins of a premiere would stop its bookings.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1
