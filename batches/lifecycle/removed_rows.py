"""The rows of a batch that is deleted or archived, table by table; each table is looked into by an index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone

from batches.extensions import registered
from batches.keys import PROCESS, TTL, key_of
from batches.models import (
    Batch,
    Correction,
    Crash,
    Delivery,
    IdempotencyRecord,
    Item,
    QuarantinedItem,
    RetriedItem,
)
from batches.paged_deletes import delete, delete_some

OF_ITEMS: tuple[tuple[type[Model], Callable[[Batch], QuerySet[Any]]], ...] = (
    (RetriedItem, lambda batch: batch.retries.all()),
    (QuarantinedItem, lambda batch: batch.quarantines.all()),
    (Correction, lambda batch: batch.fixes.all()),
    (Crash, lambda batch: Crash.objects.all()),
)
"""Tables whose rows go with their item, and without which rows they have none of the batch: most have none, and looking
for thousands of items in them would be half of the work."""
NOT_IN_SUMMARY = (
    *("retries", "fixes", "quarantines", "rehearsals", "samples", "tenures", "parameter_files", "watches"),
)
"""What an archived batch keeps no rows of."""


@dataclass(frozen=True, slots=True)
class RemovedPage:
    """How many items went, how many rows of all tables, and the position of the last item."""

    items: int
    rows: int
    position: int


def counted(batch: Batch, *, archive: bool) -> dict[str, int]:
    """What would go of the batch, by a noun in the plural."""
    items = Item.objects.filter(batch=batch).count() if batch.is_ad_hoc else batch.total_items
    if batch.status == Batch.Status.ARCHIVED:
        items = 0
    return {
        "items": items,
        "retries": batch.retries.count(),
        "corrections": batch.fixes.count(),
        "messages not sent yet": batch.deliveries.filter(Delivery.OWED).count(),
        "lines of history": 0 if archive else batch.transitions.count(),
    }


def remove_items(batch: Batch, *, after: int, size: int, archive: bool) -> RemovedPage:
    """The first items behind that position, and all that belongs to them."""
    behind = Item.objects.filter(batch=batch, position__gt=after).order_by("position")
    page = list(behind.values_list("pk", "key", "position")[:size])
    if not page:
        return RemovedPage(0, 0, after)
    pks = [pk for pk, _, _ in page]
    rows = sum(extension.removal.items_removed(batch, pks, archive) for extension in registered())
    for model, acts in OF_ITEMS:
        if acts(batch).exists():
            rows += delete(model._default_manager.filter(item__in=pks))
    if may_be_remembered(batch):
        keys = [key_of(batch.pk, key, PROCESS) for _, key, _ in page]
        rows += delete(IdempotencyRecord.objects.filter(key__in=keys))
    last = page[-1][2]
    rows += delete(Item.objects.filter(batch=batch, position__gt=after, position__lte=last))
    return RemovedPage(len(page), rows, last)


def may_be_remembered(batch: Batch) -> bool:
    """Whether outcomes of its items may be remembered still; what has expired goes by itself."""
    return batch.finished_at is None or batch.finished_at > timezone.now() - 2 * TTL


def remove_leftovers(batch: Batch, size: int, *, archive: bool) -> int:
    """So many rows at most that belong to no item; 0 when there are none left."""
    leftovers = [Correction.objects.filter(fix__batch=batch), *([] if archive else [batch.deliveries.all()])]
    for rows in leftovers:
        if removed := delete_some(rows, size):
            return removed
    for extension in registered():
        if removed := extension.removal.rows_removed(batch, size, archive):
            return removed
    return 0


def remove_all_but_summary(batch: Batch) -> int:
    """What is left of a batch whose items are gone, but for its counts, its milestones and its history."""
    removed = 0
    for name in NOT_IN_SUMMARY:
        removed += getattr(batch, name).all().delete()[0]
    return removed + sum(extension.removal.archived(batch) for extension in registered())
