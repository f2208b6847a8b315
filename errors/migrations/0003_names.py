"""Models and fields are named for what they hold; tables and columns keep their names, so no row is touched.

Workers of the release before find everything where it was while the new ones start. Rights that somebody has been given
upon a renamed model follow it.
"""

from django.db import migrations, models

RENAMED = {"groupmove": "regroupjob", "advised": "advicerevision"}
ACTIONS = ("add", "change", "delete", "view")


def rename_permissions(apps, names):
    Permission = apps.get_model("auth", "Permission")
    for old, new in names.items():
        for action in ACTIONS:
            there = Permission.objects.filter(content_type__app_label="errors", codename=f"{action}_{old}")
            if not Permission.objects.filter(content_type__app_label="errors", codename=f"{action}_{new}").exists():
                there.update(codename=f"{action}_{new}", name=f"Can {action} {new}")


def forwards(apps, schema_editor):
    rename_permissions(apps, RENAMED)


def backwards(apps, schema_editor):
    rename_permissions(apps, {new: old for old, new in RENAMED.items()})


class Migration(migrations.Migration):
    dependencies = [("errors", "0002_roles")]

    operations = [
        migrations.AlterModelTable("groupmove", "errors_groupmove"),
        migrations.RenameModel("GroupMove", "RegroupJob"),
        migrations.AlterModelTable("advised", "errors_advised"),
        migrations.RenameModel("Advised", "AdviceRevision"),
        migrations.AlterField("findings", "found", models.JSONField(db_column="found", default=list)),
        migrations.RenameField("findings", "found", "findings"),
        migrations.AlterField(
            "advicerevision",
            "looked",
            models.CharField(db_column="looked", help_text="Empty: to be worked out anew.", max_length=100),
        ),
        migrations.RenameField("advicerevision", "looked", "revision"),
        migrations.AlterField(
            "advicerevision",
            "batch",
            models.OneToOneField(
                on_delete=models.CASCADE,
                primary_key=True,
                related_name="advice_revision",
                serialize=False,
                to="batches.batch",
            ),
        ),
        migrations.AlterField(
            "regroupjob",
            "group",
            models.ForeignKey(on_delete=models.CASCADE, related_name="regroup_jobs", to="errors.errorgroup"),
        ),
        migrations.AlterModelOptions("advicerevision", {}),
        migrations.RunPython(forwards, backwards),
    ]
