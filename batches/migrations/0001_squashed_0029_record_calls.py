"""The tables of the engine on an empty database, as migrations 1 to 29 leave them, in a third of their time.

A database that some of those have been applied to goes on with them, one by one. What they do besides tables is taken
from them; what they change of rows finds none here.
"""

import re
from importlib import import_module

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import batches.models.encrypted
import batches.models.fields

first = import_module("batches.migrations.0001_initial")
roles = import_module("batches.migrations.0003_roles")
tokens = import_module("batches.migrations.0015_tokens_hashed")
plans = import_module("batches.migrations.0017_plans")
global_pause = import_module("batches.migrations.0018_global_pause")
claim_calls = import_module("batches.migrations.0028_claim_calls")
record_calls = import_module("batches.migrations.0029_record_calls")

DROP_FUNCTIONS = """
DROP FUNCTION IF EXISTS batches_claim_1, batches_record_1, batches_claim_2, batches_record_2, batches_claim_3,
  batches_claim_calls_1, batches_record_calls_1
"""


def drop_functions(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP_FUNCTIONS)


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("batches", "0001_initial"),
        ("batches", "0002_parameters_as_given"),
        ("batches", "0003_roles"),
        ("batches", "0004_index_of_the_next_item"),
        ("batches", "0005_quarantine"),
        ("batches", "0006_counts_by_hand"),
        ("batches", "0007_webhook_secrets"),
        ("batches", "0008_operations_in_progress"),
        ("batches", "0009_worker_origins"),
        ("batches", "0010_workers"),
        ("batches", "0011_crashes"),
        ("batches", "0012_waiting_items"),
        ("batches", "0013_preferences"),
        ("batches", "0014_access"),
        ("batches", "0015_tokens_hashed"),
        ("batches", "0016_removal"),
        ("batches", "0017_plans"),
        ("batches", "0018_global_pause"),
        ("batches", "0019_hidden_corrections"),
        ("batches", "0020_priority"),
        ("batches", "0021_start_at"),
        ("batches", "0022_what_retries_brought"),
        ("batches", "0023_run_again"),
        ("batches", "0024_watching"),
        ("batches", "0025_item_code"),
        ("batches", "0026_retention_of_failed"),
        ("batches", "0027_quotas"),
        ("batches", "0028_claim_calls"),
        ("batches", "0029_record_calls"),
    ]

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
            name="Allowance",
            fields=[
                ("key", models.CharField(max_length=150, primary_key=True, serialize=False)),
                ("started_ms", models.BigIntegerField(help_text="Milliseconds since 1970.")),
                ("window_ms", models.BigIntegerField()),
                ("used", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Batch",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                        validators=[
                            django.core.validators.RegexValidator(
                                re.compile("\\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\\Z"),
                                "Use letters, digits, dot, hyphen and underscore; start with a letter or digit.",
                            )
                        ],
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        validators=[django.core.validators.ProhibitNullCharactersValidator()],
                    ),
                ),
                (
                    "processor",
                    models.CharField(
                        blank=True, help_text="Empty for an ad hoc batch of the Python API.", max_length=100
                    ),
                ),
                (
                    "params",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="As they were given; the processor's form cleans them where they are used.",
                    ),
                ),
                (
                    "params_cleaned",
                    models.BooleanField(
                        db_default=True,
                        default=False,
                        help_text="Stored by an earlier version, cleaned already: they are used as they stand.",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("PENDING", "Pending"),
                            ("QUEUED", "Queued"),
                            ("RUNNING", "Running"),
                            ("PAUSING", "Pausing"),
                            ("PAUSED", "Paused"),
                            ("CANCELLING", "Cancelling"),
                            ("CANCELLED", "Cancelled"),
                            ("HALTED", "Halted"),
                            ("COMPLETED", "Completed"),
                            ("FAILED", "Failed"),
                            ("ARCHIVING", "Archiving"),
                            ("ARCHIVED", "Archived"),
                            ("DELETING", "Deleting"),
                        ],
                        db_index=True,
                        default="PENDING",
                        max_length=12,
                    ),
                ),
                ("reason", models.TextField(blank=True, help_text="Why it is in this status, in words for people.")),
                ("total_items", models.PositiveIntegerField(default=0)),
                (
                    "fingerprint",
                    models.CharField(blank=True, help_text="sha256 of processor, params and items.", max_length=64),
                ),
                (
                    "code",
                    models.JSONField(
                        blank=True, default=list, help_text="Hashes of the processor's code it has run with."
                    ),
                ),
                (
                    "source",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="What was read: filename, bytes, sha256, format, encoding, dialect, columns, "
                        "key_column.",
                    ),
                ),
                (
                    "concurrency",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="Lanes: items run side by side in so many.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(64),
                        ],
                    ),
                ),
                (
                    "priority",
                    models.CharField(
                        choices=[
                            ("high", "High: before others"),
                            ("normal", "Normal"),
                            ("low", "Low: behind others, at least a turn every two minutes"),
                        ],
                        db_default="normal",
                        default="normal",
                        help_text="Whose turn it is first among batches that wait: high, normal or low.",
                        max_length=6,
                    ),
                ),
                (
                    "checkpoint_every",
                    models.PositiveSmallIntegerField(
                        default=10,
                        help_text="Items a transaction, 1 to 50.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(50),
                        ],
                    ),
                ),
                (
                    "max_attempts",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="Tries an item has, when its failure may pass.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "item_timeout",
                    models.FloatField(
                        default=30.0,
                        help_text="Seconds an item may run.",
                        validators=[batches.models.fields.positive_number],
                    ),
                ),
                (
                    "rate_limit_attempts",
                    models.PositiveIntegerField(
                        db_default=300,
                        default=300,
                        help_text="Rate-limited tries of an item, which do not count as attempts, before it fails.",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "rate_limit_seconds",
                    models.FloatField(
                        db_default=86400.0,
                        default=86400.0,
                        help_text="Seconds for which an item may go on being rate-limited before it fails.",
                        validators=[batches.models.fields.positive_number],
                    ),
                ),
                (
                    "rate",
                    models.FloatField(
                        blank=True,
                        help_text="Items a second over all lanes; empty: as fast as it goes.",
                        null=True,
                        validators=[batches.models.fields.positive_number],
                    ),
                ),
                (
                    "max_errors",
                    models.PositiveIntegerField(
                        blank=True, help_text="Halt when more items than this have failed; empty: no limit.", null=True
                    ),
                ),
                (
                    "max_error_rate",
                    models.FloatField(
                        blank=True,
                        help_text="Halt when more than this percentage of the items tried has failed; empty: no limit.",
                        null=True,
                        validators=[
                            batches.models.fields.positive_number,
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "start_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When it starts by itself, while it is pending; empty: a person starts it.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                (
                    "running_since",
                    models.DateTimeField(blank=True, help_text="Set while active time is being counted.", null=True),
                ),
                (
                    "active_seconds",
                    models.FloatField(default=0.0, help_text="Active time up to `running_since`, pauses excluded."),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "follows",
                    models.ForeignKey(
                        blank=True,
                        help_text="The batch that this one runs again.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="followers",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "batches",
                "ordering": ("-created_at", "-pk"),
                "permissions": [("operate_batch", "Can submit, start, pause, resume, cancel and retry batches")],
            },
        ),
        migrations.CreateModel(
            name="Watch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="watches",
                        to="batches.batch",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "watches",
                "constraints": [models.UniqueConstraint(fields=("batch", "user"), name="watch_once")],
            },
        ),
        migrations.CreateModel(
            name="StandingWatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "processor",
                    models.CharField(blank=True, help_text="Whose batches; empty: all there are.", max_length=100),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "standing watches",
                "constraints": [models.UniqueConstraint(fields=("processor", "user"), name="standing_watch_once")],
            },
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "url",
                    models.URLField(
                        max_length=500, validators=[django.core.validators.ProhibitNullCharactersValidator()]
                    ),
                ),
                (
                    "secret",
                    batches.models.encrypted.EncryptedField(
                        blank=True, help_text="whsec_ and 24 to 64 bytes in base64; signs what is sent."
                    ),
                ),
                (
                    "previous_secret",
                    batches.models.encrypted.EncryptedField(
                        blank=True, default="", help_text="Signs as well, for a while after a change."
                    ),
                ),
                ("previous_secret_until", models.DateTimeField(blank=True, null=True)),
                ("active", models.BooleanField(default=True, help_text="Inactive ones are told nothing.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("batch.milestone", "Milestone reached"),
                            ("batch.completed", "Completed"),
                            ("batch.halted", "Halted"),
                            ("batch.cancelled", "Cancelled"),
                            ("batch.failed", "Failed"),
                            ("batch.test", "Test message"),
                            ("digest", "Digest"),
                        ],
                        max_length=20,
                    ),
                ),
                ("data", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True, help_text="The next attempt; empty: delivered or given up.", null=True
                    ),
                ),
                (
                    "held",
                    models.BooleanField(
                        db_default=False, default=False, help_text="It waits for the next digest to its user."
                    ),
                ),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
                ("answer", models.TextField(blank=True, help_text="What the receiver said to the last attempt.")),
                (
                    "batch",
                    models.ForeignKey(
                        help_text="Empty: a digest of several.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="batches.batch",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="batches.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ("-pk",),
                "indexes": [
                    models.Index(condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="delivery_due"),
                    models.Index(condition=models.Q(("held", True)), fields=["user"], name="delivery_held"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                ("key", models.CharField(max_length=200)),
                ("payload", models.JSONField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("PENDING", "Pending"),
                            ("RUNNING", "Running"),
                            ("SUCCEEDED", "Succeeded"),
                            ("SKIPPED", "Skipped"),
                            ("FAILED", "Failed"),
                            ("QUARANTINED", "Quarantined"),
                        ],
                        default="PENDING",
                        max_length=11,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "forgiven",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts that do not count towards the limit: rate-limited ones, and those before a "
                        "retry.",
                    ),
                ),
                (
                    "rate_limited",
                    models.PositiveIntegerField(
                        blank=True, help_text="Rate-limited attempts since it was put back; empty: none.", null=True
                    ),
                ),
                (
                    "rate_limited_since",
                    models.DateTimeField(blank=True, help_text="When the first of these began.", null=True),
                ),
                (
                    "crashes",
                    models.PositiveSmallIntegerField(default=0, help_text="Workers that died while it was in flight."),
                ),
                (
                    "lane",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="The lane that counted its outcome.", null=True
                    ),
                ),
                ("result", models.JSONField(blank=True, null=True)),
                ("message", models.TextField(blank=True, help_text="Why it was skipped, failed or quarantined.")),
                (
                    "code",
                    models.CharField(blank=True, help_text="Error code of the last failed attempt.", max_length=64),
                ),
                ("available_at", models.DateTimeField(blank=True, help_text="A retry waits until then.", null=True)),
                (
                    "failed_at",
                    models.DateTimeField(blank=True, help_text="Set while it is failed or quarantined.", null=True),
                ),
                (
                    "claimed_at",
                    models.DateTimeField(blank=True, help_text="Set while its call to the outside is out.", null=True),
                ),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "position"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("failed_at__isnull", False)),
                        fields=["batch", "position"],
                        name="item_failed",
                    ),
                    models.Index(
                        condition=models.Q(("claimed_at__isnull", False)), fields=["batch", "position"], name="item_out"
                    ),
                    models.Index(
                        condition=models.Q(("available_at__isnull", False)),
                        fields=["batch", "available_at", "position"],
                        name="item_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("code", ""), _negated=True),
                        fields=["batch", "code", "position"],
                        name="item_code",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "position"), name="item_position"),
                    models.UniqueConstraint(fields=("batch", "key"), name="item_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Retry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("retry", "Retry: the items as they are"),
                            ("fix", "Fix: items whose payload was corrected"),
                        ],
                        default="retry",
                        max_length=5,
                    ),
                ),
                ("scope", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PREPARING", "Preparing: what it means is being written down"),
                            ("CANARY", "Canary: a few items go first"),
                            ("RUNNING", "Running"),
                            ("PAUSED", "Paused: what was not begun is failed again, until it is resumed"),
                            ("HELD", "Held: too few of the first recovered, or they failed in a new way"),
                            ("DONE", "Done"),
                            ("CANCELLED", "Cancelled"),
                        ],
                        default="RUNNING",
                        max_length=9,
                    ),
                ),
                ("note", models.TextField(blank=True, help_text="Why it is in this state, in words for people.")),
                (
                    "items",
                    models.PositiveIntegerField(default=0, help_text="Items to be tried, counted when it was made."),
                ),
                ("frozen_to", models.PositiveBigIntegerField(default=0, help_text="The highest item id it means.")),
                (
                    "written_to",
                    models.IntegerField(
                        default=-1, help_text="While it is prepared: written down up to this position."
                    ),
                ),
                ("canary", models.PositiveIntegerField(default=0, help_text="Items that go first; 0: all at once.")),
                ("needed", models.PositiveIntegerField(default=0, help_text="Of the canary, so many must recover.")),
                (
                    "rate",
                    models.FloatField(
                        blank=True, help_text="Items a second that it puts back; empty: no limit.", null=True
                    ),
                ),
                (
                    "not_before",
                    models.DateTimeField(blank=True, help_text="None of its items runs earlier.", null=True),
                ),
                ("permanent", models.BooleanField(default=True, help_text="Also what cannot pass unchanged.")),
                (
                    "changes",
                    models.JSONField(default=dict, help_text="What of the batch was changed for it: before and after."),
                ),
                (
                    "predicted",
                    models.JSONField(
                        default=dict, help_text="What was expected: low, mid, high, basis; empty: nothing."
                    ),
                ),
                (
                    "actual",
                    models.JSONField(
                        blank=True, help_text="What came of it, once it was over; null before.", null=True
                    ),
                ),
                ("key", models.CharField(blank=True, help_text="The same key twice is one retry.", max_length=100)),
                ("reason", models.TextField(blank=True)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="retries", to="batches.batch"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "retries",
                "ordering": ("batch", "number"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("actual__isnull", True), ("state", "DONE")),
                        fields=["id"],
                        name="retry_to_compare",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "number"), name="retry_number"),
                    models.UniqueConstraint(
                        condition=models.Q(("key", ""), _negated=True), fields=("batch", "key"), name="retry_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RetriedItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "fate",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waiting for its wave"),
                            ("RELEASED", "Put back"),
                            ("RECOVERED", "Recovered"),
                            ("SAME", "Failed the same way"),
                            ("DIFFERENT", "Failed differently"),
                            ("SKIPPED", "Skipped"),
                        ],
                        default="WAITING",
                        max_length=9,
                    ),
                ),
                ("why", models.TextField(blank=True)),
                ("code_before", models.CharField(blank=True, max_length=64)),
                ("code_after", models.CharField(blank=True, max_length=64)),
                (
                    "kind_before",
                    models.CharField(
                        blank=True, help_text="What its failure had in common with others.", max_length=64
                    ),
                ),
                ("kind_after", models.CharField(blank=True, max_length=64)),
                ("attempts_before", models.PositiveIntegerField(default=0)),
                ("status_before", models.CharField(default="FAILED", max_length=11)),
                ("lane_before", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="retried", to="batches.item"
                    ),
                ),
                (
                    "retry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="retried", to="batches.retry"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["retry", "fate", "id"], name="retried_fate")],
                "constraints": [models.UniqueConstraint(fields=("retry", "item"), name="retried_once")],
            },
        ),
        migrations.CreateModel(
            name="Fix",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("CHECKING", "Checking: its rows are being looked at, and nobody sees it yet"),
                            ("CHECKED", "Checked: nothing is changed yet"),
                            ("APPLIED", "Applied"),
                        ],
                        default="CHECKING",
                        max_length=8,
                    ),
                ),
                ("filename", models.CharField(blank=True, max_length=255)),
                ("format", models.CharField(blank=True, max_length=10)),
                (
                    "sha256",
                    models.CharField(
                        help_text="Of the file's content: the same file twice is one retry.", max_length=64
                    ),
                ),
                ("rows", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("unchanged", models.PositiveIntegerField(default=0)),
                ("refused", models.PositiveIntegerField(default=0)),
                (
                    "not_in_file",
                    models.PositiveIntegerField(default=0, help_text="Failed items that the file does not hold."),
                ),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, db_index=True, help_text="Empty once it is applied.", null=True),
                ),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fixes",
                        to="batches.batch",
                    ),
                ),
                (
                    "retry",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="fix",
                        to="batches.retry",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "fixes",
                "ordering": ("batch", "number"),
                "constraints": [models.UniqueConstraint(fields=("batch", "number"), name="fix_number")],
            },
        ),
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("row", models.PositiveIntegerField()),
                ("key", models.CharField(blank=True, max_length=200)),
                (
                    "verdict",
                    models.CharField(
                        choices=[("CHANGED", "Changed"), ("UNCHANGED", "Unchanged"), ("REFUSED", "Refused")],
                        max_length=9,
                    ),
                ),
                ("column", models.CharField(blank=True, help_text="Where it is refused.", max_length=200)),
                ("why", models.TextField(blank=True, help_text="Why it is refused, and what to do.")),
                ("before", models.JSONField(blank=True, null=True)),
                ("after", models.JSONField(blank=True, null=True)),
                (
                    "hidden",
                    models.JSONField(
                        default=list, help_text="Fields written anew over what a mask hides: not compared."
                    ),
                ),
                (
                    "fix",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="corrections",
                        to="batches.fix",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="corrections",
                        to="batches.item",
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
                "indexes": [
                    models.Index(fields=["fix", "verdict", "id"], name="correction_verdict"),
                    models.Index(fields=["item", "fix"], name="correction_item"),
                ],
            },
        ),
        migrations.CreateModel(
            name="GlobalPause",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("in_force", models.BooleanField(default=True)),
                ("reason", models.TextField()),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("began_at", models.DateTimeField()),
                ("lifted_at", models.DateTimeField(blank=True, null=True)),
                ("lifted_by", models.CharField(blank=True, max_length=150)),
                ("lifted_reason", models.TextField(blank=True)),
            ],
            options={
                "ordering": ("-pk",),
                "permissions": [("pause_everything", "Can pause everything, and lift that again")],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("in_force", True)), fields=("in_force",), name="one_global_pause"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Transition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("verb", models.CharField(max_length=20)),
                ("from_status", models.CharField(blank=True, max_length=12)),
                ("to_status", models.CharField(max_length=12)),
                ("reason", models.TextField(blank=True)),
                (
                    "actor",
                    models.CharField(
                        blank=True, help_text="A user name, or the part of the portal that acted.", max_length=150
                    ),
                ),
                ("counters", models.JSONField(default=dict)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="transitions", to="batches.batch"
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Milestone",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "milestone",
                    models.PositiveSmallIntegerField(
                        choices=[(25, "25 %"), (50, "50 %"), (75, "75 %"), (100, "100 %")]
                    ),
                ),
                ("reached_at", models.DateTimeField(auto_now_add=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="milestones",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "milestone"),
                "constraints": [models.UniqueConstraint(fields=("batch", "milestone"), name="milestone_once")],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyRecord",
            fields=[
                ("key", batches.models.fields.HexKeyField(max_length=32, primary_key=True, serialize=False)),
                (
                    "request_hash",
                    models.CharField(
                        blank=True, help_text="sha256 of the arguments; empty: not compared.", max_length=64
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("IN_PROGRESS", "In progress"), ("DONE", "Done")], default="DONE", max_length=11
                    ),
                ),
                (
                    "worker",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="host:pid:start of the process that runs it as an operation.",
                        max_length=120,
                    ),
                ),
                ("response", models.JSONField(null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        db_index=True,
                        help_text="The lease of an operation in progress; of an item in progress: empty.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lane", models.PositiveSmallIntegerField(default=0)),
                (
                    "position",
                    models.IntegerField(
                        default=-1, help_text="Items up to here were looked at by this lane; -1: none."
                    ),
                ),
                ("succeeded", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("skipped", models.PositiveIntegerField(default=0)),
                ("quarantined", models.PositiveIntegerField(default=0)),
                (
                    "succeeded_by_hand",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Of those that succeeded: counted by a script, without a row of their own.",
                    ),
                ),
                (
                    "failed_by_hand",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Of those that failed: counted by a script, without a row of their own.",
                    ),
                ),
                (
                    "worker",
                    models.CharField(
                        blank=True, help_text="host:origin:pid:start of the holder; empty when free.", max_length=120
                    ),
                ),
                ("fence", models.PositiveBigIntegerField(default=0)),
                (
                    "lease_expires_at",
                    models.DateTimeField(blank=True, help_text="By the database's clock; empty when free.", null=True),
                ),
                (
                    "careful",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Items still to run one a transaction, because the last holder died."
                    ),
                ),
                ("sequence", models.PositiveBigIntegerField(default=0, help_text="Chunks committed.")),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("saved_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lanes",
                        to="batches.batch",
                    ),
                ),
                (
                    "in_flight",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="batches.item",
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "lane"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("in_flight__isnull", False)), fields=["in_flight"], name="lane_in_flight"
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("batch", "lane"), name="checkpoint_lane")],
            },
        ),
        migrations.CreateModel(
            name="Tenure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lane", models.PositiveSmallIntegerField()),
                ("worker", models.CharField(max_length=120)),
                ("since", models.DateTimeField()),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tenures",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["batch", "lane", "since"], name="tenure_lane")],
            },
        ),
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "slot",
                    models.BigIntegerField(
                        help_text="Milliseconds since 1970, a multiple of 5,000 unless running began then."
                    ),
                ),
                ("at", models.DateTimeField()),
                ("done", models.PositiveIntegerField(help_text="Items that had any outcome.")),
                ("active_seconds", models.FloatField()),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="samples",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "slot"),
                "constraints": [models.UniqueConstraint(fields=("batch", "slot"), name="sample_slot")],
            },
        ),
        migrations.CreateModel(
            name="Map",
            fields=[
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="map",
                        serialize=False,
                        to="batches.batch",
                    ),
                ),
                ("revision", models.CharField(help_text="What the batch looked like then.", max_length=120)),
                ("stretch", models.PositiveIntegerField(help_text="Items a bin.")),
                (
                    "bins",
                    models.JSONField(
                        default=list, help_text="Items a bin by outcome, in the order of `batch_map.OUTCOMES`."
                    ),
                ),
                ("took", models.FloatField(default=0.0, help_text="Seconds the counting took.")),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                (
                    "labels",
                    models.CharField(blank=True, help_text="The labels' values, a tab between two.", max_length=200),
                ),
                ("count", models.FloatField(default=0.0)),
                ("at", models.DateTimeField(help_text="When it was last added to.")),
            ],
            options={
                "verbose_name_plural": "tallies",
                "ordering": ("name", "labels"),
                "constraints": [models.UniqueConstraint(fields=("name", "labels"), name="tally_once")],
            },
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
            options={
                "constraints": [models.UniqueConstraint(fields=("batch", "sha256"), name="parameter_file")],
            },
        ),
        migrations.CreateModel(
            name="Preference",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "zone",
                    models.CharField(
                        blank=True, help_text="Such as Europe/Berlin; empty: the browser's own.", max_length=64
                    ),
                ),
                (
                    "digest_hour",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="The hour of the day at which mail comes as one digest; empty: each message at once.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(23)],
                    ),
                ),
                (
                    "digest_zone",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The zone of that hour where `zone` is empty: the browser's at the time.",
                        max_length=64,
                    ),
                ),
                (
                    "digest_at",
                    models.DateTimeField(
                        blank=True,
                        db_index=True,
                        help_text="When the next digest is due; empty: each message at once.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Quarantine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("scope", models.JSONField(default=dict)),
                ("items", models.PositiveIntegerField(default=0, help_text="Items it took, counted when it was done.")),
                ("key", models.CharField(blank=True, help_text="The same key twice is done once.", max_length=100)),
                ("reason", models.TextField(blank=True)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("back_at", models.DateTimeField(blank=True, help_text="Set once it was undone.", null=True)),
                ("back_by", models.CharField(blank=True, max_length=150)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="quarantines",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "db_table": "batches_aside",
                "ordering": ("batch", "number"),
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "number"), name="aside_number"),
                    models.UniqueConstraint(
                        condition=models.Q(("key", ""), _negated=True), fields=("batch", "key"), name="aside_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuarantinedItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("status_before", models.CharField(max_length=11)),
                ("back_at", models.DateTimeField(blank=True, null=True)),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="quarantines", to="batches.item"
                    ),
                ),
                (
                    "quarantine",
                    models.ForeignKey(
                        db_column="aside_id",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="taken",
                        to="batches.quarantine",
                    ),
                ),
            ],
            options={
                "db_table": "batches_asideitem",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("back_at__isnull", True)), fields=("item",), name="aside_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Quota",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                (
                    "free_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When every item that was granted has had its time; empty before the first.",
                        null=True,
                    ),
                ),
                ("slowed_until", models.DateTimeField(blank=True, help_text="Nothing is begun before.", null=True)),
                (
                    "lowered_until",
                    models.DateTimeField(blank=True, help_text="Half of the quota is granted until then.", null=True),
                ),
                (
                    "slowed_by",
                    models.CharField(blank=True, help_text="The batch whose receiver asked for less.", max_length=100),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="QuotaUse",
            fields=[
                (
                    "lane",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="quota_use",
                        serialize=False,
                        to="batches.checkpoint",
                    ),
                ),
                ("fence", models.PositiveBigIntegerField()),
                ("slots", models.PositiveSmallIntegerField(help_text="Items that it may run at the same time.")),
                ("waits", models.BooleanField()),
                ("since", models.DateTimeField(help_text="Since when it waits, or does not.")),
                (
                    "quota",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="uses", to="batches.quota"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Rehearsal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("RUNNING", "Running"), ("DONE", "Done"), ("CANCELLED", "Cancelled")],
                        db_index=True,
                        default="RUNNING",
                        max_length=9,
                    ),
                ),
                ("note", models.TextField(blank=True, help_text="Why it is in this state, in words for people.")),
                (
                    "scope",
                    models.JSONField(default=dict, help_text="What was asked for; empty: all items that would run."),
                ),
                ("chosen", models.JSONField(help_text="Ids of the items of a sample or scope; empty: all.", null=True)),
                ("items", models.PositiveIntegerField(help_text="Items to rehearse, counted when it was asked for.")),
                ("done", models.PositiveIntegerField(default=0)),
                ("position", models.IntegerField(default=-1)),
                ("in_flight", models.PositiveBigIntegerField(help_text="The item at which a chunk began.", null=True)),
                (
                    "careful",
                    models.PositiveSmallIntegerField(default=0, help_text="Items still to run alone: a worker died."),
                ),
                ("fence", models.PositiveBigIntegerField(default=0)),
                ("lease_expires_at", models.DateTimeField(null=True)),
                ("report", models.JSONField(default=dict)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rehearsals",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "number"),
                "constraints": [models.UniqueConstraint(fields=("batch", "number"), name="rehearsal_number")],
            },
        ),
        migrations.CreateModel(
            name="RetentionRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("archive", "Archive: items and errors go, a summary stays"),
                            ("delete", "Delete: all of it goes, a line of the record stays"),
                        ],
                        default="archive",
                        max_length=7,
                    ),
                ),
                (
                    "after_days",
                    models.PositiveIntegerField(
                        help_text="Days since the batch ended.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(36500),
                        ],
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("any", "Any but failed: completed or cancelled"),
                            ("clean", "Clean: no item failed"),
                            ("with_errors", "With errors, all of them settled"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed: the portal could not run it, and no open group fails in it"),
                        ],
                        default="any",
                        help_text="Failed batches go only by a rule that names them; halted and paused ones never.",
                        max_length=11,
                    ),
                ),
                (
                    "processor",
                    models.CharField(
                        blank=True, help_text="Only batches of this processor; empty: of any.", max_length=100
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="Inactive ones do nothing; their dry run still counts."
                    ),
                ),
                ("created_by", models.CharField(blank=True, editable=False, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        migrations.CreateModel(
            name="RetentionRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("archived", models.PositiveIntegerField(default=0, help_text="Batches that it began to archive.")),
                ("deleted", models.PositiveIntegerField(default=0, help_text="Batches that it began to delete.")),
                ("items", models.PositiveBigIntegerField(default=0, help_text="Items of these batches.")),
                ("kept", models.JSONField(default=dict, help_text="Batches that are old enough and stay, by why.")),
                ("problem", models.TextField(blank=True, help_text="Why it ended early; empty: it did not.")),
            ],
            options={
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="Removal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("batch_id", models.CharField(db_index=True, max_length=64)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("processor", models.CharField(blank=True, max_length=100)),
                ("kind", models.CharField(choices=[("delete", "Delete"), ("archive", "Archive")], max_length=7)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running: it goes on by itself"),
                            ("done", "Done"),
                            ("refused", "Not done: the batch breaks a promise, which has to be looked at"),
                        ],
                        default="running",
                        max_length=7,
                    ),
                ),
                (
                    "status_before",
                    models.CharField(
                        choices=[
                            ("PENDING", "Pending"),
                            ("QUEUED", "Queued"),
                            ("RUNNING", "Running"),
                            ("PAUSING", "Pausing"),
                            ("PAUSED", "Paused"),
                            ("CANCELLING", "Cancelling"),
                            ("CANCELLED", "Cancelled"),
                            ("HALTED", "Halted"),
                            ("COMPLETED", "Completed"),
                            ("FAILED", "Failed"),
                            ("ARCHIVING", "Archiving"),
                            ("ARCHIVED", "Archived"),
                            ("DELETING", "Deleting"),
                        ],
                        help_text="The batch's status when it began.",
                        max_length=12,
                    ),
                ),
                ("started", models.BooleanField(default=True, help_text="Whether anything of the batch had run.")),
                ("contents", models.JSONField(default=dict, help_text="What there was of it, counted when it began.")),
                ("items", models.PositiveIntegerField(default=0, help_text="Items when it began.")),
                ("removed_items", models.PositiveIntegerField(default=0, help_text="Of these, gone so far.")),
                ("removed_rows", models.PositiveBigIntegerField(default=0, help_text="Rows of all tables.")),
                ("position", models.IntegerField(default=-1, help_text="Items up to here are gone.")),
                (
                    "summary",
                    models.JSONField(default=dict, help_text="What an archived batch was: counts, groups, promises."),
                ),
                (
                    "rule",
                    models.CharField(
                        blank=True, help_text="The rule that asked for it; empty: a person.", max_length=300
                    ),
                ),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("reason", models.TextField(blank=True)),
                ("note", models.TextField(blank=True, help_text="Why it was not done.")),
                (
                    "submitted_by",
                    models.CharField(blank=True, help_text="Who had submitted the batch.", max_length=150),
                ),
                ("submitted_at", models.DateTimeField(help_text="When that was.")),
                (
                    "ended_at",
                    models.DateTimeField(blank=True, help_text="When the batch had come to its end.", null=True),
                ),
                ("began_at", models.DateTimeField(help_text="When somebody asked for it, or a rule.")),
                ("finished_at", models.DateTimeField(blank=True, help_text="When all of it was gone.", null=True)),
            ],
            options={
                "ordering": ("-pk",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "running")), fields=("batch_id",), name="one_removal"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                (
                    "name",
                    models.CharField(
                        help_text="host:origin:pid:start of the process.",
                        max_length=120,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("host", models.CharField(max_length=80)),
                (
                    "code",
                    models.CharField(
                        help_text="Hash of the engine and of all processors, as it loaded them.", max_length=12
                    ),
                ),
                (
                    "processors",
                    models.JSONField(
                        default=dict, help_text="By name, the processors it knows: a hash of their code and parameters."
                    ),
                ),
                (
                    "declined",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="By batch, why this worker leaves it to others: it cannot run it.",
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("heard_at", models.DateTimeField(help_text="When it was last seen alive.")),
            ],
            options={
                "ordering": ("host", "name"),
            },
        ),
        migrations.CreateModel(
            name="Crash",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("worker", models.CharField(max_length=120)),
                ("at", models.DateTimeField(help_text="By the database's clock.")),
                (
                    "item",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="batches.item"),
                ),
            ],
        ),
        migrations.RunPython(first.leave_room_for_updates, migrations.RunPython.noop),
        migrations.RunPython(first.create_functions, drop_functions),
        migrations.RunPython(plans.create_functions, migrations.RunPython.noop),
        migrations.RunPython(global_pause.create_claim, migrations.RunPython.noop),
        migrations.RunPython(claim_calls.create_function, migrations.RunPython.noop),
        migrations.RunPython(record_calls.create_function, migrations.RunPython.noop),
        migrations.RunPython(roles.create_roles, migrations.RunPython.noop),
        migrations.RunPython(tokens.take_over, migrations.RunPython.noop),
    ]
