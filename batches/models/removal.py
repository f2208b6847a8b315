"""Batches that were deleted or archived, and the rules by which time does so."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from batches.models.batch import Batch
from batches.models.fields import RedactedCharField, RedactedTextField


class RetentionRule(models.Model):
    """Batches that ended long enough ago are archived or deleted, unless somebody has to look at them still."""

    class Outcome(models.TextChoices):
        ANY = "any", "Any but failed: completed or cancelled"
        CLEAN = "clean", "Clean: no item failed"
        WITH_ERRORS = "with_errors", "With errors, all of them settled"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed: the portal could not run it, and no open group fails in it"

    class Action(models.TextChoices):
        ARCHIVE = "archive", "Archive: items and errors go, a summary stays"
        DELETE = "delete", "Delete: all of it goes, a line of the record stays"

    action = models.CharField(max_length=7, choices=Action.choices, default=Action.ARCHIVE)
    after_days = models.PositiveIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(36_500)], help_text="Days since the batch ended."
    )
    outcome = models.CharField(
        max_length=11,
        choices=Outcome.choices,
        default=Outcome.ANY,
        help_text="Failed batches go only by a rule that names them; halted and paused ones never.",
    )
    processor = models.CharField(max_length=100, blank=True, help_text="Only batches of this processor; empty: of any.")
    active = models.BooleanField(default=True, help_text="Inactive ones do nothing; their dry run still counts.")
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        which = "" if self.outcome == self.Outcome.ANY else f" that ended {self.outcome.replace('_', ' ')}"
        whose = f" of {self.processor}" if self.processor else ""
        return f"{self.action} batches{whose}{which}, {self.after_days:,} days after their end"


class RetentionRun(models.Model):
    """One run of the rules: what it began, and what it left because somebody has to look at it still."""

    at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    archived = models.PositiveIntegerField(default=0, help_text="Batches that it began to archive.")
    deleted = models.PositiveIntegerField(default=0, help_text="Batches that it began to delete.")
    items = models.PositiveBigIntegerField(default=0, help_text="Items of these batches.")
    kept = models.JSONField(default=dict, help_text="Batches that are old enough and stay, by why.")
    problem = RedactedTextField(blank=True, help_text="Why it ended early; empty: it did not.")

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.at}: {self.archived} archived, {self.deleted} deleted"


class Removal(models.Model):
    """A batch that is being deleted or archived, or was: the row that stays of it.

    It names the batch by its id alone, because that goes. What was removed is counted in the commit that removes it, so
    that whoever goes on after a crash goes on exactly there.
    """

    class Kind(models.TextChoices):
        DELETE = "delete", "Delete"
        ARCHIVE = "archive", "Archive"

    class State(models.TextChoices):
        RUNNING = "running", "Running: it goes on by itself"
        DONE = "done", "Done"
        REFUSED = "refused", "Not done: the batch breaks a promise, which has to be looked at"

    batch_id = models.CharField(max_length=64, db_index=True)
    name = RedactedCharField(max_length=200, blank=True)
    processor = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=7, choices=Kind.choices)
    state = models.CharField(max_length=7, choices=State.choices, default=State.RUNNING)
    status_before = models.CharField(
        max_length=12, choices=Batch.Status.choices, help_text="The batch's status when it began."
    )
    started = models.BooleanField(default=True, help_text="Whether anything of the batch had run.")
    contents = models.JSONField(default=dict, help_text="What there was of it, counted when it began.")
    items = models.PositiveIntegerField(default=0, help_text="Items when it began.")
    removed_items = models.PositiveIntegerField(default=0, help_text="Of these, gone so far.")
    removed_rows = models.PositiveBigIntegerField(default=0, help_text="Rows of all tables.")
    position = models.IntegerField(default=-1, help_text="Items up to here are gone.")
    summary = models.JSONField(default=dict, help_text="What an archived batch was: counts, groups, promises.")
    rule = models.CharField(max_length=300, blank=True, help_text="The rule that asked for it; empty: a person.")
    actor = models.CharField(max_length=150, blank=True)
    reason = RedactedTextField(blank=True)
    note = RedactedTextField(blank=True, help_text="Why it was not done.")
    submitted_by = models.CharField(max_length=150, blank=True, help_text="Who had submitted the batch.")
    submitted_at = models.DateTimeField(help_text="When that was.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When the batch had come to its end.")
    began_at = models.DateTimeField(help_text="When somebody asked for it, or a rule.")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When all of it was gone.")

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(fields=["batch_id"], name="one_removal", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.batch_id}: {self.state}"

    @property
    def percent(self) -> int:
        """Floored: only what is done is 100."""
        if self.state == self.State.DONE:
            return 100
        return min(99, 100 * self.removed_items // max(1, self.items))
