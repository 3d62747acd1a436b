"""The table of bookings takes all claims on seats. What is added may be null or has a default in the database, so that
code which does not know it goes on."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import reservations.models

STATUSES = [
    ("booked", "Booked"),
    ("cancelled", "Cancelled"),
    ("held", "Held"),
    ("blocked", "Blocked"),
    ("freed", "Freed"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_seats_per_row"),
        ("reservations", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("size", models.PositiveSmallIntegerField(help_text="How many seats it has.")),
                ("created_at", models.DateTimeField(help_text="When the seats were held.", verbose_name="held at")),
                (
                    "released_at",
                    models.DateTimeField(blank=True, help_text="When they were given back; null if not.", null=True),
                ),
                (
                    "show",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="holds", to="catalog.show"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="holds",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-created_at", "-id"]},
        ),
        migrations.AlterField(
            model_name="booking",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=reservations.models.protect_bookings,
                related_name="bookings",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="booking",
            name="show",
            field=models.ForeignKey(
                db_index=False,
                on_delete=reservations.models.protect_bookings_and_holds,
                related_name="bookings",
                to="catalog.show",
            ),
        ),
        migrations.AlterField(
            model_name="booking",
            name="status",
            field=models.CharField(
                choices=STATUSES, default="booked", help_text="`booked` holds the seat.", max_length=9
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="hold",
            field=models.ForeignKey(
                db_index=False,
                help_text="The hold that keeps the seat, or kept it until it was booked.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="claims",
                to="reservations.hold",
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="expires_at",
            field=models.DateTimeField(help_text="When the hold runs out, by the database's clock.", null=True),
        ),
        migrations.AddField(
            model_name="booking",
            name="reason",
            field=models.CharField(
                db_default="", default="", help_text="Why the seat is not sold; 1 to 200 characters.", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="changed",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Stamped by triggers: see reservations.seat_maps.",
            ),
        ),
        migrations.CreateModel(
            name="BlockedSeat",
            fields=[],
            options={"ordering": ["show", "seat_number"], "proxy": True, "indexes": [], "constraints": []},
            bases=("reservations.booking",),
        ),
    ]
