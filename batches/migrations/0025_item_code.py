"""Items are listed by their code; the index is built while a portal goes on writing them."""

from django.db import migrations, models

from batches.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("batches", "0024_watching"),
    ]

    operations = [
        AddIndexOnline(
            model_name="item",
            index=models.Index(
                condition=models.Q(("code", ""), _negated=True), fields=["batch", "code", "position"], name="item_code"
            ),
        ),
    ]
