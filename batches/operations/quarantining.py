"""Quarantine items, and release them: the operator's two verbs for what should not run."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from batches import waking
from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged, UnknownBatch
from batches.lanes import leases
from batches.lifecycle import quarantined_items, scopes, transitions
from batches.models import Batch, Item, Quarantine
from batches.numbering import next_number, numbered
from batches.operations.lookups import get_batch
from batches.wording import quantity

Status = Batch.Status
LEGAL = (
    Status.PENDING,
    Status.QUEUED,
    Status.RUNNING,
    Status.PAUSING,
    Status.PAUSED,
    Status.HALTED,
    Status.COMPLETED,
)


def quarantine(
    batch_id: str, *, actor: str = "", reason: str = "", count: int | None = None, key: str = "", **scope: Any
) -> Quarantine:
    """Quarantine items that failed or wait, so that nothing runs or retries them; the rest of the batch goes on.

    Refused if it means another number of items than `count`. The same `key` again is the same act.
    """
    name, value = scopes.only_scope(scope, "set aside")
    condition = scopes.with_waiting_items(get_batch(batch_id), name, value)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if key and (earlier := batch.quarantines.filter(key=key).first()):
            return earlier
        _refuse_unless_legal(batch, "set items aside in")
        leases.ensure_lanes(batch)
        act = Quarantine.objects.create(
            batch=batch, number=next_number(batch.quarantines), scope={name: value}, key=key, actor=actor, reason=reason
        )
        act.items = quarantined_items.quarantine(act, condition)
        if not act.items:
            raise InvalidInput("No failed or waiting item matches: there is nothing to set aside.")
        if count not in (None, act.items):
            raise ScopeChanged(count or 0, act.items)
        act.save(update_fields=["items"])
        why = f"{quantity(act.items, 'item')} set aside. {reason}".strip()
        transitions.record(batch, "set aside", batch.status, batch.status, actor=actor, reason=why)
    transitions.settle(batch_id)
    return act


def release(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Quarantine:
    """Undo a quarantine: failed items are failed as they were, and those that had waited run, also if the batch was
    done."""
    get_batch(batch_id)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        act: Quarantine | None = numbered(batch.quarantines, number)
        if act is None:
            raise UnknownBatch(f"Batch {batch_id} has set nothing aside under number {number}.")
        _refuse_unless_legal(batch, "bring items back into")
        if act.back_at is not None:
            raise InvalidTransition(batch_id, f"bring back no. {number} of", "brought back already")
        returned = quarantined_items.release(act.taken.all(), batch)
        act.back_at, act.back_by = timezone.now(), actor
        act.save(update_fields=["back_at", "back_by"])
        why = f"{quantity(sum(returned.values()), 'item')} brought back. {reason}".strip()
        transitions.record(batch, "bring back", batch.status, batch.status, actor=actor, reason=why)
        if returned.get(Item.Status.PENDING) and batch.status == Status.COMPLETED:
            transitions.move(
                batch_id, Status.QUEUED, verb="bring back", from_=(Status.COMPLETED,), actor=actor, reason=why
            )
        transaction.on_commit(partial(waking.wake, batch_id))
    return act


def _refuse_unless_legal(batch: Batch, verb: str) -> None:
    if batch.status not in LEGAL or not batch.processor:
        raise InvalidTransition(batch.pk, verb, Batch.Status(batch.status).label)
