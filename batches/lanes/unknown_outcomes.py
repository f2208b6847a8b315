"""Calls to the outside whose worker was lost while they were out: nobody knows whether they arrived.

Where the receiver takes a repeated call once (by its idempotency key), the item goes back to pending and is called
again. Where it does not, a person decides: the item is quarantined with the code `UNKNOWN_OUTCOME`.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import F, QuerySet
from django.utils import timezone

from batches.clock import now_sql
from batches.compiled_query import CompiledQuery
from batches.exceptions import UnknownProcessor, UnusableParams
from batches.extensions import record_failures
from batches.keys import PROCESS, TTL, key_of
from batches.lanes import counters, outcomes
from batches.lanes.lane_counts import shift_count
from batches.models import Batch, IdempotencyRecord, Item
from batches.processors import ItemError, Processor, get
from batches.processors.stored_params import params_of

CODE = "UNKNOWN_OUTCOME"


class UnknownOutcome(ItemError):
    """The worker was lost during the call: look at the receiver, then say whether it was done, or retry it."""


def resolve_lost_calls(
    batch_id: str, lane: int, worker: str, *, still_out: Collection[int] = (), begun: bool = True
) -> int:
    """Decide about the calls that a lane had out, except of the items `still_out`; returns how many.

    `begun`: the calls may have reached their receiver.
    """
    if not any(OUT.rows([batch_id])):
        return 0
    lost = Item.objects.filter(batch=batch_id, lane=lane, claimed_at__isnull=False, status=Item.Status.RUNNING)
    items = list(lost.exclude(pk__in=still_out).order_by("pk"))
    if not items:
        return 0
    batch = Batch.objects.get(pk=batch_id)
    forget_in_progress(batch_id, [item.key for item in items])
    processor = processor_or_none(batch)
    if begun and batch.processor and (processor is None or asks_a_person(batch, processor)):
        quarantine_calls(batch, lane, worker, items, processor or Processor(name=batch.processor, function=print))
        counters.add("unknown_outcomes", by=len(items))
    else:
        Item.objects.filter(pk__in=[item.pk for item in items]).update(
            status=Item.Status.PENDING, lane=None, claimed_at=None, available_at=now_sql()
        )
        if begun:
            counters.add("external_repeats", by=len(items))
    return len(items)


def calls_out(batch_ids: list[str]) -> QuerySet[Item, tuple[int]]:
    """Whether any lane of the batch has some."""
    claimed = Item.objects.filter(batch__in=batch_ids, claimed_at__isnull=False, status=Item.Status.RUNNING)
    return claimed.order_by().values_list("pk")[:1]


OUT = CompiledQuery(calls_out)


def asks_a_person(batch: Batch, processor: Processor) -> bool:
    """Whether the processor leaves these calls to a person; so it is, too, where its form cannot say any more."""
    if not callable(processor.on_unknown):
        return processor.on_unknown == "ask"
    try:
        return processor.on_unknown(params_of(batch, processor).for_item()) == "ask"
    except UnusableParams:
        return True


def processor_or_none(batch: Batch) -> Processor | None:
    """The batch's processor; None where this process does not know it."""
    try:
        return get(batch.processor)
    except UnknownProcessor:
        return None


def forget_in_progress(batch_id: str, item_keys: Collection[str]) -> None:
    """Remove the idempotency rows that say that a worker is processing these items; not those of operations."""
    keys = [key_of(batch_id, item_key, PROCESS) for item_key in item_keys]
    IdempotencyRecord.objects.filter(key__in=keys, state=IdempotencyRecord.State.IN_PROGRESS, worker="").delete()


def quarantine_calls(batch: Batch, lane: int, worker: str, items: list[Item], processor: Processor) -> None:
    """Quarantine items for a person to decide, with an error record each."""
    error = UnknownOutcome(UnknownOutcome.__doc__ or "", code=CODE, category="unknown", retryable=False)
    failed = [
        outcomes.failed(
            outcomes.claimed_of(item),
            error,
            processor=processor,
            max_attempts=0,
            started_at=item.started_at or timezone.now(),
            worker=worker,
            params=batch.params,
        )
        for item in items
    ]
    record_failures(batch, [outcome.failure for outcome in failed if outcome.failure is not None])
    now = timezone.now()
    Item.objects.filter(pk__in=[item.pk for item in items]).update(
        status=Item.Status.QUARANTINED,
        attempts=F("attempts") + 1,
        message=outcomes.message_of(error),
        code=CODE,
        claimed_at=None,
        failed_at=now,
        finished_at=now,
    )
    shift_count(batch, lane, Item.Status.QUARANTINED, len(items))


def record_decision(item: Item, status: str) -> None:
    """Give an item of unknown outcome the status that a person decided on; in the caller's transaction."""
    shift_count(item.batch_id, item.lane, item.status, -1)
    shift_count(item.batch_id, item.lane, status, 1)
    now, item.status, item.message = timezone.now(), status, "" if status == Item.Status.SUCCEEDED else item.message
    item.failed_at = None if status == Item.Status.SUCCEEDED else item.failed_at
    item.code = "" if status == Item.Status.SUCCEEDED else item.code
    item.save(update_fields=["status", "message", "failed_at", "code"])
    if status == Item.Status.SUCCEEDED:
        key = key_of(item.batch_id, item.key, PROCESS)
        values = {"state": IdempotencyRecord.State.DONE, "created_at": now, "expires_at": now + TTL, "response": None}
        IdempotencyRecord.objects.update_or_create(key=key, defaults=values)
