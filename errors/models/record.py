"""Failed attempts, and where their exceptions came from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from batches.models import ITEM_KEY_LENGTH, Batch, HexKeyField, Item
from errors.models.group import ErrorGroup

MANY_ATTEMPTS = 3
"""Failed attempts from which on an item is a problem of its own."""


REPEATED = 2
"""Failed attempts from which on an item is listed as one that failed repeatedly."""


class Traceback(models.Model):
    """Where an exception came from; stored once however many failures share it."""

    sha256 = HexKeyField(primary_key=True, max_length=32)
    frame = models.CharField(max_length=200, help_text="module.function of the innermost frame.")
    text = models.TextField()

    def __str__(self) -> str:
        return self.frame


class ErrorRecord(models.Model):
    """One failed attempt of one item; never changed, but for the group in which it counts."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="error_records", db_index=False)
    item = models.ForeignKey(
        Item, null=True, blank=True, on_delete=models.CASCADE, related_name="error_records", db_index=False
    )
    group = models.ForeignKey(ErrorGroup, on_delete=models.PROTECT, related_name="records", db_index=False)
    origin = models.ForeignKey(
        ErrorGroup,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The group of its own, if that was merged into the one in which it counts.",
    )
    item_key = models.CharField(max_length=ITEM_KEY_LENGTH)
    position = models.BigIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    error_type = models.CharField(max_length=200)
    code = models.CharField(max_length=64)
    category = models.CharField(max_length=12)
    classified_by = models.CharField(max_length=10)
    retryable = models.BooleanField(null=True, help_text="Empty: it depends.")
    message = models.TextField()
    fields = models.JSONField(default=list, help_text="Payload fields the processor named as the culprits.")
    asked_wait = models.FloatField(
        null=True, blank=True, help_text="Seconds after which the other side would be asked again, as it said itself."
    )
    traceback = models.ForeignKey(
        Traceback, null=True, blank=True, on_delete=models.PROTECT, related_name="records", db_index=False
    )
    final = models.BooleanField(default=True, help_text="False: the item was to be tried again.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    worker = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(fields=["item", "attempt"], name="error_attempt"),
            models.UniqueConstraint(
                fields=["batch", "item_key", "attempt"], name="error_ad_hoc", condition=Q(item__isnull=True)
            ),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], name="error_batch"),
            models.Index(fields=["group", "batch", "id"], name="error_group_batch"),
            models.Index(fields=["batch", "position"], name="error_position"),
            models.Index(fields=["batch", "finished_at", "group"], name="error_time"),
            models.Index(fields=["traceback"], name="error_traceback", condition=Q(traceback__isnull=False)),
            models.Index(fields=["origin"], name="error_origin", condition=Q(origin__isnull=False)),
            models.Index(
                fields=["batch", "-attempt", "position"],
                name="error_repeated",
                condition=Q(attempt__gte=REPEATED),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_key}: {self.code}"
