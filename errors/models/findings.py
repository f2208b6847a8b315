"""What was last worked out from a batch's errors, kept until there are more of them."""

from __future__ import annotations

from django.db import models

from batches.models import Batch


class Findings(models.Model):
    """What the detectors found at their last look at a batch, and how much there was to see then."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="findings")
    findings = models.JSONField(default=list, db_column="found")
    problems = models.JSONField(default=list, help_text="Items that keep failing, and what they are.")
    scatter = models.CharField(max_length=200, blank=True, help_text="Whether failures clump, in a sentence.")
    looks = models.PositiveIntegerField(default=0, help_text="Each look at a running batch spends of the budget.")
    items = models.PositiveIntegerField(null=True, help_text="Items looked at: those that had an outcome by then.")
    errors = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, help_text="When the batch had finished, if it had.")
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "findings"

    def __str__(self) -> str:
        return f"{self.batch_id}: {len(self.findings)} findings"


class Timeline(models.Model):
    """A batch's errors over time, as they were last counted, for all groups at once."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="timeline")
    revision = models.CharField(max_length=120, help_text="What the batch's groups looked like then.")
    start = models.FloatField(help_text="Where the first bin begins, in seconds since 1970.")
    width = models.FloatField(help_text="Seconds a bin.")
    bins = models.PositiveIntegerField()
    groups = models.JSONField(default=dict, help_text="Group id -> [bin, errors] of the bins that have any.")
    took = models.FloatField(default=0.0, help_text="Seconds the counting took.")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.bins} bins of {self.width:g} s"
