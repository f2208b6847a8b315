"""The roles of the engine: viewer looks, operator acts. Admin is Django's superuser."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = ("view_batch", "view_item", "view_checkpoint", "view_transition", "view_retry", "view_milestone")
OPERATOR = ("operate_batch", "view_delivery")


def create_roles(apps, schema_editor):
    """Also where triage has made them before, with the same rights and its own."""
    create_permissions(installed.get_app_config("batches"), verbosity=0, using=schema_editor.connection.alias)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    rights = Permission.objects.filter(content_type__app_label="batches")
    for name, codenames in (("viewer", VIEWER), ("operator", VIEWER + OPERATOR)):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*rights.filter(codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0002_parameters_as_given"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
