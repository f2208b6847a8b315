"""A batch's row, and its last item's place, as workers read them several times a turn."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from batches.compiled_query import CompiledQuery, CompiledRows
from batches.models import Batch, Item, Milestone

BY_ID = CompiledRows(Batch, lambda batch_ids: Batch.objects.filter(pk__in=batch_ids).order_by())


def in_status(batch_ids: list[str], statuses: list[str], *, waits: bool = True) -> QuerySet[Batch]:
    skips = not waits and connection.features.has_select_for_update_skip_locked
    rows = Batch.objects.select_for_update(skip_locked=skips)
    return rows.filter(pk__in=batch_ids, status__in=statuses).order_by()


IN_STATUS = CompiledRows(Batch, in_status)
IN_STATUS_AT_ONCE = CompiledRows(Batch, partial(in_status, waits=False))


def ends(batch_ids: list[str]) -> QuerySet[Batch, tuple[Any, ...]]:
    last = Item.objects.filter(batch=OuterRef("pk")).order_by("-position").values("position")[:1]
    reached = Milestone.objects.filter(batch=OuterRef("pk")).order_by("-milestone").values("milestone")[:1]
    return Batch.objects.filter(pk__in=batch_ids).order_by().values_list(Subquery(last), Subquery(reached))


ENDS = CompiledQuery(ends)


def batch_or_none(batch_id: str) -> Batch | None:
    return BY_ID.first([batch_id])


def batch_of(batch_id: str) -> Batch:
    """`Batch.DoesNotExist` where there is none."""
    batch = batch_or_none(batch_id)
    if batch is None:
        raise Batch.DoesNotExist(f"No batch {batch_id}.")
    return batch


def locked(batch_id: str, statuses: list[str], *, waits: bool = True) -> Batch | None:
    """The batch, held until the transaction ends, if it has one of these statuses; unless this `waits` for others who
    hold it, none if there are any."""
    return (IN_STATUS if waits else IN_STATUS_AT_ONCE).first([batch_id], statuses)


def ends_of(batch_id: str) -> tuple[int, int]:
    """The last position of the batch's items, -1 without any, and its last milestone reached, 0 without one."""
    last, reached = next(iter(ENDS.rows([batch_id])), (None, None))
    return -1 if last is None else last, reached or 0
