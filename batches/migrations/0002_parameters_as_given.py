"""Parameters are stored as they were given, files beside them; those that stand there were stored cleaned."""

import django.db.models.deletion
from django.db import migrations, models

AS_GIVEN = "As they were given; the processor's form cleans them where they are used."
CLEANED = "Stored by an earlier version, cleaned already: they are used as they stand."


class Migration(migrations.Migration):
    dependencies = [("batches", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="params_cleaned",
            field=models.BooleanField(db_default=True, default=False, help_text=CLEANED),
        ),
        migrations.AlterField(
            model_name="batch",
            name="params",
            field=models.JSONField(blank=True, default=dict, help_text=AS_GIVEN),
        ),
        migrations.CreateModel(
            name="ParameterFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                ("content", models.BinaryField()),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parameter_files",
                        to="batches.batch",
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("batch", "sha256"), name="parameter_file")]},
        ),
    ]
