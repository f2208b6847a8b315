"""Fix files: corrected rows, and what each would change."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models

from batches.keys import ITEM_KEY_LENGTH
from batches.models.batch import Batch
from batches.models.fields import RedactedCharField, RedactedTextField
from batches.models.item import Item
from batches.models.retry import Retry


class Fix(models.Model):
    """An uploaded file of corrected rows: what it would change, then what it changed, and the retry it started."""

    class State(models.TextChoices):
        CHECKING = "CHECKING", "Checking: its rows are being looked at, and nobody sees it yet"
        CHECKED = "CHECKED", "Checked: nothing is changed yet"
        APPLIED = "APPLIED", "Applied"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="fixes", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.CHECKING)
    filename = RedactedCharField(max_length=255, blank=True)
    format = models.CharField(max_length=10, blank=True)
    sha256 = models.CharField(max_length=64, help_text="Of the file's content: the same file twice is one retry.")
    rows = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    not_in_file = models.PositiveIntegerField(default=0, help_text="Failed items that the file does not hold.")
    retry = models.OneToOneField(Retry, null=True, blank=True, on_delete=models.SET_NULL, related_name="fix")
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="Empty once it is applied.")
    applied_at = models.DateTimeField(null=True, blank=True)
    notes: Sequence[str] = ()
    """On how the file was read; known while it is checked, not stored."""

    class Meta:
        verbose_name_plural = "fixes"
        ordering = ("batch", "number")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="fix_number")]

    def __str__(self) -> str:
        return f"{self.batch_id} fix {self.number}"


class Correction(models.Model):
    """One row of a fix file: the item it means, and its payload before and after."""

    class Verdict(models.TextChoices):
        CHANGED = "CHANGED", "Changed"
        UNCHANGED = "UNCHANGED", "Unchanged"
        REFUSED = "REFUSED", "Refused"

    fix = models.ForeignKey(Fix, on_delete=models.CASCADE, related_name="corrections", db_index=False)
    item = models.ForeignKey(
        Item, null=True, blank=True, on_delete=models.CASCADE, related_name="corrections", db_index=False
    )
    row = models.PositiveIntegerField()
    key = models.CharField(max_length=ITEM_KEY_LENGTH, blank=True)
    verdict = models.CharField(max_length=9, choices=Verdict.choices)
    column = RedactedCharField(max_length=200, blank=True, help_text="Where it is refused.")
    why = RedactedTextField(blank=True, help_text="Why it is refused, and what to do.")
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    hidden = models.JSONField(default=list, help_text="Fields written anew over what a mask hides: not compared.")

    class Meta:
        ordering = ("pk",)
        indexes = [
            models.Index(fields=["fix", "verdict", "id"], name="correction_verdict"),
            models.Index(fields=["item", "fix"], name="correction_item"),
        ]

    def __str__(self) -> str:
        return f"{self.fix_id} row {self.row}: {self.key}"
