"""An item: the smallest unit of work."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from batches.keys import ITEM_KEY_LENGTH
from batches.models.batch import Batch


class Item(models.Model):
    """The smallest unit of work. Only `failed_at`, `available_at`, `claimed_at` and a `code` are indexed beside the
    identity, so the update of an item that succeeds within its chunk stays heap-only on PostgreSQL."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "Pending"
        RUNNING = "RUNNING", "Running"
        SUCCEEDED = "SUCCEEDED", "Succeeded"
        SKIPPED = "SKIPPED", "Skipped"
        FAILED = "FAILED", "Failed"
        QUARANTINED = "QUARANTINED", "Quarantined"

    SUCCESSFUL_STATUSES = (Status.SUCCEEDED, Status.SKIPPED)
    FAILED_STATUSES = (Status.FAILED, Status.QUARANTINED)
    """Those with `failed_at` set: what lists of failures, exports and retries mean."""
    MARKS = {**dict.fromkeys(FAILED_STATUSES, "failed_at"), Status.RUNNING: "claimed_at"}
    """The column that is set while an item has the status, and has an index of such items alone."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=ITEM_KEY_LENGTH)
    payload = models.JSONField()
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    forgiven = models.PositiveIntegerField(
        default=0,
        help_text="Attempts that do not count towards the limit: rate-limited ones, and those before a retry.",
    )
    rate_limited = models.PositiveIntegerField(
        null=True, blank=True, help_text="Rate-limited attempts since it was put back; empty: none."
    )
    rate_limited_since = models.DateTimeField(null=True, blank=True, help_text="When the first of these began.")
    crashes = models.PositiveSmallIntegerField(default=0, help_text="Workers that died while it was in flight.")
    lane = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The lane that counted its outcome.")
    result = models.JSONField(null=True, blank=True)
    message = models.TextField(blank=True, help_text="Why it was skipped, failed or quarantined.")
    code = models.CharField(max_length=64, blank=True, help_text="Error code of the last failed attempt.")
    available_at = models.DateTimeField(null=True, blank=True, help_text="A retry waits until then.")
    failed_at = models.DateTimeField(null=True, blank=True, help_text="Set while it is failed or quarantined.")
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="Set while its call to the outside is out.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("batch", "position")
        constraints = [
            models.UniqueConstraint(fields=["batch", "position"], name="item_position"),
            models.UniqueConstraint(fields=["batch", "key"], name="item_key"),
        ]
        indexes = [
            models.Index(fields=["batch", "position"], name="item_failed", condition=Q(failed_at__isnull=False)),
            models.Index(fields=["batch", "position"], name="item_out", condition=Q(claimed_at__isnull=False)),
            models.Index(
                fields=["batch", "available_at", "position"],
                name="item_waiting",
                condition=Q(available_at__isnull=False),
            ),
            models.Index(fields=["batch", "code", "position"], name="item_code", condition=~Q(code="")),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} · {self.key}"

    @classmethod
    def of_statuses(cls, *statuses: str) -> Q:
        """Items of these statuses, in the words of the index that has few others, where there is one."""
        marks = {cls.MARKS.get(status) for status in statuses}  # type: ignore[call-overload]
        mark = marks.pop() if len(marks) == 1 else None
        return Q(status__in=statuses) & (Q(**{f"{mark}__isnull": False}) if mark else Q())
