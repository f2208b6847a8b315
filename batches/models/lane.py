"""Lanes: how far each has come, and who holds or held it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from batches.models.batch import Batch
from batches.models.item import Item


class Checkpoint(models.Model):
    """A lane: one slot of parallel work, how far it has come, and who holds it until when.

    It commits with the chunk it describes. `fence` grows at every take-over; a commit names the fence it was given,
    so a worker that wakes up late changes nothing. No column written by a chunk is indexed.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="lanes", db_index=False)
    lane = models.PositiveSmallIntegerField(default=0)
    position = models.IntegerField(default=-1, help_text="Items up to here were looked at by this lane; -1: none.")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    succeeded_by_hand = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Of those that succeeded: counted by a script, without a row of their own."
    )
    failed_by_hand = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Of those that failed: counted by a script, without a row of their own."
    )
    worker = models.CharField(
        max_length=120, blank=True, help_text="host:origin:pid:start of the holder; empty when free."
    )
    fence = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="By the database's clock; empty when free."
    )
    careful = models.PositiveSmallIntegerField(
        default=0, help_text="Items still to run one a transaction, because the last holder died."
    )
    in_flight = models.ForeignKey(
        Item, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    sequence = models.PositiveBigIntegerField(default=0, help_text="Chunks committed.")
    metadata = models.JSONField(default=dict, blank=True)
    saved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("batch", "lane")
        constraints = [models.UniqueConstraint(fields=["batch", "lane"], name="checkpoint_lane")]
        indexes = [
            # For who deletes items: the database looks for lanes that have one in flight, one item after the other.
            models.Index(fields=["in_flight"], name="lane_in_flight", condition=Q(in_flight__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} lane {self.lane} at {self.next_index}"

    @property
    def next_index(self) -> int:
        """The index of the item that the lane looks at next: what every door calls `current_item_index`."""
        return self.position + 1


class Tenure(models.Model):
    """Since when a worker held a lane; until the next one of that lane."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="tenures", db_index=False)
    lane = models.PositiveSmallIntegerField()
    worker = models.CharField(max_length=120)
    since = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["batch", "lane", "since"], name="tenure_lane")]

    def __str__(self) -> str:
        return f"{self.batch_id} lane {self.lane}: {self.worker}"
