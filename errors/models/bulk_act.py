"""Verbs upon many groups at a time."""

from __future__ import annotations

from django.db import models

from batches.models import Batch
from batches.models.fields import RedactedTextField


class BulkAct(models.Model):
    """A verb upon many error groups: which it changed, how they stood before, and which it could not and why."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="bulk_acts", db_index=False)
    number = models.PositiveIntegerField()
    verb = models.CharField(max_length=20)
    filter = models.JSONField(default=dict, help_text="What the desk was filtered by.")
    key = models.CharField(max_length=100, help_text="The same key twice is done once.")
    changed = models.JSONField(default=list, help_text="group, fingerprint, title, and the state before and after.")
    refused = models.JSONField(default=list, help_text="fingerprint, title and why.")
    actor = models.CharField(max_length=150, blank=True)
    reason = RedactedTextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)
    undone = models.JSONField(default=dict, help_text="by, at, and the groups that were changed since and stay so.")

    class Meta:
        ordering = ("batch", "number")
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="bulk_act_number"),
            models.UniqueConstraint(fields=["batch", "key"], name="bulk_act_key"),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.verb} {len(self.changed)} groups"
