"""Ad hoc batches, those of the Python API: they have no processor, and begin with the first use of their id."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import Count
from django.utils import timezone

from batches import unfinished
from batches.arguments import checked_id
from batches.conf import settings
from batches.exceptions import InvalidInput, InvalidTransition
from batches.models import Batch, Checkpoint, Item
from batches.paging import pages_of

COUNTED_BY_HAND = ("succeeded", "failed")
"""Outcomes that a script may count for items that have no row."""
ROWS_PER_STATEMENT = 1_000
ITEM_COLUMNS = (
    *("batch_id", "position", "key", "payload", "status", "attempts", "forgiven", "crashes", "message", "code"),
    *("lane", "failed_at", "finished_at"),
)
CHANGE = """
UPDATE batches_item SET status = %s, failed_at = %s, finished_at = %s, message = v.column2, lane = 0,
  available_at = NULL
FROM (VALUES {rows}) AS v WHERE batches_item.id = v.column1
"""
_driven: ContextVar[str] = ContextVar("driven", default="")


@contextmanager
def driving(batch_id: str) -> Iterator[None]:
    """Inside, an item of that ad hoc batch is run, and will be counted."""
    before = _driven.set(batch_id)
    try:
        yield
    finally:
        _driven.reset(before)


def is_driving(batch_id: str) -> bool:
    """Whether this is called from within an item of that batch, as `resume_from_checkpoint` runs it."""
    return _driven.get() == batch_id


def batch_for(batch_id: str) -> Batch:
    """The batch of that id; an ad hoc one is stored if there is none. `OperationInProgress` while one is."""
    defaults = {"status": Batch.Status.PENDING, "item_timeout": settings.PORTAL_ITEM_TIMEOUT}
    try:
        return Batch.objects.get_or_create(pk=checked_id(batch_id), defaults=defaults)[0]
    except IntegrityError:
        unfinished.refuse(batch_id)
        raise


def lane_for(batch: Batch) -> Checkpoint:
    """The only lane of an ad hoc batch."""
    return Checkpoint.objects.get_or_create(batch=batch, lane=0)[0]


def locked_batch(batch_id: str) -> Batch:
    """The batch of that id, locked until the caller's transaction ends: its writers wait for each other.

    `InvalidTransition` for one whose items are gone, or going.
    """
    locked = Batch.objects.select_for_update().filter(pk=checked_id(batch_id))
    batch = locked.first()
    if batch is None:
        batch_for(batch_id)
        batch = locked.get()
    refuse_removed(batch)
    return batch


def refuse_processor(batch: Batch) -> None:
    """`InvalidInput` for a batch that is no ad hoc one, `InvalidTransition` for one whose items are gone, or going."""
    refuse_removed(batch)
    if batch.processor:
        raise InvalidInput(f"Batch {batch.pk} is run by processor {batch.processor}, which does the counting.")


def refuse_removed(batch: Batch) -> None:
    """`InvalidTransition` for a batch whose items are gone, or going."""
    if batch.status in Batch.REMOVED:
        remedy = "Nothing is counted in it any more; use another id."
        raise InvalidTransition(batch.pk, "count items of", Batch.Status(batch.status).label, remedy)


def set_outcomes(batch: Batch, outcomes: dict[str, tuple[str, str]]) -> None:
    """Items by id -> (status, message); items that are not named are taken out. Keeps lane 0's counters true."""
    stored = Item.objects.filter(batch=batch).values_list("key", "pk", "status", "message", "position")
    rows = {key: (pk, (status, message), position) for key, pk, status, message, position in stored}
    gone = [pk for key, (pk, _, _) in rows.items() if key not in outcomes]
    for page in pages_of(gone, ROWS_PER_STATEMENT):
        Item.objects.filter(pk__in=page).delete()
    now, changed = timezone.now(), dict[str, list[tuple[int, str]]]()
    for key, (status, message) in outcomes.items():
        if key in rows and rows[key][1] != (status, message):
            changed.setdefault(status, []).append((rows[key][0], message))
    for status, messages in changed.items():
        change(status, messages, now)
    free = max((position for key, (_, _, position) in rows.items() if key in outcomes), default=-1) + 1
    new, at = (key for key in outcomes if key not in rows), adapted(now)
    insert_items(row_of(batch, place, key, *outcomes[key], at) for place, key in enumerate(new, free))
    cover_counts(batch)
    recount(batch)


def row_of(batch: Batch, place: int, key: str, status: str, message: str, at: Any) -> tuple[Any, ...]:
    """`ITEM_COLUMNS` of an item whose outcome a caller saves; `at` is a time as the driver takes it."""
    return (batch.pk, place, key, json.dumps({"item": key}), status, 1, 0, 0, message, "", 0, failed_at(status, at), at)


def change(status: str, messages: Iterable[tuple[int, str]], now: datetime) -> None:
    """Give items a status, each with a message: primary keys -> messages."""
    values = (status, adapted(failed_at(status, now)), adapted(now))
    with connection.cursor() as cursor:
        for page in pages_of(messages, ROWS_PER_STATEMENT):
            marks = ", ".join(["(%s, %s)"] * len(page))
            cursor.execute(CHANGE.format(rows=marks), [*values, *(value for row in page for value in row)])


def adapted(moment: datetime | None) -> Any:
    """A time as the driver takes it."""
    return None if moment is None else connection.ops.adapt_datetimefield_value(moment)


def failed_at(status: str, now: datetime | None) -> datetime | None:
    return now if status in Item.FAILED_STATUSES else None


def insert_items(rows: Iterable[Sequence[Any]]) -> None:
    """Items as values of `ITEM_COLUMNS`, many a statement."""
    marks = f"({', '.join(['%s'] * len(ITEM_COLUMNS))})"
    insert = f"INSERT INTO batches_item ({', '.join(ITEM_COLUMNS)}) VALUES "  # noqa: S608
    with connection.cursor() as cursor:
        for page in pages_of(rows, ROWS_PER_STATEMENT):
            if connection.vendor == "postgresql":
                cursor.execute(insert + ", ".join([marks] * len(page)), [value for row in page for value in row])
            else:
                cursor.executemany(insert + marks, page)


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
