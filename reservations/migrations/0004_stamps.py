"""The tables stamp what changes on the seats of a show, so that no change passes by; reservations.seat_maps reads it.

On PostgreSQL the stamp is the number of the transaction, on SQLite, which writes one transaction at a time, a number
that the show counts. SQLite drops a table's triggers when a later migration makes the table anew; such a migration must
``create`` them again.
"""

from django.db import migrations

POSTGRESQL = [
    """
    CREATE FUNCTION reservations_claim_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.changed := pg_current_xact_id()::text::bigint;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER reservations_claim_changes BEFORE INSERT OR UPDATE ON reservations_booking
    FOR EACH ROW EXECUTE FUNCTION reservations_claim_changes()
    """,
    """
    CREATE FUNCTION reservations_claims_go() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE catalog_show SET layout_changed = pg_current_xact_id()::text::bigint
        WHERE id IN (SELECT show_id FROM gone);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER reservations_claims_go AFTER DELETE ON reservations_booking
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION reservations_claims_go()
    """,
    """
    CREATE FUNCTION reservations_layout_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.total_seats <> NEW.total_seats OR OLD.seats_per_row <> NEW.seats_per_row THEN
            NEW.layout_changed := pg_current_xact_id()::text::bigint;
        ELSE  -- whoever saves the whole row saves an old stamp with it
            NEW.layout_changed := greatest(OLD.layout_changed, NEW.layout_changed);
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER reservations_layout_changes BEFORE UPDATE ON catalog_show
    FOR EACH ROW EXECUTE FUNCTION reservations_layout_changes()
    """,
]
UNDO_POSTGRESQL = [
    "DROP TRIGGER reservations_layout_changes ON catalog_show",
    "DROP TRIGGER reservations_claims_go ON reservations_booking",
    "DROP TRIGGER reservations_claim_changes ON reservations_booking",
    "DROP FUNCTION reservations_layout_changes()",
    "DROP FUNCTION reservations_claims_go()",
    "DROP FUNCTION reservations_claim_changes()",
]

# The number after all that a show has: in its claims, and in itself.
NEXT = """
    1 + max(
        coalesce((SELECT max(changed) FROM reservations_booking WHERE show_id = {show}), 0),
        coalesce((SELECT layout_changed FROM catalog_show WHERE id = {show}), 0)
    )
"""
STAMP_CLAIM = f"UPDATE reservations_booking SET changed = {NEXT.format(show='NEW.show_id')} WHERE id = NEW.id;"
SQLITE = [
    f"""
    CREATE TRIGGER reservations_claim_comes AFTER INSERT ON reservations_booking
    BEGIN {STAMP_CLAIM} END
    """,
    f"""
    CREATE TRIGGER reservations_claim_changes
    AFTER UPDATE OF user_id, show_id, seat_number, status, expires_at ON reservations_booking
    BEGIN {STAMP_CLAIM} END
    """,
    f"""
    CREATE TRIGGER reservations_claims_go AFTER DELETE ON reservations_booking
    BEGIN
        UPDATE catalog_show SET layout_changed = max(OLD.changed + 1, {NEXT.format(show="OLD.show_id")})
        WHERE id = OLD.show_id;
    END
    """,
    f"""
    CREATE TRIGGER reservations_layout_changes AFTER UPDATE OF total_seats, seats_per_row ON catalog_show
    WHEN OLD.total_seats <> NEW.total_seats OR OLD.seats_per_row <> NEW.seats_per_row
    BEGIN
        UPDATE catalog_show SET layout_changed = max(OLD.layout_changed + 1, {NEXT.format(show="NEW.id")})
        WHERE id = NEW.id;
    END
    """,
    # Whoever saves the whole row saves an old stamp with it.
    """
    CREATE TRIGGER reservations_layout_stays AFTER UPDATE OF layout_changed ON catalog_show
    WHEN NEW.layout_changed < OLD.layout_changed
    BEGIN
        UPDATE catalog_show SET layout_changed = max(layout_changed, OLD.layout_changed) WHERE id = NEW.id;
    END
    """,
]
UNDO_SQLITE = [
    f"DROP TRIGGER reservations_{name}" for name in ("claim_comes", "claim_changes", "claims_go", "layout_changes", "layout_stays")
]


def create(apps, schema_editor):
    _execute(schema_editor, {"postgresql": POSTGRESQL, "sqlite": SQLITE})


def drop(apps, schema_editor):
    _execute(schema_editor, {"postgresql": UNDO_POSTGRESQL, "sqlite": UNDO_SQLITE})


def _execute(schema_editor, statements):
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("reservations", "0003_one_live_claim")]

    operations = [migrations.RunPython(create, drop)]
