"""Adds a column that code which does not know it can leave out, and an index without stopping who writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from tests.faults.releases.latest import latest_migration


class Migration(migrations.Migration):
    atomic = False  # an index is built beside the writers only outside a transaction
    dependencies = [("reservations", latest_migration())]
    operations = [
        migrations.AddField("claim", "channel", models.CharField(max_length=20, db_default="web")),
        AddIndexConcurrently("claim", models.Index(fields=["channel"], name="bookings_of_a_channel")),
    ]
