"""Milestones: a batch's crossings of 25, 50, 75 and 100 % done, each written once, in the commit that crossed it."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from batches.compiled_query import CompiledQuery
from batches.extensions import notify, registered
from batches.models import MILESTONES, Milestone


def next_milestone(reached: int) -> float:
    """The percentage of the milestone after `reached`, another percentage; infinity after the last."""
    return next((float(percent) for percent in MILESTONES if percent > reached), float("inf"))


def reach_milestones(batch_id: str, done: int, total: int) -> list[int]:
    """Write each milestone that `done` of `total` items has crossed and nobody wrote before; returns the new ones."""
    crossed = [percent for percent in MILESTONES if done * 100 >= percent * total]
    written_before = reached(batch_id)
    new = [percent for percent in crossed if percent not in written_before]
    for percent in new:
        if (milestone := written(batch_id, percent)) is not None:
            tell_extensions(milestone, done, total)
    return new


def written(batch_id: str, percent: int) -> Milestone | None:
    """None where another lane wrote it at this moment."""
    try:
        with transaction.atomic():
            return Milestone.objects.create(batch_id=batch_id, milestone=percent)
    except IntegrityError:
        return None


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
