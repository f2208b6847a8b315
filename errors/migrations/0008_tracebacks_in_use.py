"""Whether any error points at a traceback is looked up by an index; it is built while errors are recorded."""

from django.db import migrations, models

from batches.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("errors", "0007_word_families")]

    operations = [
        AddIndexOnline(
            model_name="errorrecord",
            index=models.Index(
                condition=models.Q(("traceback__isnull", False)), fields=["traceback"], name="error_traceback"
            ),
        ),
    ]
