"""What a worker does with a batch that it cannot run: it leaves it to others, and says so in its row.

In a deployment old and new code run side by side: one knows a processor, or a newer form of its parameters, that the
other does not. Only when a batch has stood still for ten minutes, and no worker heard of within them could run it, it
has FAILED.
"""

from __future__ import annotations

import logging

from django.db.models import Max

from batches import clock
from batches.lanes import workers
from batches.lifecycle import transitions
from batches.models import Batch

logger = logging.getLogger("batches")

by_this_process: set[str] = set()
"""Batches that this process could not run when it last tried."""


def decline(batch: Batch, reason: str) -> None:
    """Leave the batch to others; it has FAILED if there was nobody who could run it for ten minutes."""
    leave(batch, reason)
    if is_hopeless(batch):
        transitions.move(batch.pk, Batch.Status.FAILED, verb="fail", actor="worker", reason=reason)


def leave(batch: Batch, reason: str) -> None:
    """Say that this process cannot run the batch, until it can."""
    if batch.pk not in by_this_process:
        logger.warning("batch %s is left to other workers: %s", batch.pk, reason)
    by_this_process.add(batch.pk)
    workers.decline(batch.pk, reason)


def accept(batch: Batch) -> None:
    """This process can run the batch, whatever it said before."""
    if batch.pk in by_this_process:
        by_this_process.discard(batch.pk)
        workers.accept(batch.pk)


def is_hopeless(batch: Batch) -> bool:
    """Whether the batch has stood still for ten minutes, and no worker heard of within them could run it."""
    moved = batch.transitions.aggregate(at=Max("at"))["at"] or batch.created_at
    saved = batch.lanes.aggregate(at=Max("saved_at"))["at"] or moved
    return clock.now() - max(moved, saved) >= workers.REMEMBERED and not workers.could_run(batch)
