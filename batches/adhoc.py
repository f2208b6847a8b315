"""Ad hoc batches, those of the Python API: they have no processor, and begin with the first use of their id."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.conf import settings
from django.db.models import Count, Max
from django.utils import timezone

from batches.exceptions import InvalidInput
from batches.models import BATCH_ID, ITEM_KEY_LENGTH, Batch, Checkpoint, Item

COUNTED_BY_HAND = ("succeeded", "failed")
"""Outcomes that a script may count for items that have no row."""


def checked_id(batch_id: Any) -> str:
    """The batch id, or `InvalidInput` if it is none."""
    if not isinstance(batch_id, str) or not BATCH_ID.match(batch_id):
        raise InvalidInput(
            f"{batch_id!r} is no batch id: use 1 to 64 letters, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit.",
            {"batch_id": ["Not a batch id."]},
        )
    return batch_id


def checked_item(item_id: Any) -> str:
    """The item id as text, or `InvalidInput` if it is none."""
    text = str(item_id)
    if not text or len(text) > ITEM_KEY_LENGTH or "\x00" in text:
        raise InvalidInput(
            f"An item id has 1 to {ITEM_KEY_LENGTH} characters and no NUL; this one is {text[:40]!r}.",
            {"item_id": ["Not an item id."]},
        )
    return text


def batch_for(batch_id: str) -> Batch:
    """The batch of that id; an ad hoc one is stored if there is none."""
    defaults = {"status": Batch.Status.PENDING, "item_timeout": settings.PORTAL_ITEM_TIMEOUT}
    return Batch.objects.get_or_create(pk=checked_id(batch_id), defaults=defaults)[0]


def lane_for(batch: Batch) -> Checkpoint:
    """The only lane of an ad hoc batch."""
    return Checkpoint.objects.get_or_create(batch=batch, lane=0)[0]


def locked_batch(batch_id: str) -> Batch:
    """The batch of that id, locked until the caller's transaction ends: its writers wait for each other."""
    batch = batch_for(batch_id)
    return Batch.objects.select_for_update().get(pk=batch.pk)


def refuse_processor(batch: Batch) -> None:
    """`InvalidInput` for a batch that is no ad hoc one."""
    if batch.processor:
        raise InvalidInput(f"Batch {batch.pk} is run by processor {batch.processor}, which does the counting.")


def set_outcomes(batch: Batch, outcomes: dict[str, tuple[str, str]], *, replace: bool) -> None:
    """Items by id -> (status, message); with `replace`, items not named are taken out. Keeps lane 0's counters true."""
    now = timezone.now()
    if replace:
        Item.objects.filter(batch=batch).exclude(key__in=outcomes).delete()
    existing = set(Item.objects.filter(batch=batch).values_list("key", flat=True))
    last = Item.objects.filter(batch=batch).aggregate(last=Max("position"))["last"]
    free = 0 if last is None else last + 1
    for key, (status, message) in outcomes.items():
        failed_at = now if status == Item.Status.FAILED else None
        values = {"status": status, "message": message, "lane": 0, "failed_at": failed_at, "finished_at": now}
        if key in existing:
            Item.objects.filter(batch=batch, key=key).update(**values)
        else:
            Item.objects.create(batch=batch, key=key, position=free, payload={"item": key}, attempts=1, **values)
            free += 1
    cover_counts(batch)
    recount(batch)


def cover_counts(batch: Batch) -> None:
    """Rows that came are among what was counted by hand; called before `recount`, whose counts say what was before."""
    rows, lane = rows_by_status(batch), lane_for(batch)
    for name in COUNTED_BY_HAND:
        by_hand, now = getattr(lane, f"{name}_by_hand"), rows[name.upper()]
        came = now - (getattr(lane, name) - by_hand)
        setattr(lane, f"{name}_by_hand", max(0, by_hand - (came if came >= 0 else now)))
    lane.save(update_fields=[f"{name}_by_hand" for name in COUNTED_BY_HAND])


def recount(batch: Batch) -> None:
    """Lane 0's counters from the items themselves, and what was counted by hand besides."""
    rows, lane = rows_by_status(batch), lane_for(batch)
    counts = {name: rows[name.upper()] for name in ("succeeded", "failed", "skipped", "quarantined")}
    for name in COUNTED_BY_HAND:
        counts[name] += getattr(lane, f"{name}_by_hand")
    Checkpoint.objects.filter(pk=lane.pk).update(**counts)
    total = max(batch.total_items, rows.total(), sum(counts.values()))
    if batch.total_items < total:
        Batch.objects.filter(pk=batch.pk).update(total_items=total)


def rows_by_status(batch: Batch) -> Counter[str]:
    statuses = Item.objects.filter(batch=batch).order_by().values_list("status")
    return Counter(dict(statuses.annotate(items=Count("pk"))))
