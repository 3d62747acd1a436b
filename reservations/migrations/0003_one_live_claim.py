"""One unique index for bookings, held seats and blocked ones, and the other indexes; on PostgreSQL while bookings go on.

The new index is there before the old one goes, and it serves the conflict clause of code that knows the old one alone:
what is ``booked`` is among what it holds.
"""

from django.db import migrations, models

SWAP = [
    migrations.AddConstraint(
        model_name="booking",
        constraint=models.UniqueConstraint(
            condition=models.Q(("status__in", ["booked", "held", "blocked"])),
            fields=("show", "seat_number"),
            name="seat_has_one_live_claim",
        ),
    ),
    migrations.RemoveConstraint(model_name="booking", name="seat_has_one_live_booking"),
    migrations.RemoveConstraint(model_name="booking", name="booking_is_cancelled_at_a_time_or_not_at_all"),
    migrations.AddConstraint(
        model_name="booking",
        constraint=models.CheckConstraint(
            condition=models.Q(
                models.Q(
                    ("cancelled_at", None), ("expires_at", None), ("status", "booked"), ("user__isnull", False)
                ),
                models.Q(("cancelled_at__isnull", False), ("status", "cancelled"), ("user__isnull", False)),
                models.Q(
                    ("expires_at__isnull", False),
                    ("hold__isnull", False),
                    ("status", "held"),
                    ("user__isnull", False),
                ),
                models.Q(("status", "blocked"), ("user", None)),
                ("status", "freed"),
                _connector="OR",
            ),
            name="claim_has_what_its_status_needs",
        ),
    ),
    migrations.AddIndex(
        model_name="booking", index=models.Index(fields=["show", "changed"], name="claims_by_their_last_change")
    ),
    migrations.AddIndex(
        model_name="booking",
        index=models.Index(
            condition=models.Q(("status", "held")), fields=["show", "expires_at"], name="held_seats_of_a_show"
        ),
    ),
    migrations.AddIndex(
        model_name="booking",
        index=models.Index(condition=models.Q(("hold__isnull", False)), fields=["hold"], name="claims_of_a_hold"),
    ),
    migrations.RemoveIndex(model_name="booking", name="bookings_of_a_show"),
]

# Statement and what undoes it, each in a transaction of its own.
ON_POSTGRESQL = [
    (
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS seat_has_one_live_claim"
        " ON reservations_booking (show_id, seat_number) WHERE status IN ('booked', 'held', 'blocked')",
        "DROP INDEX CONCURRENTLY IF EXISTS seat_has_one_live_claim",
    ),
    (
        "DROP INDEX CONCURRENTLY IF EXISTS seat_has_one_live_booking",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS seat_has_one_live_booking"
        " ON reservations_booking (show_id, seat_number) WHERE status = 'booked'",
    ),
    (
        "ALTER TABLE reservations_booking DROP CONSTRAINT IF EXISTS booking_is_cancelled_at_a_time_or_not_at_all",
        "ALTER TABLE reservations_booking ADD CONSTRAINT booking_is_cancelled_at_a_time_or_not_at_all"
        " CHECK ((status = 'booked') = (cancelled_at IS NULL)) NOT VALID",
    ),
    (
        "ALTER TABLE reservations_booking ADD CONSTRAINT claim_has_what_its_status_needs CHECK ("
        " (status = 'booked' AND user_id IS NOT NULL AND cancelled_at IS NULL AND expires_at IS NULL)"
        " OR (status = 'cancelled' AND user_id IS NOT NULL AND cancelled_at IS NOT NULL)"
        " OR (status = 'held' AND user_id IS NOT NULL AND hold_id IS NOT NULL AND expires_at IS NOT NULL)"
        " OR (status = 'blocked' AND user_id IS NULL) OR status = 'freed') NOT VALID",
        "ALTER TABLE reservations_booking DROP CONSTRAINT IF EXISTS claim_has_what_its_status_needs",
    ),
    (
        "ALTER TABLE reservations_booking VALIDATE CONSTRAINT claim_has_what_its_status_needs",
        migrations.RunSQL.noop,
    ),
    (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS claims_by_their_last_change"
        " ON reservations_booking (show_id, changed)",
        "DROP INDEX CONCURRENTLY IF EXISTS claims_by_their_last_change",
    ),
    (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS held_seats_of_a_show"
        " ON reservations_booking (show_id, expires_at) WHERE status = 'held'",
        "DROP INDEX CONCURRENTLY IF EXISTS held_seats_of_a_show",
    ),
    (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS claims_of_a_hold"
        " ON reservations_booking (hold_id) WHERE hold_id IS NOT NULL",
        "DROP INDEX CONCURRENTLY IF EXISTS claims_of_a_hold",
    ),
    (
        "DROP INDEX CONCURRENTLY IF EXISTS bookings_of_a_show",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS bookings_of_a_show ON reservations_booking (show_id)",
    ),
]


class On(migrations.SeparateDatabaseAndState):
    """What is done on one of the two databases alone."""

    def __init__(self, vendor, operations):
        super().__init__(database_operations=operations)
        self.vendor = vendor

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == self.vendor:
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == self.vendor:
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("reservations", "0002_holds")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=SWAP,
            database_operations=[
                On("sqlite", SWAP),
                On("postgresql", [migrations.RunSQL(forwards, backwards) for forwards, backwards in ON_POSTGRESQL]),
            ],
        ),
    ]
