"""Tokens of accounts, hashed; sign-ins that failed; how much each caller has asked for."""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import batches.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0013_preferences"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Allowance",
            fields=[
                ("key", models.CharField(max_length=150, primary_key=True, serialize=False)),
                ("started_ms", models.BigIntegerField(help_text="Milliseconds since 1970.")),
                ("window_ms", models.BigIntegerField()),
                ("used", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="FailedSignIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now_add=True, db_index=True)),
                (
                    "door",
                    models.CharField(
                        choices=[("page", "Sign-in page"), ("rest", "REST"), ("socket", "WebSocket")], max_length=10
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True, help_text="Of an account, or the beginning of a token.", max_length=150
                    ),
                ),
                ("address", models.CharField(blank=True, max_length=45)),
                (
                    "locked",
                    models.BooleanField(
                        default=False, help_text="The first one that was refused unread: too many before it."
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="AccessToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="What uses it: no other token in force of the account has the same name.",
                        max_length=80,
                        validators=[django.core.validators.ProhibitNullCharactersValidator()],
                    ),
                ),
                ("prefix", models.CharField(db_index=True, help_text="How the key begins.", max_length=12)),
                ("digest", batches.models.fields.HexKeyField(max_length=32)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("viewer", "Viewer: looks"),
                            ("operator", "Operator: looks and acts"),
                            ("admin", "Admin: all that the account may"),
                        ],
                        default="viewer",
                        help_text="Never more than the account itself may at the moment of use.",
                        max_length=10,
                    ),
                ),
                (
                    "processors",
                    models.JSONField(
                        blank=True, default=list, help_text="Only batches of these processors; none: batches of all."
                    ),
                ),
                (
                    "survives_password_change",
                    models.BooleanField(
                        default=False,
                        help_text="Otherwise a new password ends it, as it ends sessions.",
                        verbose_name="stays valid when the account's password changes",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, help_text="When it was made.")),
                ("created_by", models.CharField(help_text="Username of who made it, or the door.", max_length=150)),
                ("expires_at", models.DateTimeField(blank=True, help_text="Empty: it does not expire.", null=True)),
                ("last_used_at", models.DateTimeField(blank=True, help_text="Right to a minute.", null=True)),
                ("last_used_address", models.CharField(blank=True, help_text="From where.", max_length=45)),
                ("revoked_at", models.DateTimeField(blank=True, help_text="Empty: it is not revoked.", null=True)),
                (
                    "revoked_by",
                    models.CharField(blank=True, help_text="Username of who revoked it, or the door.", max_length=150),
                ),
                ("revoked_reason", models.CharField(blank=True, help_text="Why.", max_length=200)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="access_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at", None)), fields=("user", "name"), name="one_token_of_a_name"
                    )
                ],
            },
        ),
    ]
