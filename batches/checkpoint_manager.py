"""Checkpoints of batches that a caller drives: save, load, and resume skipping what is done, after any crash."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from time import sleep
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Min
from django.utils import timezone

from batches import adhoc, clock, coroutines
from batches.engine import runner
from batches.exceptions import BatchCancelled, InvalidInput
from batches.isolation.time_limits import legal_item_timeout
from batches.lanes import leases
from batches.lanes.outcomes import storable
from batches.lifecycle import hand_counts, transitions
from batches.models import Batch, Checkpoint, Item
from batches.processors import Processor

MOVED_BY = 1_000_000_000  # positions, out of the way while they are given anew
WAIT_SECONDS = 0.1
IDS_PER_STATEMENT = 500
STOPPED = (Batch.Status.PAUSING, Batch.Status.PAUSED, Batch.Status.CANCELLING, Batch.Status.CANCELLED)
"""A person's word: nothing is begun."""
OPEN = (Item.Status.PENDING, Item.Status.RUNNING)


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """How far a batch had come: items by id, failed ones with their error, and when that was."""

    batch_id: str
    checkpoint_id: str
    current_item_index: int
    completed_items: list[str]
    failed_items: list[dict[str, Any]]
    batch_metadata: dict[str, Any]
    timestamp: datetime

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"timestamp": clock.iso_utc(self.timestamp)}


def save_checkpoint(
    batch_id: str,
    current_index: int,
    completed_items: Sequence[Any],
    failed_items: Sequence[Any],
    batch_metadata: Mapping[str, Any] | None = None,
) -> SavedCheckpoint:
    """Replace the batch's checkpoint. `current_index` is the index of the next item: 45 after the items 0 to 44.

    `failed_items` are item ids, or mappings with `item` and `error`.
    """
    if not isinstance(current_index, int) or isinstance(current_index, bool) or current_index < 0:
        raise InvalidInput(
            f"current_index is {current_index!r}; it must be a whole number from 0: that of the next item."
        )
    outcomes = {adhoc.checked_item(item): (str(Item.Status.SUCCEEDED), "") for item in completed_items}
    for failed in failed_items:
        item, error = (failed.get("item"), failed.get("error", "")) if isinstance(failed, Mapping) else (failed, "")
        outcomes[adhoc.checked_item(item)] = (str(Item.Status.FAILED), storable(str(error)))
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        adhoc.refuse_processor(batch)
        before = hand_counts.done_of(batch)
        adhoc.set_outcomes(batch, outcomes, replace=True)
        if batch.status != Batch.Status.PENDING:
            hand_counts.move_on(batch, before, hand_counts.done_of(batch))
        metadata = {} if batch_metadata is None else {"metadata": json.loads(json.dumps(dict(batch_metadata)))}
        Checkpoint.objects.filter(batch=batch, lane=0).update(
            position=current_index - 1, saved_at=timezone.now(), sequence=F("sequence") + 1, **metadata
        )
    saved = load_checkpoint(batch_id)
    assert saved is not None
    return saved


def load_checkpoint(batch_id: str) -> SavedCheckpoint | None:
    """The last checkpoint of the batch; None if there is none."""
    lanes = list(Checkpoint.objects.filter(batch=adhoc.checked_id(batch_id), saved_at__isnull=False))
    if not lanes:
        return None
    items = Item.objects.filter(batch=batch_id).order_by("position")
    failed = items.filter(failed_at__isnull=False).values_list("key", "message", "code", "attempts", "position")
    return SavedCheckpoint(
        batch_id=batch_id,
        checkpoint_id=f"{batch_id}-{sum(lane.sequence for lane in lanes)}",
        current_item_index=max(lane.next_index for lane in lanes),
        completed_items=list(items.filter(status=Item.Status.SUCCEEDED).values_list("key", flat=True)),
        failed_items=[
            {"item": key, "error": message, "code": code, "attempts": attempts, "index": position}
            for key, message, code, attempts, position in failed
        ],
        batch_metadata=lanes[0].metadata,
        timestamp=max(lane.saved_at for lane in lanes if lane.saved_at),
    )


def resume_from_checkpoint(
    batch_id: str, all_items: Sequence[Any], process_fn: Callable[[Any], Any | Awaitable[Any]]
) -> dict[str, Any]:
    """Process every item that has not succeeded yet, ten a transaction, each behind its own savepoint.

    An item is a string, a mapping with `id`, `item_id` or `key`, or anything whose text is its id. Failed items of an
    earlier call are tried again. Killed at any point, a second call finishes the rest; effects in this database happen
    once. In the main thread an item's time limit is kept by SIGALRM: the caller's own alarm is put back after each
    chunk, and rings then if it came due. Returns batch_id, total_items, completed and failed (by this call), skipped
    (done before), resumed_from_index, remaining (items without an outcome) and status.

    A person who pauses the batch stops the call between two items: it returns what was done, with the status PAUSED,
    and so does every further call until the batch is resumed. Raises `BatchCancelled` when the batch is cancelled,
    before or meanwhile; its `result` is what was done.

    `process_fn` may be `async def`: each item is awaited before the next begins, and what it asks of Django's async ORM
    is part of the item's transaction. Within a coroutine call `aresume_from_checkpoint`.
    """
    return resume(batch_id, all_items, process_fn)


async def aresume_from_checkpoint(
    batch_id: str, all_items: Sequence[Any], process_fn: Callable[[Any], Any | Awaitable[Any]]
) -> dict[str, Any]:
    """`resume_from_checkpoint` for coroutines: an `async def` process_fn runs on this event loop, item after item.

    When the task is cancelled, the item in hand is cancelled and stays pending; those before it are saved.
    """
    cancellation = coroutines.Cancellation()
    running = asyncio.ensure_future(coroutines.in_thread(resume, batch_id, all_items, process_fn, cancellation))
    try:
        return await asyncio.shield(running)  # type: ignore[no-any-return]
    except asyncio.CancelledError:
        cancellation.request()
        await asyncio.wait([running])
        raise


def resume(
    batch_id: str,
    all_items: Sequence[Any],
    process_fn: Callable[[Any], Any],
    cancellation: coroutines.Cancellation | None = None,
) -> dict[str, Any]:
    """The two above; the cancellation ends the run in the middle of an item that is awaited, else before the next."""
    cancellation = cancellation or coroutines.Cancellation()
    coroutines.refuse_generator(process_fn, "process_fn")
    items = list(all_items)
    ids = [id_of(item) for item in items]
    before = load_checkpoint(batch_id)
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        adhoc.refuse_processor(batch)
        may_run = batch.status not in STOPPED
        skipped = register(batch, ids, items) if may_run else rows_of(batch, ids)[Item.Status.SUCCEEDED]
    if may_run and skipped < len(ids):
        limit = legal_item_timeout(batch.item_timeout)

        def process(payload: Any, context: Any) -> None:
            call(process_fn, items[context.position], limit, cancellation)

        run(batch, Processor(name="", function=process), cancellation.is_requested)
    batch.refresh_from_db()
    rows = rows_of(batch, ids)
    failed = sum(rows[status] for status in Item.FAILED_STATUSES)
    result: dict[str, Any] = {
        "batch_id": batch_id,
        "total_items": len(ids),
        "completed": rows[Item.Status.SUCCEEDED] - skipped,
        "failed": failed,
        "skipped": skipped,
        "resumed_from_index": 0 if before is None else before.current_item_index,
        "remaining": len(ids) - sum(rows[status] for status in Item.SUCCESSFUL_STATUSES) - failed,
        "status": batch.status,
    }
    if batch.status == Batch.Status.CANCELLED:
        raise BatchCancelled(batch_id, result["remaining"], batch.reason, result)
    return result


def rows_of(batch: Batch, ids: Sequence[str]) -> Counter[str]:
    """How many of these items there are in each status."""
    rows = Item.objects.filter(batch=batch)
    if len(ids) < IDS_PER_STATEMENT:
        rows = rows.filter(key__in=ids)
    elif rows.count() > len(ids):
        rows = rows.filter(position__lt=len(ids))
    return Counter(dict(rows.order_by().values_list("status").annotate(Count("pk"))))


def call(process_fn: Callable[[Any], Any], item: Any, limit: float, cancellation: coroutines.Cancellation) -> None:
    """Process an item, within `limit` seconds if that is awaited; what it returns is not stored, only its effects and
    its exception count."""
    result = coroutines.run_to_end(process_fn(item), limit - min(0.5, limit / 10), cancellation)
    coroutines.refuse_awaitable(result, "process_fn")


def id_of(item: Any) -> str:
    """The id of an item that a caller passes; `InvalidInput` if it has none."""
    if isinstance(item, Mapping):
        named = [item[name] for name in ("id", "item_id", "key") if item.get(name) is not None]
        if not named:
            raise InvalidInput('An item that is a mapping must have an "id", "item_id" or "key".')
        return adhoc.checked_item(named[0])
    return adhoc.checked_item(item)


def register(batch: Batch, ids: list[str], items: list[Any]) -> int:
    """Have a pending row for every item that has not succeeded, at its index; returns how many had."""
    if len(set(ids)) < len(ids):
        twice = next(key for key, times in Counter(ids).items() if times > 1)
        raise InvalidInput(f"Item id {twice!r} occurs twice; ids must be unique within a batch.")
    rows = {row.key: row for row in Item.objects.filter(batch=batch)}
    if any(rows[key].position != index for index, key in enumerate(ids) if key in rows) or set(rows) - set(ids):
        Item.objects.filter(batch=batch, position__lt=MOVED_BY).update(position=F("position") + MOVED_BY)
        for index, key in enumerate(ids):
            if key in rows:
                Item.objects.filter(pk=rows[key].pk).update(position=index)
    new = [
        Item(batch=batch, position=i, key=key, payload=payload_of(items[i]))
        for i, key in enumerate(ids)
        if key not in rows
    ]
    Item.objects.bulk_create(new, batch_size=1_000)
    if not leases.held_lanes(batch.pk).exists():
        failed = Item.objects.filter(batch=batch, key__in=[k for k in ids if k in rows and rows[k].failed_at])
        failed.update(
            status=Item.Status.PENDING, failed_at=None, lane=None, available_at=None, crashes=0, forgiven=F("attempts")
        )
        lane = adhoc.lane_for(batch)
        Checkpoint.objects.filter(pk=lane.pk).update(succeeded_by_hand=0, failed_by_hand=0)
        adhoc.recount(batch)
        start_at_first_pending(batch)
    Batch.objects.filter(pk=batch.pk).update(total_items=Item.objects.filter(batch=batch).count())
    return sum(key in rows and rows[key].status == Item.Status.SUCCEEDED for key in ids)


def start_at_first_pending(batch: Batch) -> None:
    """Let the run go through the items in their order, from the first that is left."""
    first = Item.objects.filter(batch=batch, status=Item.Status.PENDING).aggregate(first=Min("position"))["first"]
    if first is not None:
        Checkpoint.objects.filter(batch=batch, lane=0).update(position=first - 1)


def payload_of(item: Any) -> dict[str, Any]:
    """What is stored of an item that a caller passes: its JSON, or its text where it has none."""
    try:
        text = json.dumps(item, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(storable(str(item)))
    return {"item": json.loads(text.replace("\\u0000", ""))}


def run(batch: Batch, processor: Processor, should_stop: Callable[[], bool]) -> None:
    """Work until every item has its outcome, or a person stops it; a second caller waits for the first, and takes over
    if that dies."""
    sources = (Batch.Status.PENDING, Batch.Status.COMPLETED, Batch.Status.HALTED)
    transitions.move(batch.pk, Batch.Status.QUEUED, verb="resume", from_=sources, actor="python")
    while is_under_way(batch.pk) and not should_stop():
        leases.expire_dead_workers()
        runner.work_slice(batch.pk, processor=processor, should_stop=should_stop)
        if is_under_way(batch.pk):
            sleep(WAIT_SECONDS)
    transitions.settle(batch.pk)


def is_under_way(batch_id: str) -> bool:
    """Whether the batch is active, and an item of it has no outcome yet."""
    return Item.objects.filter(batch=batch_id, status__in=OPEN, batch__status__in=Batch.ACTIVE).exists()
