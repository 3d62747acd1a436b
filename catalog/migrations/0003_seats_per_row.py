"""Rows of seats. Both columns have a default in the database, so that code which does not know them goes on."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_movies_version")]

    operations = [
        migrations.AddField(
            model_name="show",
            name="seats_per_row",
            field=models.PositiveSmallIntegerField(
                db_default=10,
                default=10,
                help_text="How many seats a row has; 1 to 100. Seat 1 is A1, and the last row may be shorter.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(100),
                ],
                verbose_name="seats a row",
            ),
        ),
        migrations.AddField(
            model_name="show",
            name="layout_changed",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Stamped by triggers: see reservations.seat_maps.",
            ),
        ),
        migrations.AddConstraint(
            model_name="show",
            constraint=models.CheckConstraint(
                condition=models.Q(("seats_per_row__range", (1, 100))), name="row_has_1_to_100_seats"
            ),
        ),
    ]
