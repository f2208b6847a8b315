"""Milestones: a batch's crossings of 25, 50, 75 and 100 % done, each written once, in the commit that crossed it."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from batches import clock
from batches.lifecycle import deliveries
from batches.models import MILESTONES, Batch, Delivery, Milestone
from batches.signals import milestone_reached


def next_milestone(reached: int) -> float:
    """The percentage of the milestone after `reached`, another percentage; infinity after the last."""
    return next((float(percent) for percent in MILESTONES if percent > reached), float("inf"))


def reach_milestones(batch_id: str, done: int, total: int) -> list[int]:
    """Write each milestone that `done` of `total` items has crossed and nobody wrote before; returns the new ones."""
    crossed = [percent for percent in MILESTONES if done * 100 >= percent * total]
    reached = set(Milestone.objects.filter(batch_id=batch_id).values_list("milestone", flat=True))
    new = [percent for percent in crossed if percent not in reached]
    for percent in new:
        milestone, created = Milestone.objects.get_or_create(batch_id=batch_id, milestone=percent)
        if created:
            announce(milestone, done, total)
    return new


def announce(milestone: Milestone, done: int, total: int) -> None:
    """Queue its deliveries, and send its signal once it is committed."""
    percent, reached_at = milestone.milestone, milestone.reached_at
    data = {"milestone": percent, "reached_at": clock.iso_utc(reached_at), "done": done, "total": total}
    deliveries.queue(milestone.batch_id, Delivery.Event.MILESTONE, data)
    values = {"batch_id": milestone.batch_id, "milestone": percent, "reached_at": reached_at}
    transaction.on_commit(partial(milestone_reached.send_robust, Batch, **values))
