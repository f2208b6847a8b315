"""A batch's row, and its last item's place, as workers read them several times a turn."""

from __future__ import annotations

from batches.compiled_query import CompiledQuery, CompiledRows
from batches.models import Batch, Item

BY_ID = CompiledRows(Batch, lambda batch_ids: Batch.objects.filter(pk__in=batch_ids).order_by())
IN_STATUS = CompiledRows(
    Batch,
    lambda batch_ids, statuses: (
        Batch.objects.select_for_update().filter(pk__in=batch_ids, status__in=statuses).order_by()
    ),
)
LAST_POSITION = CompiledQuery(
    lambda batch_ids: Item.objects.filter(batch__in=batch_ids).order_by("-position").values_list("position")[:1]
)


def batch_or_none(batch_id: str) -> Batch | None:
    return BY_ID.first([batch_id])


def batch_of(batch_id: str) -> Batch:
    """`Batch.DoesNotExist` where there is none."""
    batch = batch_or_none(batch_id)
    if batch is None:
        raise Batch.DoesNotExist(f"No batch {batch_id}.")
    return batch


def locked(batch_id: str, statuses: list[str]) -> Batch | None:
    """The batch, held until the transaction ends, if it has one of these statuses."""
    return IN_STATUS.first([batch_id], statuses)


def last_position(batch_id: str) -> int:
    """Of the batch's items; -1 without any."""
    return next((position for (position,) in LAST_POSITION.rows([batch_id])), -1)
