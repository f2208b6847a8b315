"""Items that a person has quarantined: taken out of what runs and what is retried, and released as they were."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from batches import clock
from batches.lanes.lane_counts import is_done, shift_count
from batches.models import Batch, Item, Quarantine, QuarantinedItem, RetriedItem

TAKEABLE_STATUSES = (Item.Status.PENDING, *Item.FAILED_STATUSES)
ITEMS_PER_STATEMENT = 2_000
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
    """Quarantine what meets the condition; an item in a worker's hands has its outcome first. By position, of which
    there is an index: each page would sort all the rest.

    Returns the number of items. The caller holds the batch's row.
    """
    items = select(act.batch, condition).select_for_update(of=("self",)).order_by("position")
    rows = items.values_list("pk", "status", "lane", "position")
    last, taken = -1, 0
    while found := list(rows.filter(position__gt=last)[:ITEMS_PER_STATEMENT]):
        last, taken = found[-1][3], taken + len(found)
        page = [row[:3] for row in found]
        rows_of_page = [QuarantinedItem(quarantine=act, item_id=pk, status_before=status) for pk, status, _ in page]
        QuarantinedItem.objects.bulk_create(rows_of_page)
        for (status, lane), pks in by_status_and_lane(page):
            _quarantine(act.batch, status, lane, pks)
        open_rows = RetriedItem.objects.filter(item__in=[pk for pk, _, _ in page])
        open_rows = open_rows.filter(fate__in=(RetriedItem.Fate.WAITING, RetriedItem.Fate.RELEASED))
        open_rows.update(fate=RetriedItem.Fate.SKIPPED, why="It was set aside.")
    return taken


def _quarantine(batch: Batch, before: str, lane: int | None, pks: Sequence[int]) -> None:
    items = Item.objects.filter(pk__in=pks)
    if before == Item.Status.PENDING:
        items.filter(attempts=0).update(message=NOT_TRIED)
        items.update(status=Item.Status.QUARANTINED, lane=0, failed_at=timezone.now(), available_at=None)
        shift_count(batch, 0, Item.Status.QUARANTINED, len(pks))
    elif before == Item.Status.FAILED:
        items.update(status=Item.Status.QUARANTINED)
        shift_count(batch, lane, Item.Status.FAILED, -len(pks))
        shift_count(batch, lane, Item.Status.QUARANTINED, len(pks))


def release(rows: QuerySet[QuarantinedItem], batch: Batch) -> dict[str, int]:
    """Undo it for these rows, where the item is still quarantined; returns how many are of which status again."""
    released: dict[str, int] = {}
    open_rows = rows.filter(back_at__isnull=True, quarantine__batch=batch).order_by("item")
    columns = open_rows.values_list("item", "status_before", "item__lane")
    while page := list(columns[:ITEMS_PER_STATEMENT]):
        pks_of_page = [pk for pk, _, _ in page]
        items = Item.objects.select_for_update().filter(pk__in=pks_of_page, status=Item.Status.QUARANTINED)
        still_quarantined = set(items.order_by("pk").values_list("pk", flat=True))
        for (before, lane), pks in by_status_and_lane([row for row in page if row[0] in still_quarantined]):
            _release(batch, before, lane, pks)
            released[before] = released.get(before, 0) + len(pks)
        now = timezone.now()
        QuarantinedItem.objects.filter(item__in=pks_of_page, back_at__isnull=True).update(back_at=now)
    return released


def _release(batch: Batch, before: str, lane: int | None, pks: Sequence[int]) -> None:
    items = Item.objects.filter(pk__in=pks)
    if before == Item.Status.PENDING:
        items.filter(message=NOT_TRIED, attempts=0).update(message="")
        items.update(status=Item.Status.PENDING, lane=None, failed_at=None, available_at=clock.now_sql())
    elif before == Item.Status.FAILED:
        items.update(status=Item.Status.FAILED)
        shift_count(batch, lane, Item.Status.FAILED, len(pks))
    if before != Item.Status.QUARANTINED:
        shift_count(batch, lane, Item.Status.QUARANTINED, -len(pks))


def by_status_and_lane(rows: Sequence[tuple[int, str, int | None]]) -> list[tuple[Any, list[int]]]:
    """((status, lane), item ids) of rows (item id, status, lane), so that each lane is counted anew once."""

    def status_and_lane(row: tuple[int, str, int | None]) -> tuple[str, int]:
        return row[1], -1 if row[2] is None else row[2]

    groups = groupby(sorted(rows, key=status_and_lane), key=status_and_lane)
    return [((status, None if lane < 0 else lane), [row[0] for row in group]) for (status, lane), group in groups]
