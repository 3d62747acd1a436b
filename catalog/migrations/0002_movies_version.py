"""A name for the state of all movies, renewed by the table itself with every change.

SQLite drops a table's triggers when a later migration makes the table anew; such a migration must ``create`` them again.
"""

import uuid

from django.db import migrations, models

RENEW = """
    INSERT INTO catalog_moviesversion (id, token) VALUES (1, {token})
    ON CONFLICT (id) DO UPDATE SET token = excluded.token;
"""

POSTGRESQL = [
    f"""
    CREATE FUNCTION catalog_movies_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {RENEW.format(token="gen_random_uuid()::text")}
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER catalog_movies_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalog_movie
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_movies_changed()
    """,
]
SQLITE = [
    f"""
    CREATE TRIGGER catalog_movies_changed_by_{verb} AFTER {verb} ON catalog_movie
    BEGIN {RENEW.format(token="lower(hex(randomblob(16)))")} END
    """
    for verb in ("INSERT", "UPDATE", "DELETE")
]


def create(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)
    apps.get_model("catalog", "MoviesVersion").objects.create(pk=1, token=str(uuid.uuid4()))


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER catalog_movies_changed ON catalog_movie", params=None)
        schema_editor.execute("DROP FUNCTION catalog_movies_changed()", params=None)
    else:
        for verb in ("INSERT", "UPDATE", "DELETE"):
            schema_editor.execute(f"DROP TRIGGER catalog_movies_changed_by_{verb}", params=None)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="MoviesVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.CharField(help_text="Another one after each change.", max_length=36)),
            ],
        ),
        migrations.RunPython(create, drop),
    ]
