"""Give up: items that wait for their next try are failed now, as their last attempt left them.

Many are given up in several transactions, so that whoever presses another button meanwhile does not wait for them. The
line of history is written with the first and says after each how many are given up by then: where the process dies in
between, the others wait as before, and giving up again takes those.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from batches import clock
from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged
from batches.extensions import registered
from batches.lanes import leases
from batches.lanes.lane_counts import shift_count
from batches.lifecycle import transitions
from batches.models import Batch, Item
from batches.operations.lookups import get_batch
from batches.paging import pages_of
from batches.steps import Steps
from batches.wording import quantity

Status = Batch.Status
ITEMS_PER_STATEMENT = 900
"""SQLite takes few more parameters."""
FEWEST, MOST = {"postgresql": 10_000, "sqlite": 900}, 50_000
"""Items a transaction: the batch's row is held as long."""
LEGAL = (Status.QUEUED, Status.RUNNING, Status.PAUSING, Status.PAUSED, Status.HALTED)


def give_up(batch_id: str, *, actor: str = "", reason: str = "", count: int | None = None) -> int:
    """Fail every item that has been tried and waits for its next try; the rest of the batch goes on.

    Returns the number of items. Refused with `ScopeChanged` if those are not `count`, with `InvalidTransition` where
    the batch does not go on, with `InvalidInput` where nothing waits. An item that is tried while others are given up
    has its outcome; the act ends early where the batch does.
    """
    pks = items_to_give_up(batch_id, count)
    steps = Steps(FEWEST[connection.vendor], MOST)
    with steps.step() as size:
        batch = locked(batch_id)
        refuse_unless_going_on(batch)
        leases.ensure_lanes(batch)
        given_up = fail(batch, pks[:size])
        if not given_up and size >= len(pks):
            raise ScopeChanged(len(pks), 0)
        why = so_far(given_up, pks, size, reason)
        line = transitions.record(batch, "give up", batch.status, batch.status, actor=actor, reason=why)
    done = size
    while done < len(pks):
        steps.rest()
        with steps.step() as size:
            if not may_go_on(batch := locked(batch_id)):
                break
            given_up += fail(batch, pks[done : done + size])
            done += size
            transitions.amend(line, so_far(given_up, pks, done, reason))
    transitions.settle(batch_id)
    return given_up


def items_to_give_up(batch_id: str, count: int | None) -> list[int]:
    """Their ids, or what `give_up` raises."""
    batch = get_batch(batch_id)
    refuse_unless_going_on(batch)
    pks = list(that_wait(Item.objects.filter(batch=batch)).values_list("pk", flat=True))
    if not pks:
        raise InvalidInput("No item waits for its next try: there is nothing to give up.")
    if count not in (None, len(pks)):
        raise ScopeChanged(count or 0, len(pks))
    return pks


def refuse_unless_going_on(batch: Batch) -> None:
    if not may_go_on(batch):
        raise InvalidTransition(batch.pk, "give up items of", Status(batch.status).label)


def locked(batch_id: str) -> Batch:
    return Batch.objects.select_for_update().get(pk=batch_id)


def may_go_on(batch: Batch) -> bool:
    return batch.status in LEGAL and not batch.is_ad_hoc


def that_wait(items: QuerySet[Item]) -> QuerySet[Item]:
    """Those of them that were tried and wait; one in a worker's hands has its outcome first."""
    return items.filter(available_at__gt=clock.now_sql(), status=Item.Status.PENDING, attempts__gt=0).order_by("pk")


def fail(batch: Batch, pks: Sequence[int]) -> int:
    """Fail those of them that still wait, and return how many; whoever records failures hears of it first. They are
    counted by the batch's first lane."""
    now, failed = timezone.now(), 0
    for page in pages_of(pks, ITEMS_PER_STATEMENT):
        still_waiting = that_wait(Item.objects.filter(pk__in=page)).select_for_update(of=("self",))
        items = Item.objects.filter(pk__in=list(still_waiting.values_list("pk", flat=True)))
        for extension in registered():
            extension.items_given_up(batch, items)
        failed += items.update(status=Item.Status.FAILED, failed_at=now, available_at=None, lane=0)
    shift_count(batch, 0, Item.Status.FAILED, failed)
    return failed


def so_far(given_up: int, pks: Sequence[int], done: int, reason: str) -> str:
    """How many are given up, of those that are to be if that is not over; and why."""
    some = f"{given_up:,} of {quantity(len(pks), 'item')}" if done < len(pks) else quantity(given_up, "item")
    return f"{some} given up. {reason}".strip()
