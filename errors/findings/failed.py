"""How many items of a batch are failed now, of how many, with the interval of their share."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from batches.models import Batch, Checkpoint
from batches.proportions import wilson
from errors.detectors.findings import percent
from errors.models import BatchGroup


@dataclass(frozen=True, slots=True)
class FailedItems:
    """How many of a batch's items are failed or quarantined now, of how many that are done, and in all."""

    failed: int
    quarantined: int
    total: int
    done: int

    @property
    def affected(self) -> int:
        return self.failed + self.quarantined

    @property
    def share(self) -> str:
        """Share of the items done that are failed or quarantined, in percent, with Wilson's 95 % interval."""
        low, high = wilson(self.affected, self.done)
        return (
            f"{percent(self.affected / self.done)}, between {percent(low)} and {percent(high)}" if self.done else "none"
        )


def failed_items(batch: Batch) -> FailedItems:
    """Counted by the lanes; for a batch of the Python API by its total and the counters of its groups."""
    sums = Checkpoint.objects.filter(batch=batch).aggregate(
        failed=Sum("failed", default=0),
        quarantined=Sum("quarantined", default=0),
        succeeded=Sum("succeeded", default=0),
        skipped=Sum("skipped", default=0),
    )
    failed, done = sums["failed"], sum(sums.values())
    if not batch.processor:  # its items are counted by hand, or not at all; its errors are there all the same
        items = BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("items", default=0))["n"]
        failed = max(failed, min(items, batch.total_items or items))
        done = max(done or batch.total_items, failed)
    return FailedItems(failed, sums["quarantined"], max(batch.total_items, failed), done)
