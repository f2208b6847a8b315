"""A batch's checkpoint for people who look at it from outside: short, however many items there are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from batches import clock
from batches.models import Batch, Checkpoint, Item
from batches.redaction import redact, redact_text

LISTED = 1_000


@dataclass(frozen=True, slots=True)
class CheckpointOverview:
    """Lists hold the first 1,000 items by position, the counts are whole. The index is that of the next item."""

    batch_id: str
    checkpoint_id: str
    current_item_index: int
    completed_items: list[str]
    failed_items: list[dict[str, Any]]
    batch_metadata: dict[str, Any]
    timestamp: datetime | None
    completed_count: int
    failed_count: int
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; the lists are these, not copies."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"timestamp": self.timestamp and clock.iso_utc(self.timestamp)}


def overview(batch: Batch) -> CheckpointOverview:
    """Read from the lanes and the items themselves."""
    lanes = list(Checkpoint.objects.filter(batch=batch).order_by("lane"))
    completed = sum(lane.succeeded for lane in lanes)
    failed = sum(lane.failed + lane.quarantined for lane in lanes)
    succeeded = Item.objects.filter(batch=batch, status=Item.Status.SUCCEEDED).order_by("position")
    return CheckpointOverview(
        batch_id=batch.pk,
        checkpoint_id=f"{batch.pk}-{sum(lane.sequence for lane in lanes)}",
        current_item_index=max((lane.next_index for lane in lanes), default=0),
        completed_items=list(succeeded.values_list("key", flat=True)[: min(LISTED, completed)]),
        failed_items=failed_items(batch),
        batch_metadata=redact(lanes[0].metadata) if lanes else {},
        timestamp=max((lane.saved_at for lane in lanes if lane.saved_at), default=None),
        completed_count=completed,
        failed_count=failed,
        truncated=max(completed, failed) > LISTED,
    )


def failed_items(batch: Batch) -> list[dict[str, Any]]:
    """Of each no more is read than is shown, and its payload, whose secrets its message must not show."""
    failed = Item.objects.filter(batch=batch, failed_at__isnull=False).order_by("position")
    rows = failed.values_list("key", "message", "payload", "code", "attempts", "position")[:LISTED]
    return [
        {"item": key, "error": redact_text(message, payload), "code": code, "attempts": attempts, "index": position}
        for key, message, payload, code, attempts, position in rows
    ]
