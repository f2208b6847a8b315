"""Quotas: what several batches, and several processors, may use together of something that is scarce."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from batches.models.lane import Checkpoint


class Quota(models.Model):
    """Where a quota stands; its size is a setting. All times are the database's.

    The row is locked while somebody asks, so that one after the other is answered.
    """

    name = models.CharField(max_length=100, primary_key=True)
    free_at = models.DateTimeField(
        null=True, blank=True, help_text="When every item that was granted has had its time; empty before the first."
    )
    slowed_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is begun before.")
    lowered_until = models.DateTimeField(null=True, blank=True, help_text="Half of the quota is granted until then.")
    slowed_by = models.CharField(max_length=100, blank=True, help_text="The batch whose receiver asked for less.")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def is_slowed(self, now: datetime) -> bool:
        """Whether nothing of it may begin."""
        return self.slowed_until is not None and now < self.slowed_until

    def is_lowered(self, now: datetime) -> bool:
        """Whether half of it is granted."""
        return self.lowered_until is not None and now < self.lowered_until


class QuotaUse(models.Model):
    """What a lane holds of a quota, or that it waits for some; void once the lane has another fence or no lease."""

    lane = models.OneToOneField(Checkpoint, on_delete=models.CASCADE, primary_key=True, related_name="quota_use")
    quota = models.ForeignKey(Quota, on_delete=models.CASCADE, related_name="uses")
    fence = models.PositiveBigIntegerField()
    slots = models.PositiveSmallIntegerField(help_text="Items that it may run at the same time.")
    waits = models.BooleanField()
    since = models.DateTimeField(help_text="Since when it waits, or does not.")

    def __str__(self) -> str:
        return f"{self.quota_id}: {self.slots}"
