"""Milestones: a batch's crossings of 25, 50, 75 and 100 % done, each written once, in the commit that crossed it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter

from django.db import connection
from django.utils import timezone

from batches.extensions import Extension, notify, registered
from batches.models import MILESTONES, Milestone

WRITE = """
    INSERT INTO batches_milestone (batch_id, milestone, reached_at) VALUES {rows}
    ON CONFLICT (batch_id, milestone) DO NOTHING RETURNING id, milestone
"""


def next_milestone(reached: int) -> float:
    """The percentage of the milestone after `reached`, another percentage; infinity after the last."""
    return next((float(percent) for percent in MILESTONES if percent > reached), float("inf"))


def reach_milestones(batch_id: str, done: int, total: int) -> list[int]:
    """Write each milestone that `done` of `total` items has crossed and nobody wrote before; returns the new ones."""
    crossed = [percent for percent in MILESTONES if done * 100 >= percent * total]
    new = written(batch_id, crossed) if crossed else []
    if new:
        tell_extensions(new, done, total)
    return [milestone.milestone for milestone in new]


def written(batch_id: str, percents: list[int]) -> list[Milestone]:
    """Those that neither this lane nor another wrote before, in their order: one statement decides."""
    now = timezone.now()
    at = connection.ops.adapt_datetimefield_value(now)
    values = [value for percent in percents for value in (batch_id, percent, at)]
    with connection.cursor() as cursor:
        cursor.execute(WRITE.format(rows=", ".join(["(%s, %s, %s)"] * len(percents))), values)
        rows = sorted(cursor.fetchall(), key=itemgetter(1))
    return [Milestone(pk=pk, batch_id=batch_id, milestone=percent, reached_at=now) for pk, percent in rows]


def tell_extensions(reached: Sequence[Milestone], done: int, total: int) -> None:
    """Now, and once they are committed."""
    for extension in registered():
        extension.milestones_recorded(reached, done, total)
        for milestone in reached:
            extension.milestone_recorded(milestone, done, total)
    for milestone in reached:
        notify(partial(tell_of_reached, milestone))


def tell_of_reached(milestone: Milestone, extension: Extension) -> None:
    extension.milestone_reached(milestone)
