"""Items that failed twice are listed: the index of late attempts begins with the second."""

from django.db import migrations, models

from batches.online_indexes import AddIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False  # the index is built while errors are recorded
    dependencies = [("errors", "0003_names")]

    operations = [
        AddIndexOnline(
            model_name="errorrecord",
            index=models.Index(
                condition=models.Q(("attempt__gte", 2)), fields=["batch", "-attempt", "position"], name="error_repeated"
            ),
        ),
        RemoveIndexOnline(model_name="errorrecord", name="error_problems"),
    ]
