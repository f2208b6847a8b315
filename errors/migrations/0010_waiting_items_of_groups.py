"""Groups count their items that are to be tried again. Batches that have some are counted anew when somebody looks."""

from django.db import migrations, models
from django.db.models import Exists, OuterRef


def forget_counts(apps, schema_editor):
    waiting = apps.get_model("batches", "Item").objects.filter(batch=OuterRef("batch"), available_at__isnull=False)
    apps.get_model("errors", "FailingCount").objects.filter(Exists(waiting)).delete()


class Migration(migrations.Migration):
    dependencies = [("errors", "0009_begun_regroup_jobs"), ("batches", "0029_record_calls")]

    operations = [
        migrations.AddField(
            model_name="batchgroup",
            name="waiting",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Items that failed so last, and are to be tried again: without an outcome.",
            ),
        ),
        migrations.RunPython(forget_counts, migrations.RunPython.noop),
    ]
