"""A job that was begun moves its records in many commits, and whoever goes on with it begins nothing again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("errors", "0008_tracebacks_in_use")]

    operations = [
        migrations.AddField(
            model_name="regroupjob",
            name="begun_at",
            field=models.DateTimeField(blank=True, help_text="Since then, failures to come count there.", null=True),
        ),
    ]
