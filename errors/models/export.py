"""Exports: who took what, and the files that workers make."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from batches.models import Batch
from batches.models.fields import RedactedTextField
from batches.proportions import percent_of


class Export(models.Model):
    """An export that somebody asked for: who, what, how many rows. What is too long for a download becomes a file."""

    class State(models.TextChoices):
        STREAMED = "streamed", "Streamed: handed out while it was made"
        QUEUED = "queued", "Queued: a worker will make it"
        RUNNING = "running", "Running: it is being made"
        READY = "ready", "Ready: it can be downloaded until it expires"
        FAILED = "failed", "Failed: it could not be made"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired: its file is gone"

    OPEN = (State.QUEUED, State.RUNNING)

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="exports", db_index=False)
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10)
    format = models.CharField(max_length=10)
    filters = models.JSONField(default=dict, help_text="Which errors were asked for; empty: all of the batch.")
    raw = models.BooleanField(default=False, help_text="Cells as they are, also those that a spreadsheet would run.")
    rows = models.PositiveIntegerField(help_text="Counted when it was asked for.")
    frozen_to = models.PositiveBigIntegerField(help_text="The last error that it means.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    note = RedactedTextField(blank=True, help_text="Why it is in this state, in words for people.")
    done = models.PositiveIntegerField(default=0, help_text="Rows that stand in its file.")
    written = models.PositiveBigIntegerField(default=0, help_text="Bytes of its file that count.")
    place = models.JSONField(null=True, help_text="Where its next page begins.")
    file = models.CharField(max_length=80, blank=True, help_text="Name of its file, or of what there is of it.")
    fence = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("batch", "number")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="export_number")]

    def __str__(self) -> str:
        return f"{self.batch_id} export {self.number}"

    @property
    def percent(self) -> float:
        """Floored: only a file that is whole is 100."""
        if self.state in (self.State.READY, self.State.STREAMED, self.State.EXPIRED):
            return 100.0
        return min(99.9, percent_of(self.done, max(1, self.rows)))
