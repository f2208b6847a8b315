"""A caller's run of his own function over his items: until all have an outcome, or a person stops it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from time import sleep
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from batches import adhoc, arguments, coroutines
from batches.driving import item_rows
from batches.driving.item_list import ItemList, id_of
from batches.driving.run_options import RunOptions, refuse_unkept_limit
from batches.engine import runner
from batches.exceptions import BatchCancelled, InvalidInput
from batches.lanes import leases
from batches.lifecycle import transitions
from batches.models import Batch, Checkpoint, Item
from batches.processors import Processor

WAIT_SECONDS = 0.1
STOPPED = (Batch.Status.PAUSING, Batch.Status.PAUSED, Batch.Status.CANCELLING, Batch.Status.CANCELLED)
"""A person's word: nothing is begun."""
OPEN = (Item.Status.PENDING, Item.Status.RUNNING)


def resume(
    batch_id: str,
    all_items: Iterable[Any],
    process_fn: Callable[[Any], Any],
    options: RunOptions,
    cancellation: coroutines.Cancellation | None = None,
) -> dict[str, Any]:
    """Run every item that has not succeeded.

    The cancellation ends the run in the middle of an item that is awaited, else before the next.
    """
    refuse_within_item(batch_id, "resume_from_checkpoint")
    arguments.checked_id(batch_id)
    arguments.checked_function("process_fn", process_fn, 1)
    arguments.checked_list("all_items", all_items, or_keys=True)
    refuse_unkept_limit(options, process_fn)
    cancellation, tally = cancellation or coroutines.Cancellation(), Counter[str]()
    with closing(ItemList(all_items)) as items:
        resumed_from = saved_index(batch_id)
        batch = begun(batch_id, options.columns())
        may_run = batch.status not in STOPPED
        if may_run:
            item_rows.register(batch.pk, items)
            call = caller_of(batch.pk, process_fn, items, options.item_timeout, cancellation)
            timeout = options.item_timeout
            processor = Processor(name="", function=call, effects=options.effects, item_timeout=timeout)
            run(batch, processor, tally, cancellation.is_requested)
            batch.refresh_from_db()
        result = result_of(batch, item_rows.statuses_of(batch, items, registered=may_run), tally, len(items))
    result["resumed_from_index"] = resumed_from
    if batch.status == Batch.Status.CANCELLED:
        raise BatchCancelled(batch_id, result["remaining"], batch.reason, result)
    return result


def saved_index(batch_id: str) -> int:
    """The index of the next item, as it is saved; 0 where nothing is."""
    lanes = Checkpoint.objects.filter(batch=arguments.checked_id(batch_id), saved_at__isnull=False)
    return max((lane.next_index for lane in lanes), default=0)


def begun(batch_id: str, options: dict[str, Any]) -> Batch:
    """The ad hoc batch, with the options of this run."""
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        adhoc.refuse_processor(batch)
        Batch.objects.filter(pk=batch.pk).update(**options)
    return batch


def result_of(batch: Batch, statuses: Counter[str], tally: Counter[str], total: int) -> dict[str, Any]:
    """What a call answers: its items by status as they are now, and those that it recorded itself."""
    done = sum(statuses[status] for status in Item.SUCCESSFUL_STATUSES)
    failed, completed = sum(statuses[status] for status in Item.FAILED_STATUSES), tally[Item.Status.SUCCEEDED]
    return {
        "batch_id": batch.pk,
        "total_items": total,
        "completed": completed,
        "failed": failed,
        "skipped": done - completed,
        "remaining": total - done - failed,
        "status": batch.status,
    }


def caller_of(
    batch_id: str,
    process_fn: Callable[[Any], Any],
    items: ItemList,
    limit: float | None,
    cancellation: coroutines.Cancellation,
) -> Callable[[Any, Any], None]:
    """What the engine calls for an item, which has `limit` seconds if it is awaited; None: no limit.

    What `process_fn` returns is not stored, only its effects and its exception count.
    """

    seconds = None if limit is None else limit - min(0.5, limit / 10)

    def call(payload: Any, context: Any) -> None:
        item = items[context.position]
        if item != context.item_key and id_of(item) != context.item_key:
            raise InvalidInput(f"Another call of resume_from_checkpoint has given {context.item_key!r} another place.")
        with adhoc.driving(batch_id):
            result = coroutines.run_to_end(process_fn(item), seconds, cancellation)
        coroutines.refuse_awaitable(result, "process_fn")

    return call


def refuse_within_item(batch_id: str, function: str) -> None:
    """`InvalidInput` where an item of the batch is run: its checkpoint is saved for it."""
    if adhoc.is_driving(batch_id):
        raise InvalidInput(
            f"{function} was called within an item of batch {batch_id}, whose checkpoint is saved by itself. "
            "Call it before or after resume_from_checkpoint, or for another batch."
        )


def run(batch: Batch, processor: Processor, tally: Counter[str], should_stop: Callable[[], bool]) -> None:
    """Work until every item has its outcome, or a person stops it; a second caller waits for the first, and takes over
    if that dies. `tally` counts the outcomes that this call records, by status."""
    sources = (Batch.Status.PENDING, Batch.Status.COMPLETED, Batch.Status.HALTED)
    if has_open_items(Item.objects.filter(batch=batch)):
        transitions.move(batch.pk, Batch.Status.QUEUED, verb="resume", from_=sources, actor="python")
    while is_under_way(batch.pk) and not should_stop():
        leases.expire_dead_workers()
        runner.work_slice(batch.pk, processor=processor, tally=tally, should_stop=should_stop)
        if is_under_way(batch.pk):
            sleep(WAIT_SECONDS)
    transitions.settle(batch.pk)


def is_under_way(batch_id: str) -> bool:
    """Whether the batch is active, and an item of it has no outcome yet."""
    return has_open_items(Item.objects.filter(batch=batch_id, batch__status__in=Batch.ACTIVE))


def has_open_items(items: QuerySet[Item]) -> bool:
    """Whether one of a batch's items has no outcome yet: looked for from the end, where a run comes last."""
    return bool(items.filter(status__in=OPEN).order_by("-position").values_list("pk")[:1])
