"""`verify`: are the promises kept?"""

from __future__ import annotations

from batches.exceptions import InvalidTransition
from batches.lifecycle import removals
from batches.lifecycle.verification import broken_promises
from batches.models import Batch
from batches.operations.lookups import get_batch


def verify(batch_id: str) -> list[str]:
    """Every broken invariant of the batch, as a sentence; an empty list means that all hold.

    Of an archived batch what held before its items went. `InvalidTransition` while its items are being removed.
    """
    batch = get_batch(batch_id)
    if batch.status in Batch.REMOVING:
        raise InvalidTransition(batch_id, "verify", Batch.Status(batch.status).label)
    if batch.status == Batch.Status.ARCHIVED:
        return removals.summary_of(batch_id).get("broken_promises", [])
    return broken_promises(batch)
