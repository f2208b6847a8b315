"""What a batch went through: its changes of status, and its milestones."""

from __future__ import annotations

from django.db import models

from batches.models.batch import Batch
from batches.models.fields import RedactedTextField

MILESTONES = (25, 50, 75, 100)


class Transition(models.Model):
    """One change of a batch's status, or one act upon it: who, why, from, to, and the counters at that moment."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="transitions")
    verb = models.CharField(max_length=20)
    from_status = models.CharField(max_length=12, blank=True)
    to_status = models.CharField(max_length=12)
    reason = RedactedTextField(blank=True)
    actor = models.CharField(max_length=150, blank=True, help_text="A user name, or the part of the portal that acted.")
    counters = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("batch", "pk")

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.from_status or 'new'} -> {self.to_status}"


class Milestone(models.Model):
    """A crossing of 25, 50, 75 or 100 % done, written once in the commit that crossed it."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="milestones", db_index=False)
    milestone = models.PositiveSmallIntegerField(choices=[(m, f"{m} %") for m in MILESTONES])
    reached_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("batch", "milestone")
        constraints = [models.UniqueConstraint(fields=["batch", "milestone"], name="milestone_once")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.milestone} %"
