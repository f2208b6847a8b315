"""The stored rows of a caller's items: each at the index that the item has in his list."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Max, Min, QuerySet
from django.utils import timezone

from batches import adhoc
from batches.driving.item_list import ItemList, id_of
from batches.lanes import leases
from batches.lanes.outcomes import storable
from batches.models import Batch, Checkpoint, Item

OUT_OF_THE_WAY = 1_000_000_000  # positions from here on are given to rows whose place another item takes


def register(batch_id: str, items: ItemList) -> None:
    """Have a pending row for every item that has not succeeded, at its index.

    Page by page, each in a transaction of its own. Failed items are to be tried again, unless a run is under way.
    """
    for first, page in items.pages():
        with transaction.atomic():
            batch = adhoc.locked_batch(batch_id)
            register_page(batch, first, page)
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        if not leases.held_lanes(batch.pk).exists():
            settle_others(batch, len(items))
            Checkpoint.objects.filter(pk=adhoc.lane_for(batch).pk).update(succeeded_by_hand=0, failed_by_hand=0)
            adhoc.recount(batch)
            start_at_first_pending(batch)
        Batch.objects.filter(pk=batch.pk).update(total_items=Item.objects.filter(batch=batch).count())


def register_page(batch: Batch, first: int, page: list[Any]) -> None:
    """Have rows for items whose places begin at `first`."""
    places = {id_of(item): place for place, item in enumerate(page, first)}
    stored = Item.objects.filter(batch=batch, key__in=places).order_by()  # in order, SQLite would read the whole batch
    rows = {row.key: row for row in stored.only("key", "position", "status")}
    give_places(batch, {row.pk: places[key] for key, row in rows.items()}, first, len(page))
    adhoc.insert_items(
        (batch.pk, place, key, payload_of(page[place - first]), Item.Status.PENDING, 0, 0, 0, "", "", None, None, None)
        for key, place in places.items()
        if key not in rows
    )
    failed = [row.pk for row in rows.values() if row.status in Item.FAILED_STATUSES]
    if failed and not leases.held_lanes(batch.pk).exists():
        Item.objects.filter(pk__in=failed).update(
            status=Item.Status.PENDING,
            failed_at=None,
            lane=None,
            available_at=None,
            crashes=0,
            forgiven=F("attempts"),
            rate_limited=None,
            rate_limited_since=None,
        )


def give_places(batch: Batch, places: dict[int, int], first: int, count: int) -> None:
    """Rows by primary key -> position, all of them within `count` positions from `first`, which no other row keeps."""
    within = Item.objects.filter(batch=batch, position__gte=first, position__lt=first + count)
    occupied = dict(within.values_list("pk", "position"))
    if wrong := [pk for pk, position in occupied.items() if places.get(pk) != position]:
        last = Item.objects.filter(batch=batch).aggregate(last=Max("position"))["last"]
        move(dict(zip(wrong, range(max(OUT_OF_THE_WAY, last + 1), 2**31), strict=False)))
    move({pk: position for pk, position in places.items() if occupied.get(pk) != position})


def move(places: dict[int, int]) -> None:
    """Rows by primary key -> the position that each is given."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE batches_item SET position = %s WHERE id = %s", [(position, pk) for pk, position in places.items()]
        )


def settle_others(batch: Batch, count: int) -> None:
    """Rows of items that the caller names no more: an outcome is kept, behind his items; what waits is not run."""
    others = Item.objects.filter(batch=batch, position__gte=count)
    waiting = others.filter(status=Item.Status.PENDING)
    waiting.filter(attempts=0).delete()
    now = timezone.now()
    waiting.update(status=Item.Status.FAILED, failed_at=now, finished_at=now, available_at=None, lane=0)
    last = others.filter(position__lt=OUT_OF_THE_WAY).aggregate(last=Max("position"))["last"]
    moved = others.filter(position__gte=OUT_OF_THE_WAY).order_by("position").values_list("pk", flat=True)
    move({pk: place for place, pk in enumerate(moved, count if last is None else last + 1)})


def start_at_first_pending(batch: Batch) -> None:
    """Let the run go through the items in their order, from the first that is left."""
    first = Item.objects.filter(batch=batch, status=Item.Status.PENDING).aggregate(first=Min("position"))["first"]
    if first is not None:
        Checkpoint.objects.filter(batch=batch, lane=0).update(position=first - 1)


def statuses_of(batch: Batch, items: ItemList, *, registered: bool) -> Counter[str]:
    """How many of the caller's items there are in each status; rows that are `registered` have the items' places."""
    if registered:
        return count_by_status(Item.objects.filter(batch=batch, position__lt=len(items)))
    pages = (Item.objects.filter(batch=batch, key__in=map(id_of, page)) for _, page in items.pages())
    return sum(map(count_by_status, pages), Counter[str]())


def count_by_status(rows: QuerySet[Item]) -> Counter[str]:
    return Counter(dict(rows.order_by().values_list("status").annotate(Count("pk"))))


def payload_of(item: Any) -> str:
    """What is stored of an item that a caller passes: its JSON, or its text where it has none."""
    try:
        text = json.dumps({"item": item}, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps({"item": storable(str(item))})
    text = text.replace("\\u0000", "")
    return text if "\\ud" not in text else json.dumps({"item": storable(str(item))})
