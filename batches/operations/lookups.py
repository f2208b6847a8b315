"""Batches and what is numbered within them, by the names that people use."""

from __future__ import annotations

from batches.exceptions import UnknownBatch
from batches.intake import fixes
from batches.models import BATCH_ID, Batch, Fix, Rehearsal, Retry
from batches.numbering import numbered


def get_batch(batch_id: str) -> Batch:
    """The batch of that id, or `UnknownBatch`."""
    batch = Batch.objects.filter(pk=batch_id).first() if BATCH_ID.match(batch_id) else None
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    return batch


def get_retry(batch_id: str, number: int) -> Retry:
    """The bulk retry of that number, or `UnknownBatch`."""
    retry = numbered(get_batch(batch_id).retries, number)
    if retry is None:
        raise UnknownBatch(f"Batch {batch_id} has no retry {number}.")
    return retry


def get_rehearsal(batch_id: str, number: int) -> Rehearsal:
    """The batch's rehearsal of that number, or `UnknownBatch`."""
    rehearsal = numbered(get_batch(batch_id).rehearsals, number)
    if rehearsal is None:
        raise UnknownBatch(f"Batch {batch_id} has no rehearsal {number}.")
    return rehearsal


def get_fix(batch_id: str, number: int) -> Fix:
    """The batch's fix of that number, or `UnknownBatch`."""
    fix = numbered(fixes.listed(get_batch(batch_id)), number)
    if fix is None:
        raise UnknownBatch(f"Batch {batch_id} has no fix {number}.")
    return fix
