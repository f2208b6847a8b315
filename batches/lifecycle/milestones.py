"""Milestones: a batch's crossings of 25, 50, 75 and 100 % done, each written once, in the commit that crossed it."""

from __future__ import annotations

from operator import itemgetter

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from batches.compiled_query import CompiledQuery
from batches.extensions import notify, registered
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
    for milestone in new:
        tell_extensions(milestone, done, total)
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


def reached_by(batch_ids: list[str]) -> QuerySet[Milestone, tuple[int]]:
    return Milestone.objects.filter(batch__in=batch_ids).order_by().values_list("milestone")


REACHED = CompiledQuery(reached_by)


def reached(batch_id: str) -> set[int]:
    """The milestones of the batch that are written."""
    return {percent for (percent,) in REACHED.rows([batch_id])}


def tell_extensions(milestone: Milestone, done: int, total: int) -> None:
    """Now, and once it is committed."""
    for extension in registered():
        extension.milestone_recorded(milestone, done, total)
    notify(lambda extension: extension.milestone_reached(milestone))
