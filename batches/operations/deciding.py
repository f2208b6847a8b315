"""Decide: a person's word on a call of unknown outcome."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from batches.exceptions import InvalidInput, InvalidTransition
from batches.lanes import unknown_outcomes
from batches.lifecycle import transitions
from batches.models import Batch, Item, QuarantinedItem
from batches.operations.lookups import get_batch

DECISIONS = {"succeeded": Item.Status.SUCCEEDED, "failed": Item.Status.FAILED}


def decide(batch_id: str, item_key: str, outcome: str, *, actor: str = "", reason: str = "") -> Item:
    """A person's word on a call whose worker was lost: it "succeeded" or "failed"; written to the batch's history."""
    batch = get_batch(batch_id)
    if outcome not in DECISIONS:
        raise InvalidInput("Say what became of it: succeeded or failed.", {"outcome": ["succeeded or failed."]})
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch.pk)
        item = Item.objects.select_for_update().filter(batch=batch, key=item_key).first()
        if item is None:
            raise InvalidInput(f"There is no item {item_key!r}.", {"item_key": ["Not an item of this batch."]})
        if item.status not in Item.FAILED_STATUSES or item.code != unknown_outcomes.CODE:
            raise InvalidTransition(batch_id, "decide", Item.Status(item.status).label)
        QuarantinedItem.objects.filter(item=item, back_at__isnull=True).update(back_at=timezone.now())
        unknown_outcomes.record_decision(item, DECISIONS[outcome])
        why = f"Item {item_key}: {outcome}." + (f" {reason}" if reason else "")
        transitions.record(batch, "decide", batch.status, batch.status, actor=actor, reason=why)
    return item
