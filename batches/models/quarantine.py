"""Quarantine by hand: items that a person set aside, as buttons say."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from batches.models.batch import Batch
from batches.models.fields import RedactedTextField
from batches.models.item import Item


class Quarantine(models.Model):
    """Items that a person quarantined: nothing runs or retries them until they are released."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="quarantines", db_index=False)
    number = models.PositiveIntegerField()
    scope = models.JSONField(default=dict)
    items = models.PositiveIntegerField(default=0, help_text="Items it took, counted when it was done.")
    key = models.CharField(max_length=100, blank=True, help_text="The same key twice is done once.")
    reason = RedactedTextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    back_at = models.DateTimeField(null=True, blank=True, help_text="Set once it was undone.")
    back_by = models.CharField(max_length=150, blank=True)

    class Meta:
        db_table = "batches_aside"
        ordering = ("batch", "number")
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="aside_number"),
            models.UniqueConstraint(fields=["batch", "key"], name="aside_key", condition=~Q(key="")),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} quarantine {self.number}"


class QuarantinedItem(models.Model):
    """One item that a person quarantined, and how it stood before."""

    quarantine = models.ForeignKey(Quarantine, on_delete=models.CASCADE, related_name="taken", db_column="aside_id")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="quarantines")
    status_before = models.CharField(max_length=11)
    back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "batches_asideitem"
        constraints = [
            models.UniqueConstraint(fields=["item"], name="aside_once", condition=Q(back_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.quarantine_id}: {self.item_id}"
