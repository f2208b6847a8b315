"""When the disk of the database is full: nobody's fault, and nothing that trying harder would help."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from batches.isolation.guard import ChunkLost, TransactionBroken, Uncontained
from batches.lifecycle import transitions
from batches.models import Batch
from batches.no_room import is_full_database

logger = logging.getLogger("batches")

REASON = "storage_full: the database's disk is full. Nothing is lost: free some space, then resume."


def is_full(error: BaseException) -> bool:
    """Whether the error is the database's that it has no space left, also where an item swallowed it."""
    cause: BaseException | None = error.error if isinstance(error, Uncontained) else error
    if isinstance(cause, (TransactionBroken, ChunkLost)):
        cause = cause.__cause__
    return isinstance(cause, DatabaseError) and is_full_database(cause)


def pause(batch_id: str) -> None:
    """Let the batch wait for a person; if even that cannot be written, the next chunk tries it again."""
    to, running = Batch.Status.PAUSING, (Batch.Status.RUNNING,)
    if transitions.move(batch_id, to, verb="pause", from_=running, actor="worker", reason=REASON):
        logger.error("batch %s: %s", batch_id, REASON)
