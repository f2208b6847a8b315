"""Items that a person set aside: taken out of what runs and what is retried, and given back as they were."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from batches import clock
from batches.lanes.lane_counts import shift_count
from batches.models import Aside, AsideItem, Batch, Item, RetriedItem

S = Item.Status
TAKEN = (S.PENDING, S.FAILED, S.QUARANTINED)
AT_ONCE = 2_000
NOT_TRIED = "It was set aside before it was tried."


def is_aside() -> Exists:
    """Whether an item is set aside now."""
    return Exists(AsideItem.objects.filter(item=OuterRef("pk"), back_at__isnull=True))


def count(batch: Batch) -> int:
    return AsideItem.objects.filter(aside__batch=batch, back_at__isnull=True).count()


def meant(batch: Batch, condition: Q) -> QuerySet[Item]:
    """What would be taken: failed, quarantined and waiting items that are not set aside already."""
    return Item.objects.filter(condition, ~is_aside(), batch=batch, status__in=TAKEN)


def take(made: Aside, condition: Q) -> int:
    """Quarantine what is meant; an item in a worker's hands has its outcome first. The caller holds the batch's row."""
    items, last, taken = meant(made.batch, condition).select_for_update(of=("self",)), 0, 0
    while page := list(items.filter(pk__gt=last).order_by("pk").values_list("pk", "status", "lane")[:AT_ONCE]):
        last, taken = page[-1][0], taken + len(page)
        AsideItem.objects.bulk_create(AsideItem(aside=made, item_id=pk, status_before=was) for pk, was, _ in page)
        for (was, lane), pks in by_status_and_lane(page):
            _quarantine(made.batch, was, lane, pks)
        out = RetriedItem.objects.filter(item__in=[pk for pk, _, _ in page])
        out = out.filter(fate__in=(RetriedItem.Fate.WAITING, RetriedItem.Fate.RELEASED))
        out.update(fate=RetriedItem.Fate.SKIPPED, why="It was set aside.")
    return taken


def _quarantine(batch: Batch, was: str, lane: int | None, pks: Sequence[int]) -> None:
    items = Item.objects.filter(pk__in=pks)
    if was == S.PENDING:
        items.filter(attempts=0).update(message=NOT_TRIED)
        items.update(status=S.QUARANTINED, lane=0, failed_at=timezone.now(), available_at=None)
        shift_count(batch, 0, S.QUARANTINED, len(pks))
    elif was == S.FAILED:
        items.update(status=S.QUARANTINED)
        shift_count(batch, lane, S.FAILED, -len(pks))
        shift_count(batch, lane, S.QUARANTINED, len(pks))


def give_back(rows: QuerySet[AsideItem], batch: Batch) -> dict[str, int]:
    """Undo it for these rows, where the item is still quarantined; how many are of which status again."""
    given: dict[str, int] = {}
    open_rows = rows.filter(back_at__isnull=True, aside__batch=batch)
    while page := list(open_rows.order_by("item").values_list("item", "status_before", "item__lane")[:AT_ONCE]):
        items = Item.objects.select_for_update().filter(pk__in=[pk for pk, _, _ in page], status=S.QUARANTINED)
        kept = set(items.order_by("pk").values_list("pk", flat=True))
        for (was, lane), pks in by_status_and_lane([row for row in page if row[0] in kept]):
            _release(batch, was, lane, pks)
            given[was] = given.get(was, 0) + len(pks)
        now = timezone.now()
        AsideItem.objects.filter(item__in=[pk for pk, _, _ in page], back_at__isnull=True).update(back_at=now)
    return given


def _release(batch: Batch, was: str, lane: int | None, pks: Sequence[int]) -> None:
    items = Item.objects.filter(pk__in=pks)
    if was == S.PENDING:
        items.filter(message=NOT_TRIED, attempts=0).update(message="")
        items.update(status=S.PENDING, lane=None, failed_at=None, available_at=clock.now_sql())
    elif was == S.FAILED:
        items.update(status=S.FAILED)
        shift_count(batch, lane, S.FAILED, len(pks))
    if was != S.QUARANTINED:
        shift_count(batch, lane, S.QUARANTINED, -len(pks))


def by_status_and_lane(rows: Sequence[tuple[int, str, int | None]]) -> list[tuple[Any, list[int]]]:
    """((status, lane), item ids), so that each lane is counted anew once."""

    def kind(row: tuple[int, str, int | None]) -> tuple[str, int]:
        return row[1], -1 if row[2] is None else row[2]

    found = groupby(sorted(rows, key=kind), key=kind)
    return [((was, None if lane < 0 else lane), [row[0] for row in group]) for (was, lane), group in found]
