"""The roles: viewer looks, operator acts. Admin is Django's superuser."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = ("view_batch", "view_item", "view_checkpoint", "view_transition", "view_retry", "view_milestone")
TRIAGE = ("view_errorgroup", "view_errorrecord", "view_batchgroup", "view_export")
OPERATOR = ("operate_batch", "triage_error", "view_delivery")


def create_roles(apps, schema_editor):
    for label in ("batches", "errors"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=schema_editor.connection.alias)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, codenames in (("viewer", VIEWER + TRIAGE), ("operator", VIEWER + TRIAGE + OPERATOR)):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(codename__in=codenames))


def remove_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=("viewer", "operator")).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("errors", "0001_initial"),
        ("batches", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_roles, remove_roles)]
