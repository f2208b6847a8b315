"""Groups of similar failures, and the history of each."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from batches.lanes.classification import CODES
from batches.models import Batch, Retry
from batches.models.fields import RedactedTextField


def holds_errors(group: str = "") -> Q:
    """Groups in which errors count; those of the others count elsewhere, since they were merged into another or split.

    `group` is the lookup to a group, like "group__".
    """
    return Q(**{f"{group}merged_into__isnull": True, f"{group}by_place": False})


class ErrorGroup(models.Model):
    """Similar failures of one processor: those of one fingerprint, and of the fingerprints merged into it."""

    class State(models.TextChoices):
        NEW = "new", "New: nobody has looked at it"
        ACKNOWLEDGED = "acknowledged", "Acknowledged: somebody is on it"
        RESOLVED = "resolved", "Resolved: it should not come back"
        IGNORED = "ignored", "Ignored: known, and not worth a look"
        REGRESSED = "regressed", "Regressed: it came back after it was resolved"

    OPEN = (State.NEW, State.REGRESSED, State.ACKNOWLEDGED)
    CLOSED = (State.RESOLVED, State.IGNORED)

    processor = models.CharField(max_length=100, blank=True)
    fingerprint = models.CharField(max_length=16)
    error_type = models.CharField(max_length=200)
    code = models.CharField(max_length=64)
    category = models.CharField(max_length=12, choices=[(category, category) for category in CODES])
    title = models.CharField(max_length=600, help_text="The message's template, with the payload's fields named.")
    key = models.CharField(max_length=600, blank=True, help_text="What they have in common, as it was hashed.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    resolved_at = models.DateTimeField(null=True, blank=True, help_text="Attempts started later make it regress.")
    resolved_in = models.CharField(
        max_length=50, blank=True, help_text="Version of the processor from which on it should not happen; empty: any."
    )
    late = models.PositiveIntegerField(
        default=0, help_text="Errors since it was resolved that did not count against it."
    )
    clean_after = models.ForeignKey(
        Retry,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="It is to be resolved when no item of this retry fails in the same way.",
    )
    clean_by = models.CharField(max_length=150, blank=True, help_text="Who asked for that.")
    ignored_at = models.DateTimeField(null=True, blank=True)
    until = models.JSONField(
        default=dict,
        blank=True,
        help_text="What ends that: date, items, rate or next_batch; empty: nothing does.",
    )
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="merged",
        help_text="Where errors of its fingerprint count, because somebody said so.",
    )
    by_place = models.BooleanField(
        default=False, help_text="Errors of its fingerprint count in a group for each place in the code."
    )
    is_family = models.BooleanField(
        default=False, db_default=False, help_text="One place of its messages takes any word: see `key`."
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField(help_text="To a few seconds: lanes must not queue up to write it.")

    class Meta:
        ordering = ("-last_seen", "pk")
        permissions = [("triage_error", "Can triage errors")]
        constraints = [models.UniqueConstraint(fields=["processor", "fingerprint"], name="error_group")]
        indexes = [models.Index(fields=["processor", "error_type"], name="error_family", condition=Q(is_family=True))]

    def __str__(self) -> str:
        return self.title or self.error_type

    @property
    def holds_errors(self) -> bool:
        """Whether errors count in this group, and not in the one it was merged into, or in its parts."""
        return self.merged_into_id is None and not self.by_place


class GroupChange(models.Model):
    """One change of a group's state, or one act upon the group: who, what, why."""

    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="changes")
    verb = models.CharField(max_length=20)
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    reason = RedactedTextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("group", "pk")

    def __str__(self) -> str:
        return f"{self.group_id}: {self.from_state} -> {self.to_state}"


class BatchGroup(models.Model):
    """One group within one batch: how many failed attempts of how many items, and when."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="error_groups", db_index=False)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="batches")
    errors = models.PositiveIntegerField(default=0)
    items = models.PositiveIntegerField(default=0)
    failing = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Items that are failed now, and failed so last."
    )
    set_aside = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Items that are set aside now, and failed so last."
    )
    waiting = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Items that failed so last, and are to be tried again: without an outcome."
    )
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        ordering = ("-errors", "pk")
        constraints = [models.UniqueConstraint(fields=["batch", "group"], name="batch_group")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.errors} x {self.group}"


class FailingCount(models.Model):
    """When the items that fail now were counted last, group by group, and what the batch looked like then."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="failing_count")
    revision = models.CharField(max_length=64)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.batch_id} as of {self.at}"


FAILS_OPENLY = Q(group__state__in=ErrorGroup.OPEN) & (Q(failing__gt=0) | Q(set_aside__gt=0, group__category="crash"))
"""Of a group in one batch: nobody has settled it, and items of it fail now, or have killed their workers."""
