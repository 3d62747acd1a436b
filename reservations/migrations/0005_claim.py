"""The model of the table is called Claim; Booking and BlockedSeat are its proxies. The database stays as it is."""

from django.conf import settings
from django.db import migrations, models

import reservations.models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_seats_per_row"),
        ("reservations", "0004_stamps"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("BlockedSeat"),
                migrations.RenameModel("Booking", "Claim"),
                migrations.AlterModelTable("Claim", "reservations_booking"),
                migrations.AlterField(
                    "Claim",
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=reservations.models.protect_bookings,
                        related_name="claims",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AlterField(
                    "Claim",
                    "show",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=reservations.models.protect_bookings_and_holds,
                        related_name="claims",
                        to="catalog.show",
                    ),
                ),
                migrations.CreateModel(
                    name="Booking",
                    fields=[],
                    options={"ordering": ["-created_at", "-id"], "proxy": True, "indexes": [], "constraints": []},
                    bases=("reservations.claim",),
                ),
                migrations.CreateModel(
                    name="BlockedSeat",
                    fields=[],
                    options={"ordering": ["show", "seat_number"], "proxy": True, "indexes": [], "constraints": []},
                    bases=("reservations.claim",),
                ),
            ],
        ),
    ]
