"""Batches that a script counts by hand: how they begin, move on, and end.

What a script counts has no row of its own; what a checkpoint names or `resume_from_checkpoint` runs has one, and lane
0 counts both. While somebody resumes the batch, the engine counts its items, and increments add nothing.

Whoever writes here holds the batch's row, so that exactly one of them crosses each milestone and the end.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from batches import adhoc, arguments
from batches.compiled_query import CompiledQuery
from batches.exceptions import BatchCancelled, InvalidInput, InvalidTransition, UnknownBatch
from batches.lanes import leases
from batches.lanes.lane_counts import COUNTERS, counters_of
from batches.lifecycle import milestones, samples, transitions
from batches.models import MILESTONES, Batch, Checkpoint, Item, Milestone
from batches.wording import quantity_have
from batches.worker_names import worker_name

Status = Batch.Status
ACTOR = "python"
"""Who acts, in the history of a batch that a script drives."""
STEERED = (Status.PAUSING, Status.PAUSED, Status.CANCELLING)
"""A person's word, which no script takes back by beginning anew."""
BATCH = [field.attname for field in Batch._meta.concrete_fields]
LANE = [field.attname for field in Checkpoint._meta.concrete_fields]


# -- beginning ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def begin(batch_id: str, total_items: int) -> None:
    """Count the batch anew; items of its checkpoint stay counted. Nothing changes while somebody resumes it."""
    batch = adhoc.locked_batch(batch_id)
    adhoc.refuse_processor(batch)
    free_lane(batch.pk)
    if leases.held_lanes(batch.pk).exists():
        return
    lane = adhoc.lane_for(batch)
    Checkpoint.objects.filter(pk=lane.pk).update(succeeded_by_hand=0, failed_by_hand=0)
    Milestone.objects.filter(batch=batch).delete()
    Batch.objects.filter(pk=batch.pk).update(
        total_items=total_items, started_at=None, running_since=None, active_seconds=0, reason=""
    )
    batch.total_items = total_items
    adhoc.recount(batch)
    run(batch)


def run(batch: Batch) -> None:
    """RUNNING from now on, unless a person has paused it. The caller holds the batch's row."""
    if batch.status in STEERED:
        return
    if batch.status != Status.RUNNING:
        transitions.move(batch.pk, Status.RUNNING, verb="start", actor=ACTOR)
        return
    now = timezone.now()
    Batch.objects.filter(pk=batch.pk).update(running_since=now, started_at=now)
    batch.refresh_from_db()
    samples.begin_stretch(batch, now, done=sum(counters_of(batch.pk).values()))
    transitions.record(batch, "start", Status.RUNNING, Status.RUNNING, actor=ACTOR)


def free_lane(batch_id: str) -> None:
    """Take the batch's lane from a script that died while it resumed."""
    leases.expire_dead_workers()
    leases.revoke_expired(batch_id)


# -- counting ----------------------------------------------------------------------------------------------------------


def count(batch_id: str, column: str, items: int) -> str:
    """Count so many items more in a column of lane 0; returns the batch's status afterwards.

    The first count of a batch begins it. `BatchCancelled` of a cancelled one, once the items are counted.
    """
    with transaction.atomic():
        lane = lane_to_count(batch_id)
        if lane is None:
            return Batch.objects.values_list("status", flat=True).get(pk=batch_id)
        batch = lane.batch
        if getattr(lane, column) + items > arguments.LARGEST_NUMBER:
            most = arguments.LARGEST_NUMBER - getattr(lane, column)
            raise arguments.refused("count", items, f"at most {most:,}, for a batch counts no more than that")
        added = {column: F(column) + items, f"{column}_by_hand": F(f"{column}_by_hand") + items}
        Checkpoint.objects.filter(pk=lane.pk).update(**added, saved_at=timezone.now())
        before = sum(getattr(lane, name) for name in COUNTERS)
        move_on(batch, before, before + items)
    if batch.status == Status.CANCELLED:
        raise BatchCancelled(batch.pk, max(0, batch.total_items - before - items), batch.reason)
    return batch.status


def lane_to_count(batch_id: str) -> Checkpoint | None:
    """Lane 0 with its batch, whose row is locked; None while somebody resumes the batch, who counts then."""
    lane = free_lane_of(batch_id)
    if lane is not None:
        adhoc.refuse_processor(lane.batch)
        return lane
    batch = adhoc.batch_for(batch_id)
    adhoc.refuse_processor(batch)
    if adhoc.lane_for(batch).worker == worker_name():
        return None
    free_lane(batch.pk)
    return free_lane_of(batch_id)


def free_lane_of(batch_id: str) -> Checkpoint | None:
    """Lane 0 with its batch while nobody resumes it; both are locked, the batch first."""
    for row in FREE_LANES.rows([batch_id]):
        batch = Batch.from_db(connection.alias, BATCH, row[: len(BATCH)])
        lane = Checkpoint.from_db(connection.alias, LANE, row[len(BATCH) :])
        lane.batch = batch
        return lane
    return None


def free_lanes(batch_ids: list[str]) -> QuerySet[Batch, tuple[Any, ...]]:
    """Each batch beside its lane 0; made from the batch, so that PostgreSQL locks that before the lane."""
    free = Batch.objects.select_for_update().filter(pk__in=batch_ids, lanes__lane=0, lanes__worker="")
    return free.order_by().values_list(*BATCH, *[f"lanes__{column}" for column in LANE])


FREE_LANES = CompiledQuery(free_lanes)


def done_of(batch: Batch) -> int:
    """Items with an outcome, counted by hand or not."""
    return sum(getattr(adhoc.lane_for(batch), name) for name in COUNTERS)


def move_on(batch: Batch, before: int, after: int) -> None:
    """What follows when so many items have an outcome: a new status, milestones, a larger total.

    A batch whose total was not told ends by `finish` alone. The caller holds the batch's row, which is kept true.
    """
    total = batch.total_items
    if batch.status in (Status.PENDING, Status.QUEUED):
        run(batch)
        batch.refresh_from_db()
    if after > total:
        batch.total_items = after
        Batch.objects.filter(pk=batch.pk).update(total_items=after)
    if before >= total:
        return
    if any(100 * before < percent * batch.total_items <= 100 * after for percent in MILESTONES):
        milestones.reach_milestones(batch.pk, after, batch.total_items)
    if after >= total and transitions.complete(batch, actor=ACTOR):
        batch.refresh_from_db()


# -- ending ------------------------------------------------------------------------------------------------------------


@transaction.atomic
def finish(batch_id: str) -> None:
    """COMPLETED, however many items were counted; a second time nothing happens."""
    batch = Batch.objects.select_for_update().filter(pk=arguments.checked_id(batch_id)).first()
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    adhoc.refuse_processor(batch)
    if batch.status == Status.COMPLETED:
        return
    free_lane(batch.pk)
    refuse_open_items(batch)
    done = done_of(batch)
    if batch.status == Status.CANCELLED:
        raise BatchCancelled(batch.pk, max(0, batch.total_items - done), batch.reason)
    if not transitions.complete(batch, verb="finish", actor=ACTOR, done=done):
        raise InvalidTransition(batch.pk, "finish", Status(batch.status).label)


def refuse_open_items(batch: Batch) -> None:
    """`InvalidInput` while items of the batch wait to be run, or run."""
    waiting = Item.objects.filter(batch=batch, status__in=(Item.Status.PENDING, Item.Status.RUNNING)).count()
    if waiting:
        raise InvalidInput(
            f"Batch {batch.pk} cannot be finished: {waiting:,} of its items have no outcome. "
            "Call resume_from_checkpoint for them, or cancel the batch.",
            {"batch_id": [f"{quantity_have(waiting, 'item')} no outcome."]},
        )
