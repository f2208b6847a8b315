"""Items that failed twice are listed: the index of late attempts begins with the second."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("errors", "0003_names")]

    operations = [
        migrations.AddIndex(
            model_name="errorrecord",
            index=models.Index(
                condition=models.Q(("attempt__gte", 2)), fields=["batch", "-attempt", "position"], name="error_repeated"
            ),
        ),
        migrations.RemoveIndex(model_name="errorrecord", name="error_problems"),
    ]
