"""What people set aside is a quarantine by its models' names, too; tables and columns keep theirs: no row is touched.

Rights that somebody has been given upon a renamed model follow it.
"""

import django.db.models.deletion
from django.db import migrations, models

RENAMED = {"aside": "quarantine", "asideitem": "quarantineditem"}
ACTIONS = ("add", "change", "delete", "view")


def rename_permissions(apps, names):
    permissions = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="batches")
    for old, new in names.items():
        for action in ACTIONS:
            if not permissions.filter(codename=f"{action}_{new}").exists():
                row = permissions.filter(codename=f"{action}_{old}")
                row.update(codename=f"{action}_{new}", name=f"Can {action} {new}")


def forwards(apps, schema_editor):
    rename_permissions(apps, RENAMED)


def backwards(apps, schema_editor):
    rename_permissions(apps, {new: old for old, new in RENAMED.items()})


class Migration(migrations.Migration):
    dependencies = [("batches", "0004_index_of_the_next_item")]

    operations = [
        migrations.AlterModelTable("aside", "batches_aside"),
        migrations.RenameModel("Aside", "Quarantine"),
        migrations.AlterModelTable("asideitem", "batches_asideitem"),
        migrations.RenameModel("AsideItem", "QuarantinedItem"),
        migrations.AlterField(
            "quarantineditem",
            "aside",
            models.ForeignKey(
                db_column="aside_id",
                on_delete=django.db.models.deletion.CASCADE,
                related_name="taken",
                to="batches.quarantine",
            ),
        ),
        migrations.RenameField("quarantineditem", "aside", "quarantine"),
        migrations.AlterField(
            "quarantineditem",
            "item",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="quarantines", to="batches.item"
            ),
        ),
        migrations.AlterField(
            "quarantine",
            "batch",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="quarantines",
                to="batches.batch",
            ),
        ),
        migrations.RunPython(forwards, backwards),
    ]
