"""The signing secrets of webhooks are encrypted; beside them stands the previous one, for a while after a change."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import migrations, models

import batches.models.encrypted

PURPOSE = b"batchportal: texts encrypted in the database"


def fernet():
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    derived = [HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode()) for secret in secrets]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])


def tokens(schema_editor, rewritten):
    """Write each secret anew, past the field, which would encrypt and decrypt by itself."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT id, secret FROM batches_webhook WHERE secret <> ''")
        for pk, secret in cursor.fetchall():
            cursor.execute("UPDATE batches_webhook SET secret = %s WHERE id = %s", [rewritten(secret), pk])


def encrypt(apps, schema_editor):
    tokens(schema_editor, lambda secret: fernet().encrypt(secret.encode()).decode())


def decrypt(apps, schema_editor):
    """The secrets as they were; one that no key opens becomes none."""

    def opened(token):
        try:
            return fernet().decrypt(token.encode()).decode()
        except InvalidToken:
            return ""

    tokens(schema_editor, opened)


class Migration(migrations.Migration):
    dependencies = [("batches", "0006_counts_by_hand")]

    operations = [
        migrations.AlterField(
            model_name="webhook",
            name="secret",
            field=batches.models.encrypted.EncryptedField(
                blank=True, help_text="whsec_ and 24 to 64 bytes in base64; signs what is sent."
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="previous_secret",
            field=batches.models.encrypted.EncryptedField(
                blank=True, default="", help_text="Signs as well, for a while after a change."
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="previous_secret_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunPython(encrypt, decrypt),
    ]
