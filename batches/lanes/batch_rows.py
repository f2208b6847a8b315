"""A batch's row as workers read it several times a turn."""

from __future__ import annotations

from batches.compiled_query import CompiledRows
from batches.models import Batch

BY_ID = CompiledRows(Batch, lambda batch_ids: Batch.objects.filter(pk__in=batch_ids).order_by())
IN_STATUS = CompiledRows(
    Batch,
    lambda batch_ids, statuses: (
        Batch.objects.select_for_update().filter(pk__in=batch_ids, status__in=statuses).order_by()
    ),
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
