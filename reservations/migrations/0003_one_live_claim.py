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

NEW_INDEXES = {
    "seat_has_one_live_claim": "UNIQUE INDEX CONCURRENTLY {name} ON reservations_booking (show_id, seat_number)"
    " WHERE status IN ('booked', 'held', 'blocked')",
    "claims_by_their_last_change": "INDEX CONCURRENTLY {name} ON reservations_booking (show_id, changed)",
    "held_seats_of_a_show": "INDEX CONCURRENTLY {name} ON reservations_booking (show_id, expires_at)"
    " WHERE status = 'held'",
    "claims_of_a_hold": "INDEX CONCURRENTLY {name} ON reservations_booking (hold_id) WHERE hold_id IS NOT NULL",
}
OLD_INDEXES = {
    "seat_has_one_live_booking": "UNIQUE INDEX CONCURRENTLY {name} ON reservations_booking (show_id, seat_number)"
    " WHERE status = 'booked'",
    "bookings_of_a_show": "INDEX CONCURRENTLY {name} ON reservations_booking (show_id)",
}
NEW_CHECK = (
    "claim_has_what_its_status_needs",
    "(status = 'booked' AND user_id IS NOT NULL AND cancelled_at IS NULL AND expires_at IS NULL)"
    " OR (status = 'cancelled' AND user_id IS NOT NULL AND cancelled_at IS NOT NULL)"
    " OR (status = 'held' AND user_id IS NOT NULL AND hold_id IS NOT NULL AND expires_at IS NOT NULL)"
    " OR (status = 'blocked' AND user_id IS NULL) OR status = 'freed'",
)
OLD_CHECK = ("booking_is_cancelled_at_a_time_or_not_at_all", "(status = 'booked') = (cancelled_at IS NULL)")


def swap(schema_editor, add, remove, add_check, remove_check):
    """Put indexes and a check beside the old ones, and then take those away. Each statement is a transaction of its
    own, so that it can end at any of them: then it is run again, and goes on where it was."""
    for name, definition in add.items():
        if _is_valid(schema_editor, name):
            continue
        # What a build that was ended leaves behind holds nothing apart.
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        schema_editor.execute("CREATE " + definition.format(name=name))
    name, condition = add_check
    schema_editor.execute(f"ALTER TABLE reservations_booking DROP CONSTRAINT IF EXISTS {name}")
    schema_editor.execute(f"ALTER TABLE reservations_booking DROP CONSTRAINT IF EXISTS {remove_check[0]}")
    schema_editor.execute(f"ALTER TABLE reservations_booking ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
    schema_editor.execute(f"ALTER TABLE reservations_booking VALIDATE CONSTRAINT {name}")
    for name in remove:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _is_valid(schema_editor, name):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        return (cursor.fetchone() or (False,))[0]


def forwards(apps, schema_editor):
    swap(schema_editor, NEW_INDEXES, OLD_INDEXES, NEW_CHECK, OLD_CHECK)


def backwards(apps, schema_editor):
    swap(schema_editor, OLD_INDEXES, NEW_INDEXES, OLD_CHECK, NEW_CHECK)


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
                On("postgresql", [migrations.RunPython(forwards, backwards, atomic=False)]),
            ],
        ),
    ]
