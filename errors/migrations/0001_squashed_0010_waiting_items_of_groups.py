"""The tables of triage on an empty database, as migrations 1 to 10 leave them.

A database that some of those have been applied to goes on with them, one by one.
"""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import batches.models.fields

roles = import_module("errors.migrations.0002_roles")


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("errors", "0001_initial"),
        ("errors", "0002_roles"),
        ("errors", "0003_names"),
        ("errors", "0004_repeated_failures"),
        ("errors", "0005_items_looked_at"),
        ("errors", "0006_failing_now"),
        ("errors", "0007_word_families"),
        ("errors", "0008_tracebacks_in_use"),
        ("errors", "0009_begun_regroup_jobs"),
        ("errors", "0010_waiting_items_of_groups"),
    ]

    dependencies = [
        ("batches", "0001_squashed_0029_record_calls"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkAct",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("verb", models.CharField(max_length=20)),
                ("filter", models.JSONField(default=dict, help_text="What the desk was filtered by.")),
                ("key", models.CharField(help_text="The same key twice is done once.", max_length=100)),
                (
                    "changed",
                    models.JSONField(
                        default=list, help_text="group, fingerprint, title, and the state before and after."
                    ),
                ),
                ("refused", models.JSONField(default=list, help_text="fingerprint, title and why.")),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("reason", models.TextField(blank=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "undone",
                    models.JSONField(
                        default=dict, help_text="by, at, and the groups that were changed since and stay so."
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bulk_acts",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "number"),
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "number"), name="bulk_act_number"),
                    models.UniqueConstraint(fields=("batch", "key"), name="bulk_act_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("kind", models.CharField(max_length=10)),
                ("format", models.CharField(max_length=10)),
                (
                    "filters",
                    models.JSONField(default=dict, help_text="Which errors were asked for; empty: all of the batch."),
                ),
                (
                    "raw",
                    models.BooleanField(
                        default=False, help_text="Cells as they are, also those that a spreadsheet would run."
                    ),
                ),
                ("rows", models.PositiveIntegerField(help_text="Counted when it was asked for.")),
                ("frozen_to", models.PositiveBigIntegerField(help_text="The last error that it means.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("streamed", "Streamed: handed out while it was made"),
                            ("queued", "Queued: a worker will make it"),
                            ("running", "Running: it is being made"),
                            ("ready", "Ready: it can be downloaded until it expires"),
                            ("failed", "Failed: it could not be made"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired: its file is gone"),
                        ],
                        db_index=True,
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("note", models.TextField(blank=True, help_text="Why it is in this state, in words for people.")),
                ("done", models.PositiveIntegerField(default=0, help_text="Rows that stand in its file.")),
                ("written", models.PositiveBigIntegerField(default=0, help_text="Bytes of its file that count.")),
                ("place", models.JSONField(help_text="Where its next page begins.", null=True)),
                (
                    "file",
                    models.CharField(
                        blank=True, help_text="Name of its file, or of what there is of it.", max_length=80
                    ),
                ),
                ("fence", models.PositiveBigIntegerField(default=0)),
                ("lease_expires_at", models.DateTimeField(null=True)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exports",
                        to="batches.batch",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "number"),
                "constraints": [models.UniqueConstraint(fields=("batch", "number"), name="export_number")],
            },
        ),
        migrations.CreateModel(
            name="Findings",
            fields=[
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="findings",
                        serialize=False,
                        to="batches.batch",
                    ),
                ),
                ("findings", models.JSONField(db_column="found", default=list)),
                ("problems", models.JSONField(default=list, help_text="Items that keep failing, and what they are.")),
                (
                    "scatter",
                    models.CharField(blank=True, help_text="Whether failures clump, in a sentence.", max_length=200),
                ),
                (
                    "looks",
                    models.PositiveIntegerField(
                        default=0, help_text="Each look at a running batch spends of the budget."
                    ),
                ),
                (
                    "items",
                    models.PositiveIntegerField(
                        help_text="Items looked at: those that had an outcome by then.", null=True
                    ),
                ),
                ("errors", models.PositiveIntegerField(default=0)),
                ("finished_at", models.DateTimeField(help_text="When the batch had finished, if it had.", null=True)),
                ("at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "findings",
            },
        ),
        migrations.CreateModel(
            name="Timeline",
            fields=[
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="timeline",
                        serialize=False,
                        to="batches.batch",
                    ),
                ),
                ("revision", models.CharField(help_text="What the batch's groups looked like then.", max_length=120)),
                ("start", models.FloatField(help_text="Where the first bin begins, in seconds since 1970.")),
                ("width", models.FloatField(help_text="Seconds a bin.")),
                ("bins", models.PositiveIntegerField()),
                (
                    "groups",
                    models.JSONField(default=dict, help_text="Group id -> [bin, errors] of the bins that have any."),
                ),
                ("took", models.FloatField(default=0.0, help_text="Seconds the counting took.")),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ErrorGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("processor", models.CharField(blank=True, max_length=100)),
                ("fingerprint", models.CharField(max_length=16)),
                ("error_type", models.CharField(max_length=200)),
                ("code", models.CharField(max_length=64)),
                (
                    "category",
                    models.CharField(
                        choices=[
                            ("rate_limit", "rate_limit"),
                            ("timeout", "timeout"),
                            ("network", "network"),
                            ("upstream", "upstream"),
                            ("validation", "validation"),
                            ("conflict", "conflict"),
                            ("auth", "auth"),
                            ("not_found", "not_found"),
                            ("resource", "resource"),
                            ("defect", "defect"),
                            ("crash", "crash"),
                            ("unknown", "unknown"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "title",
                    models.CharField(
                        help_text="The message's template, with the payload's fields named.", max_length=600
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        blank=True, help_text="What they have in common, as it was hashed.", max_length=600
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "New: nobody has looked at it"),
                            ("acknowledged", "Acknowledged: somebody is on it"),
                            ("resolved", "Resolved: it should not come back"),
                            ("ignored", "Ignored: known, and not worth a look"),
                            ("regressed", "Regressed: it came back after it was resolved"),
                        ],
                        default="new",
                        max_length=12,
                    ),
                ),
                (
                    "resolved_at",
                    models.DateTimeField(blank=True, help_text="Attempts started later make it regress.", null=True),
                ),
                (
                    "resolved_in",
                    models.CharField(
                        blank=True,
                        help_text="Version of the processor from which on it should not happen; empty: any.",
                        max_length=50,
                    ),
                ),
                (
                    "late",
                    models.PositiveIntegerField(
                        default=0, help_text="Errors since it was resolved that did not count against it."
                    ),
                ),
                ("clean_by", models.CharField(blank=True, help_text="Who asked for that.", max_length=150)),
                ("ignored_at", models.DateTimeField(blank=True, null=True)),
                (
                    "until",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="What ends that: date, items, rate or next_batch; empty: nothing does.",
                    ),
                ),
                (
                    "by_place",
                    models.BooleanField(
                        default=False,
                        help_text="Errors of its fingerprint count in a group for each place in the code.",
                    ),
                ),
                (
                    "is_family",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="One place of its messages takes any word: see `key`.",
                    ),
                ),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField(help_text="To a few seconds: lanes must not queue up to write it.")),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "clean_after",
                    models.ForeignKey(
                        blank=True,
                        help_text="It is to be resolved when no item of this retry fails in the same way.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="batches.retry",
                    ),
                ),
                (
                    "merged_into",
                    models.ForeignKey(
                        blank=True,
                        help_text="Where errors of its fingerprint count, because somebody said so.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="merged",
                        to="errors.errorgroup",
                    ),
                ),
            ],
            options={
                "ordering": ("-last_seen", "pk"),
                "permissions": [("triage_error", "Can triage errors")],
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_family", True)), fields=["processor", "error_type"], name="error_family"
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("processor", "fingerprint"), name="error_group")],
            },
        ),
        migrations.CreateModel(
            name="GroupChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("verb", models.CharField(max_length=20)),
                ("from_state", models.CharField(blank=True, max_length=12)),
                ("to_state", models.CharField(blank=True, max_length=12)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("reason", models.TextField(blank=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="changes", to="errors.errorgroup"
                    ),
                ),
            ],
            options={
                "ordering": ("group", "pk"),
            },
        ),
        migrations.CreateModel(
            name="BatchGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("errors", models.PositiveIntegerField(default=0)),
                ("items", models.PositiveIntegerField(default=0)),
                (
                    "failing",
                    models.PositiveIntegerField(
                        db_default=0, default=0, help_text="Items that are failed now, and failed so last."
                    ),
                ),
                (
                    "set_aside",
                    models.PositiveIntegerField(
                        db_default=0, default=0, help_text="Items that are set aside now, and failed so last."
                    ),
                ),
                (
                    "waiting",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Items that failed so last, and are to be tried again: without an outcome.",
                    ),
                ),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="error_groups",
                        to="batches.batch",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="batches", to="errors.errorgroup"
                    ),
                ),
            ],
            options={
                "ordering": ("-errors", "pk"),
                "constraints": [models.UniqueConstraint(fields=("batch", "group"), name="batch_group")],
            },
        ),
        migrations.CreateModel(
            name="FailingCount",
            fields=[
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="failing_count",
                        serialize=False,
                        to="batches.batch",
                    ),
                ),
                ("revision", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Recommendation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("rule", models.CharField(db_index=True, max_length=20)),
                ("rule_version", models.PositiveSmallIntegerField(default=1)),
                ("subject", models.CharField(help_text="Tells it from others of its rule.", max_length=200)),
                (
                    "scope",
                    models.JSONField(default=dict, help_text="The failures it is about: a filter, and how many items."),
                ),
                ("findings", models.JSONField(default=list)),
                ("evidence", models.JSONField(default=list)),
                (
                    "weight",
                    models.PositiveIntegerField(default=0, help_text="How much evidence there is, to see it double."),
                ),
                ("confidence", models.CharField(max_length=10)),
                ("title", models.CharField(max_length=700)),
                ("why", models.TextField()),
                ("action", models.JSONField(default=dict, help_text="verb and params, as it is carried out.")),
                (
                    "alternatives",
                    models.JSONField(
                        default=list, help_text="What else could be done: title, verb and params of each."
                    ),
                ),
                (
                    "predicted",
                    models.JSONField(default=dict, help_text="metric, low, mid, high, basis; empty: not predicted."),
                ),
                ("cost", models.JSONField(default=dict, help_text="items, minutes.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open: nobody has decided"),
                            ("applied", "Applied: what it started is not over, or cannot be measured"),
                            ("verified", "Verified: the outcome stands beside the prediction"),
                            ("no_effect", "No effect: it was applied, and nothing came of it"),
                            ("dismissed", "Dismissed: it comes back if its evidence doubles"),
                            ("expired", "Expired: the batch has changed"),
                            ("superseded", "Superseded by a newer one"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("by", models.CharField(blank=True, max_length=150)),
                ("at", models.DateTimeField(blank=True, null=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "retry",
                    models.PositiveIntegerField(
                        blank=True, help_text="Number of the bulk retry it started.", null=True
                    ),
                ),
                ("actual", models.JSONField(default=dict, help_text="What became of the retry's items.")),
                ("undo", models.JSONField(default=dict, help_text="What takes it back; empty: nothing does.")),
                ("held", models.BooleanField(help_text="Whether the outcome lay within the prediction.", null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recommendations",
                        to="batches.batch",
                    ),
                ),
            ],
            options={
                "ordering": ("batch", "number"),
                "constraints": [models.UniqueConstraint(fields=("batch", "number"), name="recommendation_number")],
            },
        ),
        migrations.CreateModel(
            name="AdviceRevision",
            fields=[
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="advice_revision",
                        serialize=False,
                        to="batches.batch",
                    ),
                ),
                (
                    "revision",
                    models.CharField(db_column="looked", help_text="Empty: to be worked out anew.", max_length=100),
                ),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "errors_advised",
            },
        ),
        migrations.CreateModel(
            name="Traceback",
            fields=[
                ("sha256", batches.models.fields.HexKeyField(max_length=32, primary_key=True, serialize=False)),
                ("frame", models.CharField(help_text="module.function of the innermost frame.", max_length=200)),
                ("text", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="ErrorRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item_key", models.CharField(max_length=200)),
                ("position", models.BigIntegerField()),
                ("attempt", models.PositiveIntegerField(default=1)),
                ("error_type", models.CharField(max_length=200)),
                ("code", models.CharField(max_length=64)),
                ("category", models.CharField(max_length=12)),
                ("classified_by", models.CharField(max_length=10)),
                ("retryable", models.BooleanField(help_text="Empty: it depends.", null=True)),
                ("message", models.TextField()),
                (
                    "fields",
                    models.JSONField(default=list, help_text="Payload fields the processor named as the culprits."),
                ),
                (
                    "asked_wait",
                    models.FloatField(
                        blank=True,
                        help_text="Seconds after which the other side would be asked again, as it said itself.",
                        null=True,
                    ),
                ),
                ("final", models.BooleanField(default=True, help_text="False: the item was to be tried again.")),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("worker", models.CharField(blank=True, max_length=120)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="error_records",
                        to="batches.batch",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="records",
                        to="errors.errorgroup",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="error_records",
                        to="batches.item",
                    ),
                ),
                (
                    "origin",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="The group of its own, if that was merged into the one in which it counts.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="errors.errorgroup",
                    ),
                ),
                (
                    "traceback",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="records",
                        to="errors.traceback",
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
                "indexes": [
                    models.Index(fields=["batch", "id"], name="error_batch"),
                    models.Index(fields=["group", "batch", "id"], name="error_group_batch"),
                    models.Index(fields=["batch", "position"], name="error_position"),
                    models.Index(fields=["batch", "finished_at", "group"], name="error_time"),
                    models.Index(
                        condition=models.Q(("traceback__isnull", False)), fields=["traceback"], name="error_traceback"
                    ),
                    models.Index(condition=models.Q(("origin__isnull", False)), fields=["origin"], name="error_origin"),
                    models.Index(
                        condition=models.Q(("attempt__gte", 2)),
                        fields=["batch", "-attempt", "position"],
                        name="error_repeated",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("item", "attempt"), name="error_attempt"),
                    models.UniqueConstraint(
                        condition=models.Q(("item__isnull", True)),
                        fields=("batch", "item_key", "attempt"),
                        name="error_ad_hoc",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryPlan",
            fields=[
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="recovery_plan",
                        serialize=False,
                        to="batches.batch",
                    ),
                ),
                ("totals", models.JSONField(default=dict)),
                ("by", models.CharField(blank=True, max_length=150)),
                ("at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open: its steps wait to be done one by one"),
                            ("running", "Running: it goes on by itself whenever the batch is at rest"),
                            ("paused", "Paused: nothing of it begins until somebody resumes it"),
                            ("done", "Done: every step is over, or left out"),
                            ("cancelled", "Cancelled: the steps that had not begun are left out"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("note", models.TextField(blank=True, help_text="Why it is in this state, in words for people.")),
                ("run_by", models.CharField(blank=True, help_text="Who runs it as a whole.", max_length=150)),
            ],
        ),
        migrations.CreateModel(
            name="PlanStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("step", models.PositiveSmallIntegerField()),
                ("kind", models.CharField(max_length=10)),
                ("title", models.CharField(max_length=700)),
                ("action", models.JSONField(default=dict)),
                ("predicted", models.JSONField(default=dict)),
                ("cost", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("applied", "Applied: what it started may still run"),
                            ("held", "Held: it waits for a person"),
                            ("left_out", "Left out"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("note", models.TextField(blank=True, help_text="Why it is held or left out.")),
                ("by", models.CharField(blank=True, max_length=150)),
                ("at", models.DateTimeField(blank=True, null=True)),
                ("retry", models.PositiveIntegerField(blank=True, null=True)),
                ("undo", models.JSONField(default=dict, help_text="What takes it back; empty: nothing does.")),
                (
                    "plan",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="errors.recoveryplan",
                    ),
                ),
            ],
            options={
                "ordering": ("plan", "step"),
                "constraints": [models.UniqueConstraint(fields=("plan", "step"), name="plan_step")],
            },
        ),
        migrations.CreateModel(
            name="RegroupJob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("verb", models.CharField(max_length=20)),
                ("errors", models.PositiveBigIntegerField(help_text="In the group when it was asked for.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting: a worker will do it, or is doing it"),
                            ("done", "Done"),
                            ("refused", "Refused: it was not legal any more when its turn came"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("reason", models.TextField(blank=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "begun_at",
                    models.DateTimeField(blank=True, help_text="Since then, failures to come count there.", null=True),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="regroup_jobs", to="errors.errorgroup"
                    ),
                ),
                (
                    "other",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="errors.errorgroup",
                    ),
                ),
            ],
            options={
                "db_table": "errors_groupmove",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "waiting")), fields=("group",), name="group_move"
                    )
                ],
            },
        ),
        migrations.RunPython(roles.create_roles, roles.remove_roles),
    ]
