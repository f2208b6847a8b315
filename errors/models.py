"""What failed: one record a failed attempt, grouped by the cause its message has in common with others."""

from __future__ import annotations

from django.db import models

from batches.classification import CODES
from batches.models import Batch, Item


class ErrorGroup(models.Model):
    """Similar failures of one processor, known by their fingerprint."""

    processor = models.CharField(max_length=100, blank=True)
    fingerprint = models.CharField(max_length=16)
    error_type = models.CharField(max_length=200)
    code = models.CharField(max_length=64)
    category = models.CharField(max_length=12, choices=[(category, category) for category in CODES])
    title = models.CharField(max_length=600)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        ordering = ("-last_seen", "pk")
        permissions = [("triage_error", "Can triage errors")]
        constraints = [models.UniqueConstraint(fields=["processor", "fingerprint"], name="error_group")]

    def __str__(self) -> str:
        return self.title


class BatchGroup(models.Model):
    """One group within one batch: how many failed attempts, and when."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="error_groups")
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="batches")
    errors = models.PositiveIntegerField(default=0)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        ordering = ("-errors", "pk")
        constraints = [models.UniqueConstraint(fields=["batch", "group"], name="batch_group")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.errors} x {self.group}"


class ErrorRecord(models.Model):
    """One failed attempt of one item; never changed."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="error_records", db_index=False)
    item = models.ForeignKey(Item, null=True, blank=True, on_delete=models.CASCADE, related_name="error_records")
    group = models.ForeignKey(ErrorGroup, on_delete=models.PROTECT, related_name="records")
    item_key = models.CharField(max_length=200)
    position = models.BigIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    error_type = models.CharField(max_length=200)
    code = models.CharField(max_length=64)
    category = models.CharField(max_length=12)
    classified_by = models.CharField(max_length=10)
    message = models.TextField()
    fields = models.JSONField(default=list, help_text="Payload fields the processor named as the culprits.")
    traceback = models.TextField(blank=True)
    final = models.BooleanField(default=True, help_text="False: the item was to be tried again.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    worker = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("pk",)
        indexes = [
            models.Index(fields=["batch", "id"], name="error_batch"),
            models.Index(fields=["group", "batch", "id"], name="error_group_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.item_key}: {self.code}"
