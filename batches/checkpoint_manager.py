"""Checkpoints of batches that a caller drives: save, load, and resume skipping what is done, after any crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from batches import adhoc, arguments, clock, coroutines
from batches.driving import run_options, runs
from batches.lanes.outcomes import storable
from batches.lifecycle import hand_counts
from batches.models import Batch, Checkpoint, Item


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

    `failed_items` are item ids, or mappings with `item` and `error`; `batch_metadata` is anything that JSON knows.
    Raises `InvalidInput`, before anything is written, for what no database stores.
    """
    current_index = arguments.whole_number("current_index", current_index)
    metadata = {} if batch_metadata is None else {"metadata": checked_metadata(batch_metadata)}
    runs.refuse_within_item(batch_id, "save_checkpoint")
    completed = arguments.checked_list("completed_items", completed_items)
    outcomes = {arguments.checked_item(item): (str(Item.Status.SUCCEEDED), "") for item in completed}
    for failed in arguments.checked_list("failed_items", failed_items):
        item, error = (failed.get("item"), failed.get("error")) if isinstance(failed, Mapping) else (failed, None)
        message = "" if error is None else storable(str(error))
        outcomes[arguments.checked_item(item)] = (str(Item.Status.FAILED), message)
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        adhoc.refuse_processor(batch)
        before = hand_counts.done_of(batch)
        adhoc.set_outcomes(batch, outcomes)
        if batch.status != Batch.Status.PENDING:
            hand_counts.move_on(batch, before, hand_counts.done_of(batch))
        Checkpoint.objects.filter(batch=batch, lane=0).update(
            position=current_index - 1, saved_at=timezone.now(), sequence=F("sequence") + 1, **metadata
        )
    saved = load_checkpoint(batch_id)
    assert saved is not None
    return saved


def checked_metadata(batch_metadata: Any) -> dict[str, Any]:
    """The metadata as JSON gives them back."""
    if not isinstance(batch_metadata, Mapping):
        raise arguments.refused("batch_metadata", batch_metadata, "a dict")
    return dict(json.loads(arguments.json_text("batch_metadata", dict(batch_metadata))))


def load_checkpoint(batch_id: str) -> SavedCheckpoint | None:
    """The last checkpoint of the batch; None if there is none."""
    lanes = list(Checkpoint.objects.filter(batch=arguments.checked_id(batch_id), saved_at__isnull=False))
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
    batch_id: str,
    all_items: Iterable[Any],
    process_fn: Callable[[Any], Any | Awaitable[Any]],
    *,
    item_timeout: float | None = None,
    max_attempts: int = 1,
    checkpoint_every: int = 10,
    effects: Literal["database", "external"] = "database",
) -> dict[str, Any]:
    """Process every item that has not succeeded yet, in order, each behind its own savepoint; saves as it goes.

    An item is a string, a mapping with `id`, `item_id` or `key`, or anything whose text is its id. `all_items` may be
    an iterable of any length: beyond 10,000 its items are pickled into a temporary file. Failed items of an earlier
    call are tried again. Killed at any point, a second call finishes the rest; effects in this database happen once.

    Every `checkpoint_every` items (1 to 50) are one transaction, which is the checkpoint, too; an item that fails, and
    whatever ends the run (`KeyboardInterrupt`, `SystemExit`), ends it early, so that nothing done is done again. An
    item runs for at most `item_timeout` seconds: PORTAL_ITEM_TIMEOUT unless given, and less than PORTAL_IDLE_SECONDS.
    It has `max_attempts` tries (1 to 100) where its failure may pass: a timeout, a lost connection, `RetryItem`.

    With `effects="external"` an item may take as long as it needs, in any thread: no transaction is open while it runs,
    its lease is renewed, and it is saved by itself as soon as it is done. What it writes is its own to commit; of a
    crash in the middle of it nobody knows how far it came, so that it is run again (`idempotent_operation` tells it
    what was done). It has a time limit only if `item_timeout` gives one. That needs the main thread or an `async def`
    process_fn, and is refused elsewhere.

    In the main thread the time limit is kept by SIGALRM: the caller's own alarm is put back after each chunk, and rings
    then if it came due. In other threads nothing interrupts a plain function with effects in this database: it fails
    once PostgreSQL has ended its transaction, after PORTAL_IDLE_SECONDS.

    Within an item of the batch, `save_checkpoint` and `resume_from_checkpoint` of it are refused.

    A person who pauses the batch stops the call between two items: it returns what was done, with the status PAUSED,
    and so does every further call until the batch is resumed.

    `process_fn` may be `async def`: each item is awaited before the next begins, and what it asks of Django's async ORM
    is part of the item's transaction. Within a coroutine call `aresume_from_checkpoint`.

    Returns batch_id, total_items, completed (by this call), failed, skipped (done before, or by others meanwhile),
    resumed_from_index, remaining (items without an outcome) and status. Raises `InvalidInput` for items without an id
    or with the same, and for options out of bounds; `BatchCancelled` when the batch is cancelled, before or meanwhile:
    its `result` is what was done.
    """
    options = run_options.checked(item_timeout, max_attempts, checkpoint_every, effects)
    return runs.resume(batch_id, all_items, process_fn, options)


async def aresume_from_checkpoint(
    batch_id: str,
    all_items: Iterable[Any],
    process_fn: Callable[[Any], Any | Awaitable[Any]],
    *,
    item_timeout: float | None = None,
    max_attempts: int = 1,
    checkpoint_every: int = 10,
    effects: Literal["database", "external"] = "database",
) -> dict[str, Any]:
    """`resume_from_checkpoint` for coroutines: an `async def` process_fn runs on this event loop, item after item.

    When the task is cancelled, the item in hand is cancelled and stays pending; those before it are saved.
    """
    options = run_options.checked(item_timeout, max_attempts, checkpoint_every, effects)
    cancellation = coroutines.Cancellation()
    running = asyncio.ensure_future(
        coroutines.in_thread(runs.resume, batch_id, all_items, process_fn, options, cancellation)
    )
    try:
        return await asyncio.shield(running)  # type: ignore[no-any-return]
    except asyncio.CancelledError:
        cancellation.request()
        await asyncio.wait([running])
        raise
