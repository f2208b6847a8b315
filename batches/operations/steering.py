"""Start, pause, resume and cancel: the verbs that move a batch from one status to another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from math import ceil
from typing import Any

from django.db import transaction
from django.db.models import Q

from batches import processors, waking
from batches.engine.budget import BUDGETS, holding_reason, totals_of
from batches.exceptions import InvalidInput, InvalidTransition
from batches.lanes import leases
from batches.lifecycle import transitions
from batches.models import Batch, Checkpoint
from batches.operations.adjusting import adjust
from batches.operations.lookups import get_batch
from batches.processors.stored_params import params_of

Status = Batch.Status
"""At rest, with items that a retry or a correction may put back."""

VERBS: dict[str, dict[str, str]] = {
    "start": {Status.PENDING: Status.QUEUED},
    "pause": {Status.RUNNING: Status.PAUSING, Status.QUEUED: Status.PAUSED},
    "resume": {Status.PAUSED: Status.QUEUED, Status.HALTED: Status.QUEUED, Status.FAILED: Status.QUEUED},
    "cancel": {
        Status.RUNNING: Status.CANCELLING,
        Status.PAUSING: Status.CANCELLING,
        Status.PENDING: Status.CANCELLED,
        Status.QUEUED: Status.CANCELLED,
        Status.PAUSED: Status.CANCELLED,
        Status.HALTED: Status.CANCELLED,
    },
}
"""From which status each verb leads to which."""
SCRIPT_VERBS = ("pause", "resume", "cancel")
"""What may be done to an ad hoc batch: its script alone can run its items."""
RETRIED_BY_SCRIPT = "resume_from_checkpoint, called by its script, tries failed items again."
SCRIPTS_ALONE = "Only the script that drives it can run its items."


def legal_verbs(batch: Batch) -> list[str]:
    """What an operator may do with the batch now; retry only where something failed."""
    verbs = [verb for verb in VERBS if status_after(verb, batch) is not None]
    if may_retry(batch) and has_failed_items(batch):
        verbs.append("retry")
    return verbs


def may_retry(batch: Batch) -> bool:
    """Whether failed items of the batch, where there are any, can be put back or corrected now."""
    return batch.status in Batch.AT_REST and not batch.is_ad_hoc


def when_retried(batch: Batch, what: str = "a retry can begin") -> str:
    """Why that is not possible now, and when it is; empty of a batch of which it is."""
    if may_retry(batch):
        return ""
    if batch.is_ad_hoc:
        return f"A script drives the batch. {RETRIED_BY_SCRIPT}"
    status = Batch.Status(batch.status)
    if status in (*Batch.REMOVED, Status.CANCELLED):
        return f"The batch is {status.label.lower()}: nothing of it is tried again."
    return f"The batch is {status.label.lower()}: {what} once it is paused, halted or completed."


def status_after(verb: str, batch: Batch) -> str | None:
    """The status to which the verb leads from the batch's own; None if it is not legal now."""
    return None if batch.is_ad_hoc and verb not in SCRIPT_VERBS else VERBS[verb].get(batch.status)


def has_failed_items(batch: Batch) -> bool:
    return Checkpoint.objects.filter(Q(failed__gt=0) | Q(quarantined__gt=0), batch=batch).exists()


def start(batch_id: str, *, actor: str = "", reason: str = "") -> Batch:
    """Let a submitted batch run."""
    return _steer("start", batch_id, actor, reason)


def start_stored(batch: Batch, *, at_once: bool = True, at: datetime | None = None, actor: str = "") -> Batch:
    """Let a batch run that was just stored, and has not begun: `at_once`, unless a time was given `at` which it starts
    by itself. The same may have been sent twice: who comes second finds it begun."""
    if not at_once or at is not None or batch.status != Status.PENDING:
        return batch
    try:
        return start(batch.pk, actor=actor)
    except InvalidTransition:
        return get_batch(batch.pk)


def pause(batch_id: str, *, actor: str = "", reason: str = "") -> Batch:
    """Ask the batch to stop after the chunk in hand; it is PAUSED once no worker holds a lane.

    A script that drives an ad hoc batch gets its items back from `resume_from_checkpoint`, and is told the status.
    """
    return _steer("pause", batch_id, actor, reason)


def resume(batch_id: str, *, actor: str = "", reason: str = "", **budget: Any) -> Batch:
    """Go on with the pending items of a paused or halted batch, or of one that failed for want of its processor, or
    because that did not take its parameters any more.

    `budget`: `max_errors` and `max_error_rate` from now on, None for no limit. Raises `InvalidInput` for a halted batch
    whose budget is used up still: it would halt at the next item that fails.
    """
    batch = get_batch(batch_id)
    if batch.processor and batch.status == Status.FAILED:
        params_of(batch, processors.get(batch.processor))
    if batch.status != Status.HALTED and not budget:
        return _steer("resume", batch_id, actor, reason)
    with transaction.atomic():
        give_budget(batch_id, budget, "resume", actor=actor, reason=reason)
        refuse_spent_budget(get_batch(batch_id))
        return _steer("resume", batch_id, actor, reason)


def give_budget(batch_id: str, budget: Mapping[str, Any], verb: str, *, actor: str, reason: str) -> None:
    """Change the limits that halt the batch; `InvalidInput` for any other name."""
    if strange := sorted(set(budget) - set(BUDGETS)):
        raise InvalidInput(f"{verb} takes {' and '.join(BUDGETS)}.", {name: ["Unknown."] for name in strange})
    batch = get_batch(batch_id)
    changes = {name: value for name, value in budget.items() if getattr(batch, name) != value}
    if changes:
        adjust(batch_id, actor=actor, reason=reason, **changes)


def suggested_budget(batch: Batch) -> dict[str, Any]:
    """For each limit the batch has: as it is, or, where it is used up, as much again as has failed."""
    count, suggested = totals_of(batch), dict[str, Any]()
    if batch.max_errors is not None:
        spent = count.failed > batch.max_errors
        suggested["max_errors"] = count.failed + max(1, batch.max_errors) if spent else batch.max_errors
    if batch.max_error_rate is not None:
        rate = 100 * count.failed / (count.done or 1)
        suggested["max_error_rate"] = (
            min(100.0, float(ceil(2 * rate))) if rate > batch.max_error_rate else batch.max_error_rate
        )
    return suggested


def refuse_spent_budget(batch: Batch) -> None:
    if reason := holding_reason(batch):
        name = BUDGETS["%" in reason]
        message = "Give a larger budget, or none: as it is, it halts again at the next item that fails."
        raise InvalidInput(f"{reason} {message} ({name})", {name: [message]})


def cancel(batch_id: str, *, actor: str = "", reason: str = "") -> Batch:
    """Stop the batch for good after the chunk in hand. What is done stays done; the others stay pending."""
    return _steer("cancel", batch_id, actor, reason)


def _steer(verb: str, batch_id: str, actor: str, reason: str) -> Batch:
    """Move along the verb's arrow; a status that changed meanwhile is looked at once more."""
    for _ in range(3):
        batch = get_batch(batch_id)
        to = status_after(verb, batch)
        if to is None:
            break
        if transitions.move(batch_id, to, verb=verb, from_=(batch.status,), actor=actor, reason=reason):
            return _follow_up(batch_id, to)
    remedy = SCRIPTS_ALONE if batch.is_ad_hoc and verb not in SCRIPT_VERBS else ""
    raise InvalidTransition(batch_id, verb, Batch.Status(batch.status).label, remedy)


def _follow_up(batch_id: str, status: str) -> Batch:
    """Workers are woken for a batch that is queued; one that is to stop comes to rest now if nobody holds it."""
    if status == Status.QUEUED:
        transaction.on_commit(partial(waking.wake, batch_id))
    else:
        leases.expire_dead_workers()
        transitions.settle(batch_id)
    return get_batch(batch_id)
