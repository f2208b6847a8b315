"""Set items aside, and bring them back: the operator's two verbs for what should not run."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from batches import tasks
from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged, UnknownBatch
from batches.lanes import leases
from batches.lifecycle import quarantined_items, scopes, transitions
from batches.models import Aside, Batch, Item

S = Batch.Status
LEGAL = (S.PENDING, S.QUEUED, S.RUNNING, S.PAUSING, S.PAUSED, S.HALTED, S.COMPLETED)


def set_aside(
    batch_id: str, *, actor: str = "", reason: str = "", count: int | None = None, key: str = "", **scope: Any
) -> Aside:
    """Quarantine items that failed or wait, so that nothing runs or retries them; the rest of the batch goes on.

    Refused if it means another number of items than `count`. The same `key` again is the same act.
    """
    name, wanted = scopes.chosen(scope, "set aside")
    batch = _batch(batch_id)
    condition = scopes.waiting_too(batch, name, wanted)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if key and (known := batch.asides.filter(key=key).first()):
            return known
        _refuse_unless_legal(batch, "set items aside in")
        leases.ensure_lanes(batch)
        number = (batch.asides.aggregate(last=Max("number"))["last"] or 0) + 1
        made = Aside.objects.create(
            batch=batch, number=number, scope={name: wanted}, key=key, actor=actor, reason=reason
        )
        made.items = quarantined_items.take(made, condition)
        if not made.items:
            raise InvalidInput("No failed or waiting item matches: there is nothing to set aside.")
        if count not in (None, made.items):
            raise ScopeChanged(count or 0, made.items)
        made.save(update_fields=["items"])
        why = f"{made.items:,} items set aside. {reason}".strip()
        transitions.record(batch, "set aside", batch.status, batch.status, actor=actor, reason=why)
    transitions.settle(batch_id)
    return made


def bring_back(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Aside:
    """Undo it: failed items are failed as they were, and those that had waited run, also if the batch was done."""
    batch = _batch(batch_id)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        made = batch.asides.filter(number=number).first() if 0 < number < 2**31 else None
        if made is None:
            raise UnknownBatch(f"Batch {batch_id} has set nothing aside under number {number}.")
        _refuse_unless_legal(batch, "bring items back into")
        if made.back_at is not None:
            raise InvalidTransition(batch_id, f"bring back no. {number} of", "brought back already")
        given = quarantined_items.give_back(made.taken.all(), batch)
        made.back_at, made.back_by = timezone.now(), actor
        made.save(update_fields=["back_at", "back_by"])
        why = f"{sum(given.values()):,} items brought back. {reason}".strip()
        transitions.record(batch, "bring back", batch.status, batch.status, actor=actor, reason=why)
        if given.get(Item.Status.PENDING) and batch.status == S.COMPLETED:
            transitions.move(batch_id, S.QUEUED, verb="bring back", from_=(S.COMPLETED,), actor=actor, reason=why)
        transaction.on_commit(partial(tasks.wake, batch_id))
    return made


def _batch(batch_id: str) -> Batch:
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    return batch


def _refuse_unless_legal(batch: Batch, verb: str) -> None:
    if batch.status not in LEGAL or not batch.processor:
        raise InvalidTransition(batch.pk, verb, Batch.Status(batch.status).label)
