"""Items that a person has quarantined: taken out of what runs and what is retried, and released as they were."""

from __future__ import annotations

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BigIntegerField, Count, Exists, OuterRef, Q, QuerySet, Value
from django.utils import timezone

from batches import clock
from batches.lanes.lane_counts import is_done, shift_count
from batches.models import Batch, Item, Quarantine, QuarantinedItem, RetriedItem

TAKEABLE_STATUSES = (Item.Status.PENDING, *Item.FAILED_STATUSES)
NOT_TRIED = "It was set aside before it was tried."


def quarantined_by_person() -> Exists:
    """In a query of items: whether a person has quarantined each, and it is not released."""
    return Exists(QuarantinedItem.objects.filter(item=OuterRef("pk"), back_at__isnull=True))


def count_quarantined(batch: Batch) -> int:
    """Items of the batch that a person has quarantined."""
    return QuarantinedItem.objects.filter(quarantine__batch=batch, back_at__isnull=True).count()


def select(batch: Batch, condition: Q) -> QuerySet[Item]:
    """What would be quarantined: failed, quarantined and waiting items that no person has quarantined yet.

    Where the lanes know that none waits, the index of failed items has them all.
    """
    items = Item.objects.filter(condition, ~quarantined_by_person(), batch=batch, status__in=TAKEABLE_STATUSES)
    return items.filter(failed_at__isnull=False) if is_done(batch) else items


def quarantine(act: Quarantine, condition: Q) -> int:
    """Quarantine what meets the condition; an item in a worker's hands has its outcome first.

    None of the items comes into this process: there are as many statements however many they are, as SQLite's one
    writer is held meanwhile. Returns their number. The caller holds the batch's row.
    """
    items = select(act.batch, condition).select_for_update(of=("self",)).order_by("position")
    rows = items.annotate(act=Value(act.pk, output_field=BigIntegerField())).values_list("act", "pk", "status")
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:  # the condition means no item
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO batches_asideitem (aside_id, item_id, status_before) {sql}", params)
    taken, counts = act.taken.all(), counts_by_status_and_lane(act.taken.all())
    waiting = Item.objects.filter(pk__in=taken.filter(status_before=Item.Status.PENDING).values("item"))
    waiting.filter(attempts=0).update(message=NOT_TRIED)
    waiting.update(status=Item.Status.QUARANTINED, lane=0, failed_at=timezone.now(), available_at=None)
    failed = Item.objects.filter(pk__in=taken.filter(status_before=Item.Status.FAILED).values("item"))
    failed.update(status=Item.Status.QUARANTINED)
    for before, lane, count in counts:
        if before == Item.Status.FAILED:
            shift_count(act.batch, lane, Item.Status.FAILED, -count)
            shift_count(act.batch, lane, Item.Status.QUARANTINED, count)
        elif before == Item.Status.PENDING:
            shift_count(act.batch, 0, Item.Status.QUARANTINED, count)
    open_rows = RetriedItem.objects.filter(item__in=taken.values("item"))
    open_rows = open_rows.filter(fate__in=(RetriedItem.Fate.WAITING, RetriedItem.Fate.RELEASED))
    open_rows.update(fate=RetriedItem.Fate.SKIPPED, why="It was set aside.")
    return sum(count for *_, count in counts)


def release(rows: QuerySet[QuarantinedItem], batch: Batch) -> dict[str, int]:
    """Undo it for these rows, where the item is still quarantined; returns how many are of which status again. The
    caller holds the batch's row, without which no item is quarantined or released."""
    open_rows = rows.filter(back_at__isnull=True, quarantine__batch=batch)
    still_quarantined = open_rows.filter(item__status=Item.Status.QUARANTINED)
    counts, released = counts_by_status_and_lane(still_quarantined), dict[str, int]()
    for before, lane, count in counts:
        released[before] = released.get(before, 0) + count
        if before == Item.Status.FAILED:
            shift_count(batch, lane, Item.Status.FAILED, count)
        if before != Item.Status.QUARANTINED:
            shift_count(batch, lane, Item.Status.QUARANTINED, -count)
    quarantined = Item.objects.filter(status=Item.Status.QUARANTINED)
    failed = open_rows.filter(status_before=Item.Status.FAILED)
    quarantined.filter(pk__in=failed.values("item")).update(status=Item.Status.FAILED)
    waited = quarantined.filter(pk__in=open_rows.filter(status_before=Item.Status.PENDING).values("item"))
    waited.filter(message=NOT_TRIED, attempts=0).update(message="")
    waited.update(status=Item.Status.PENDING, lane=None, failed_at=None, available_at=clock.now_sql())
    QuarantinedItem.objects.filter(pk__in=open_rows.values("pk")).update(back_at=timezone.now())
    return released


def counts_by_status_and_lane(rows: QuerySet[QuarantinedItem]) -> list[tuple[str, int | None, int]]:
    """(status before, the item's lane, items)."""
    counts = rows.values_list("status_before", "item__lane").annotate(items=Count("pk"))
    return list(counts.order_by("status_before", "item__lane"))
