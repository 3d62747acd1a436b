"""The model of the table is called RateLimitWindow. The database stays as it is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("core", "0002_idempotency_key")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Tries", "RateLimitWindow"),
                migrations.AlterModelTable("RateLimitWindow", "core_tries"),
                migrations.AlterModelOptions("RateLimitWindow", {}),
            ],
        ),
    ]
