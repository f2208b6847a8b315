"""When the disk of the database is full: nobody's fault, and nothing that trying harder would help."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from django.db import DatabaseError, connection, transaction

from batches.isolation.guard import ChunkLost, TransactionBroken, Uncontained
from batches.lifecycle import full_database, transitions, waiting_for_room
from batches.models import Batch
from batches.no_room import is_full_database

logger = logging.getLogger("batches")

TRY_EVERY = 1.0  # seconds: less than between two sweeps, which would take the lane for a dead worker's

Written = TypeVar("Written")


def is_full(error: BaseException) -> bool:
    """Whether the error is the database's that it has no space left, also where an item swallowed it."""
    cause: BaseException | None = error.error if isinstance(error, Uncontained) else error
    if isinstance(cause, (TransactionBroken, ChunkLost)):
        cause = cause.__cause__
    return isinstance(cause, DatabaseError) and is_full_database(cause)


def pause(batch: Batch) -> None:
    """Let the batch wait for room."""
    to, running, reason = Batch.Status.PAUSING, (Batch.Status.RUNNING,), waiting_for_room.reason_for(batch)
    with transaction.atomic():
        if not transitions.move(batch.pk, to, verb="pause", from_=running, actor="worker", reason=reason):
            return
        waiting_for_room.note_time(batch.pk)
    logger.error("batch %s: %s", batch.pk, reason)


def insist(write: Callable[[], Written], should_stop: Callable[[], bool]) -> Written:
    """Write, and try again every second while the disk is full: what this process holds cannot be given back before.
    The database's error when the process is to end."""
    warned = False
    while True:
        try:
            written = write()
        except DatabaseError as error:
            if not is_full(error) or should_stop() or connection.in_atomic_block:
                raise
            full_database.show(error)
            if not warned:
                logger.error(
                    "the database's disk is full: a worker cannot even write that it stops; it tries until it can"
                )
            warned = True
            sleep(TRY_EVERY)
        else:
            full_database.hide()
            return written
