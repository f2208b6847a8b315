"""How many items fail now, by group: those that are failed, each in the group of its last failure.

Counted when somebody looks, and kept until the batch has moved: no chunk pays for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from hashlib import sha256

from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from batches.lanes.lane_counts import COUNTERS
from batches.models import Batch, Checkpoint, Item
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, FailingCount

MANY_ERRORS = 20_000
"""A running batch with more errors than this is counted every few seconds only, and not while the overview waits."""
SECONDS_BETWEEN_COUNTS = timedelta(seconds=5)
COUNTED_PER_OVERVIEW = 20


def refresh(batch: Batch) -> None:
    """Bring the batch's counts up to date; nothing is done where it has not moved since, or where its items go."""
    if batch.status in Batch.REMOVED:
        return
    current = revisions([batch.pk])[batch.pk]
    kept = FailingCount.objects.filter(batch=batch).first()
    if kept is not None and (kept.revision == current or is_soon(batch, kept)):
        return
    count(batch.pk, batch.processor)
    FailingCount.objects.update_or_create(batch=batch, defaults={"revision": current, "at": timezone.now()})


def is_soon(batch: Batch, kept: FailingCount) -> bool:
    if batch.status not in Batch.ACTIVE or timezone.now() - kept.at > SECONDS_BETWEEN_COUNTS:
        return False
    errors = BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors", default=0))["n"]
    return bool(errors > MANY_ERRORS)


def refresh_stale(*, at_once: bool = False) -> None:
    """The same for every batch with an open group; small ones, and few of them, while somebody waits for it."""
    rows = (
        BatchGroup.objects.filter(group__state__in=ErrorGroup.OPEN).exclude(batch__status__in=Batch.REMOVED).order_by()
    )
    if at_once:
        small = rows.values("batch").annotate(n=Sum("errors")).filter(n__lte=MANY_ERRORS)
        rows = rows.filter(batch__in=small.values("batch"))
    batch_ids = list(rows.values_list("batch", flat=True).distinct())
    kept = dict(FailingCount.objects.filter(batch__in=batch_ids).values_list("batch", "revision"))
    stale = [pk for pk, revision in revisions(batch_ids).items() if kept.get(pk) != revision]
    chosen = Batch.objects.filter(pk__in=stale).order_by("-created_at")
    for batch in chosen[:COUNTED_PER_OVERVIEW] if at_once else chosen:
        refresh(batch)


def revisions(batch_ids: Iterable[str]) -> dict[str, str]:
    """By batch id, what changes whenever an item fails, recovers, is set aside, or counts in another group."""
    ids = list(batch_ids)
    seen: dict[str, list[object]] = defaultdict(list)
    lanes = Checkpoint.objects.filter(batch__in=ids).order_by("batch").values_list("batch")
    for pk, *sums in lanes.annotate(*(Sum(name) for name in COUNTERS)):
        seen[pk].append(sums)
    groups = BatchGroup.objects.filter(batch__in=ids).order_by("batch", "group")
    for pk, *counts in groups.values_list("batch", "pk", "group", "errors"):
        seen[pk].append(counts)
    return {pk: sha256(repr(seen[pk]).encode()).hexdigest() for pk in ids}


def count(batch_id: str, processor: str) -> None:
    """Row by row, each by itself: a chunk that waits for one of them waits for nothing else."""
    counted = counted_items(batch_id) if processor else {}
    for row in BatchGroup.objects.filter(batch=batch_id).order_by("pk"):
        failing, aside = counted.get(row.group_id, (0, 0)) if processor else (row.items, 0)
        if (failing, aside) != (row.failing, row.set_aside):
            BatchGroup.objects.filter(pk=row.pk).update(failing=failing, set_aside=aside)


def counted_items(batch_id: str) -> Mapping[int, tuple[int, int]]:
    """group -> items that are failed, and that are set aside, by their last failures."""
    last = ErrorRecord.objects.filter(
        item__batch=batch_id, item__failed_at__isnull=False, attempt=F("item__attempts")
    ).order_by()
    rows = last.values_list("group").annotate(
        failing=Count("pk", filter=Q(item__status=Item.Status.FAILED)),
        aside=Count("pk", filter=Q(item__status=Item.Status.QUARANTINED)),
    )
    return {group: (failing, aside) for group, failing, aside in rows}
