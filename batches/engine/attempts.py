"""Outcomes that no processor returned: of attempts that failed, of items that kill workers, of what was done before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from batches import clock
from batches.engine import disk_full
from batches.engine.slices import Slice
from batches.isolation.guard import Uncontained
from batches.keys import PROCESS, key_of
from batches.lanes import outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.models import IdempotencyRecord, Item
from batches.processors import ItemError
from batches.redaction import SharedSources


class WorkerCrash(ItemError):
    """The item was in flight at two deaths of its worker."""


def ends_run(slice_: Slice, error: BaseException) -> bool:
    """Whether what an item raised ends the run, and is no failure of it. Raises `Uncontained` where it is the
    database's that its disk is full, which is nobody's fault."""
    slice_.isolation.leave_item(error)
    if disk_full.is_full(error):
        raise Uncontained(error, by_item=False) from error
    return slice_.ends_run(error)


def failed_outcome(slice_: Slice, item: Claimed, error: BaseException, started_at: datetime) -> Outcome:
    """The attempt failed: whether the item is tried again is decided here."""
    return outcomes.failed(
        item,
        error,
        processor=slice_.processor,
        max_attempts=slice_.batch.max_attempts,
        started_at=started_at,
        worker=slice_.lease.worker,
        params=slice_.params.sources,
    )


def quarantined_outcome(slice_: Slice, item: Claimed) -> Outcome:
    """The item was in flight when its worker died, twice: it is not tried again."""
    message = f"Its worker died {item.crashes} times while it was being processed; it is set aside."
    error = WorkerCrash(message, code="WORKER_CRASH", category="crash", retryable=False)
    outcome = failed_outcome(slice_, item, error, timezone.now())
    outcome.status = Item.Status.QUARANTINED
    return outcome


def remembered_outcomes(slice_: Slice, items: Iterable[Claimed]) -> dict[int, Outcome]:
    """By item id, the outcomes of those that were done before under their idempotency keys: nothing is run.

    None of a caller's own run, whose keys are his.
    """
    if slice_.processor.is_callers:
        return {}
    keys = {key_of(slice_.batch.pk, item.key, PROCESS): item for item in items}
    records = IdempotencyRecord.objects.filter(
        key__in=keys, state=IdempotencyRecord.State.DONE, expires_at__gt=clock.now_sql()
    )
    remembered: dict[int, Outcome] = {}
    for record in records:
        item = keys[str(record.key)]
        remembered[item.id] = remembered_outcome(item, record.response)
    return remembered


def remembered_outcome(item: Claimed, result: Any) -> Outcome:
    """Of an item that was done before under its idempotency key, with that result."""
    outcome = outcomes.succeeded(item, result, clock.machine_now(), SharedSources())
    outcome.remembered, outcome.tried = True, False
    return outcome
