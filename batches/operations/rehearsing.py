"""Rehearse: ask for a run of which everything is rolled back."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from batches import processors, waking
from batches.engine import rehearsals
from batches.exceptions import InvalidInput, InvalidTransition
from batches.lifecycle import scopes
from batches.models import Batch, Rehearsal
from batches.operations.lookups import get_batch

REHEARSABLE = (Batch.Status.PENDING, *Batch.AT_REST)
LARGEST_SAMPLE = 10_000


def rehearse(
    batch_id: str, *, sample: int | None = None, actor: str = "", wake: bool = True, **scope: Any
) -> Rehearsal:
    """Run what would run, or `sample` items of it chosen at random, and roll everything back.

    `scope` names failed items as for a retry. With `wake` a worker does it; without, the caller does.
    """
    batch = get_batch(batch_id)
    if batch.status not in REHEARSABLE or not batch.processor:
        raise InvalidTransition(batch_id, "rehearse", Batch.Status(batch.status).label)
    if sample is not None and (type(sample) is not int or not 1 <= sample <= LARGEST_SAMPLE):
        message = f"From 1 to {LARGEST_SAMPLE:,} items."
        raise InvalidInput(f"sample: {message}", {"sample": [message]})
    chosen = {name: value for name, value in scope.items() if value not in (None, "", [], False)}
    rehearsal = rehearsals.create(
        batch, sample=sample, condition=failed_items(batch, chosen), scope=chosen, actor=actor
    )
    if wake:
        transaction.on_commit(partial(waking.enqueue_rehearsal, rehearsal.pk))
    return rehearsal


def failed_items(batch: Batch, scope: dict[str, Any]) -> Q:
    """The condition of the scope's failed items; without a scope, of all items."""
    if not scope:
        return Q()
    name, value = scopes.only_scope(scope, "rehearse")
    return scopes.condition(batch, name, value) & Q(failed_at__isnull=False)


def may_rehearse(batch: Batch) -> bool:
    """Whether a rehearsal of the batch would be accepted now, and would run any item."""
    if not batch.processor or batch.status not in REHEARSABLE:
        return False
    return processors.can_rehearse(batch.processor) and rehearsals.is_any_eligible(batch)
