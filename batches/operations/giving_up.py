"""Give up: items that wait for their next try are failed now, as their last attempt left them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from django.db import transaction
from django.utils import timezone

from batches import clock
from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged
from batches.extensions import registered
from batches.lanes import leases
from batches.lanes.lane_counts import shift_count
from batches.lifecycle import transitions
from batches.lifecycle.waiting_items import waiting_items
from batches.models import Batch, Item
from batches.operations.lookups import get_batch
from batches.wording import quantity

Status = Batch.Status
ITEMS_PER_STATEMENT = 900
"""SQLite takes few more parameters."""
LEGAL = (Status.QUEUED, Status.RUNNING, Status.PAUSING, Status.PAUSED, Status.HALTED)


def give_up(batch_id: str, *, actor: str = "", reason: str = "", count: int | None = None) -> int:
    """Fail every item that has been tried and waits for its next try; the rest of the batch goes on.

    Returns the number of items. Refused with `ScopeChanged` if those are not `count`, with `InvalidTransition` where
    the batch does not go on, with `InvalidInput` where nothing waits.
    """
    batch = get_batch(batch_id)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.status not in LEGAL or batch.is_ad_hoc:
            raise InvalidTransition(batch_id, "give up items of", Status(batch.status).label)
        leases.ensure_lanes(batch)
        pks = items_to_give_up(batch)
        if not pks:
            raise InvalidInput("No item waits for its next try: there is nothing to give up.")
        if count not in (None, len(pks)):
            raise ScopeChanged(count or 0, len(pks))
        fail(batch, pks)
        why = f"{quantity(len(pks), 'item')} given up. {reason}".strip()
        transitions.record(batch, "give up", batch.status, batch.status, actor=actor, reason=why)
    transitions.settle(batch_id)
    return len(pks)


def items_to_give_up(batch: Batch) -> list[int]:
    """Those that wait, locked: one in a worker's hands has its outcome first."""
    waiting = waiting_items(batch.pk, clock.now_sql()).filter(status=Item.Status.PENDING, attempts__gt=0)
    return list(waiting.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))


def fail(batch: Batch, pks: Sequence[int]) -> None:
    """Counted by the batch's first lane; whoever records failures hears of it first."""
    now = timezone.now()
    for _, page in groupby(enumerate(pks), key=lambda numbered: numbered[0] // ITEMS_PER_STATEMENT):
        page_pks = [pk for _, pk in page]
        items = Item.objects.filter(pk__in=page_pks)
        for extension in registered():
            extension.items_given_up(batch, items)
        items.update(status=Item.Status.FAILED, failed_at=now, available_at=None, lane=0)
    shift_count(batch, 0, Item.Status.FAILED, len(pks))
