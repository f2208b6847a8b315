"""What scripts count without rows is kept apart; batches that were counted to their end are over."""

from django.db import migrations, models
from django.db.models import Count, F
from django.utils import timezone

SUCCEEDED = "Of those that succeeded: counted by a script, without a row of their own."
FAILED = "Of those that failed: counted by a script, without a row of their own."


def split_counts(apps, schema_editor):
    """What a lane of a batch without a processor counts beyond the rows it has was counted by hand."""
    Checkpoint, Item = apps.get_model("batches", "Checkpoint"), apps.get_model("batches", "Item")
    for lane in Checkpoint.objects.filter(batch__processor="").iterator():
        statuses = Item.objects.filter(batch=lane.batch_id, lane=lane.lane).order_by().values_list("status")
        rows = dict(statuses.annotate(items=Count("pk")))
        lane.succeeded_by_hand = max(0, lane.succeeded - rows.get("SUCCEEDED", 0))
        lane.failed_by_hand = max(0, lane.failed - rows.get("FAILED", 0))
        lane.save(update_fields=["succeeded_by_hand", "failed_by_hand"])


def end_counted_batches(apps, schema_editor):
    """A batch whose items were all counted is COMPLETED, as it would be now."""
    Batch, Item = apps.get_model("batches", "Batch"), apps.get_model("batches", "Item")
    lane = apps.get_model("batches", "Checkpoint").objects.filter(
        batch__processor="", batch__status="RUNNING", batch__total_items__gt=0, worker="", lane=0
    )
    done = F("succeeded") + F("failed") + F("skipped") + F("quarantined")
    for batch_id in lane.annotate(done=done).filter(done__gte=F("batch__total_items")).values_list("batch", flat=True):
        if not Item.objects.filter(batch=batch_id, status__in=("PENDING", "RUNNING")).exists():
            batch = Batch.objects.get(pk=batch_id)
            batch.status, batch.finished_at = "COMPLETED", timezone.now()
            if batch.running_since is not None:
                batch.active_seconds += max(0.0, (batch.finished_at - batch.running_since).total_seconds())
            batch.running_since = None
            batch.save()


class Migration(migrations.Migration):
    dependencies = [("batches", "0005_quarantine")]

    operations = [
        migrations.AddField(
            model_name="checkpoint",
            name="succeeded_by_hand",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text=SUCCEEDED),
        ),
        migrations.AddField(
            model_name="checkpoint",
            name="failed_by_hand",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text=FAILED),
        ),
        migrations.RunPython(split_counts, migrations.RunPython.noop),
        migrations.RunPython(end_counted_batches, migrations.RunPython.noop),
    ]
