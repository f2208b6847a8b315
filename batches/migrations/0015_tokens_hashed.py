"""Tokens of `rest_framework.authtoken`, which stand in its table as they are, go on as hashed ones.

Where that app is installed no more its table goes, so that no key stays readable; where a project has it for itself, it
stays as it is.
"""

from hashlib import sha256

from django.apps import apps as installed
from django.db import migrations

TABLE, APP = "authtoken_token", "authtoken"
PREFIX_LENGTH = 12


def take_over(apps, schema_editor):
    connection = schema_editor.connection
    if TABLE not in connection.introspection.table_names():
        return
    AccessToken = apps.get_model("batches", "AccessToken")
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, user_id FROM authtoken_token")
        keys = cursor.fetchall()
    AccessToken.objects.bulk_create(
        AccessToken(
            user_id=user_id,
            name="Token of before the upgrade",
            prefix=key[:PREFIX_LENGTH],
            digest=sha256(key.encode()).hexdigest(),
            scope="admin",
            created_by="upgrade",
        )
        for key, user_id in keys
    )
    if not installed.is_installed("rest_framework.authtoken"):
        forget(connection)


def forget(connection):
    """The table, and that it was made: where the app is installed again, it is made anew."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA secure_delete = ON")  # else the keys would stay in the file's free pages
        cursor.execute("DELETE FROM authtoken_token")
        cursor.execute("DROP TABLE authtoken_token")
        cursor.execute("DELETE FROM django_migrations WHERE app = %s", [APP])


class Migration(migrations.Migration):
    dependencies = [("batches", "0014_access")]

    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]
