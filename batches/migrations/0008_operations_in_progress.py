"""An operation that is in progress says who runs it and has a lease, so that it needs no open transaction."""

from django.db import migrations, models

WORKER = "host:pid:start of the process that runs it as an operation."
EXPIRES_AT = "The lease of an operation in progress; of an item in progress: empty."


class Migration(migrations.Migration):
    dependencies = [("batches", "0007_webhook_secrets")]

    operations = [
        migrations.AddField(
            model_name="idempotencyrecord",
            name="worker",
            field=models.CharField(blank=True, db_default="", default="", help_text=WORKER, max_length=120),
        ),
        migrations.AlterField(
            model_name="idempotencyrecord",
            name="expires_at",
            field=models.DateTimeField(blank=True, db_index=True, help_text=EXPIRES_AT, null=True),
        ),
    ]
