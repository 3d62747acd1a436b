"""Adds a column that code which does not know it can't fill, and takes away one that it reads."""

from django.db import migrations, models

from tests.faults.releases.latest import latest_migration


class Migration(migrations.Migration):
    dependencies = [("reservations", latest_migration())]
    operations = [
        migrations.AddField("claim", "channel", models.CharField(max_length=20, default="web")),
        migrations.RemoveField("claim", "cancelled_at"),
    ]
