"""When a chunk did not commit: nothing in memory is believed any more, and its items are done again one by one."""

from __future__ import annotations

import logging
import random
from functools import partial
from time import sleep

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.utils import timezone

from batches.engine import disk_full
from batches.engine.attempts import failed_outcome
from batches.engine.database_errors import first_line, is_transient, kind_of, may_be_an_items_fault
from batches.engine.recording import record_outcomes
from batches.engine.slices import Slice
from batches.engine.statements import AlreadyRemembered, ItemsMoved, claim_one
from batches.exceptions import ItemTimeout, OperationInProgress
from batches.isolation.guard import Uncontained
from batches.lanes import counters, leases
from batches.lanes.outcomes import Claimed

logger = logging.getLogger("batches")

CHUNK_TRIES = 5
TOO_LONG = (
    "The item ran for {:.0f} s, longer than its limit of {:g} s, and the database has ended its transaction: what it "
    'wrote is undone. A caller\'s own items may take long with effects="external".'
)
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds, before a chunk is tried again
LONGEST_RECONNECT_PAUSE = 30.0  # seconds


def recover(slice_: Slice, error: Exception, tries: int) -> None:
    """Make ready to try a chunk again that failed `tries` times in a row; its error is raised when that is hopeless.

    With one item a transaction the culprit is found, if it was an item's fault.
    """
    slice_.watchdog.call_off()
    logger.warning("batch %s, lane %d: chunk rolled back: %s", slice_.batch.pk, slice_.lease.lane, first_line(error))
    counters.add("chunk_retries", kind_of(error))
    culprit = culprit_of(slice_, error)
    reconnect(slice_)
    slice_.cursor = slice_.lease.position
    if slice_.current is not None and outlasted_its_limit(slice_):
        seconds, slice_.took = slice_.took, 0.0
        blame(slice_, slice_.current, ItemTimeout(TOO_LONG.format(seconds, slice_.isolation.time_limit.seconds)))
        return
    if disk_full.is_full(error):
        disk_full.insist(partial(disk_full.pause, slice_.batch), slice_.should_stop)
        return
    if tries < CHUNK_TRIES and (isinstance(error, ItemsMoved) or is_transient(error)):
        sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries)))  # noqa: S311
    elif culprit is not None and may_be_an_items_fault(error):
        blame(slice_, culprit, error)
    elif tries >= CHUNK_TRIES and (culprit is None or not may_be_an_items_fault(error)):
        raise error
    slice_.alone = max(slice_.alone, len(slice_.claimed))


def outlasted_its_limit(slice_: Slice) -> bool:
    """Whether the item in hand ran longer than it may, in a thread in which nobody can interrupt it. Where it would
    have been interrupted, the whole process was frozen, which is no fault of the item's."""
    return not slice_.isolation.interruptions.possible and slice_.took > slice_.isolation.time_limit.seconds


def culprit_of(slice_: Slice, error: Exception) -> Claimed | None:
    """The only item that can have caused the error; None while there are several, or none is to blame."""
    if isinstance(error, Uncontained):
        return slice_.current if error.by_item else None
    return slice_.claimed[0] if len(slice_.claimed) == 1 else None


def blame(slice_: Slice, culprit: Claimed, error: BaseException) -> None:
    """Record the failure of an item whose own transaction could not be committed."""
    cause = error.error if isinstance(error, Uncontained) else error
    if isinstance(error, AlreadyRemembered):
        cause = OperationInProgress("The same operation on this item is being done elsewhere at this moment.")
    with slice_.isolation.chunk():
        with slice_.isolation.reading():
            claim = claim_one(slice_.lease, culprit.id)
        if claim.items:
            record_outcomes(slice_, [failed_outcome(slice_, claim.items[0], cause, timezone.now())])


def reconnect(slice_: Slice) -> None:
    """Have a working connection again, however long the database is away; then the fence decides.

    `LeaseLost` when the lane is another's by then; the database's error when the slice is over first, or, while its
    disk is full, when the process is to end.
    """

    def is_over(error: AnyDatabaseError) -> bool:
        return slice_.should_stop() if disk_full.is_full(error) else slice_.is_over()

    tries = 0
    while True:
        try:
            if connection.connection is not None and not connection.is_usable():
                connection.close()
            connection.ensure_connection()
            leases.renew(slice_.lease)
            return
        except AnyDatabaseError as error:
            connection.close()
            if is_over(error):
                raise
            tries += 1
            longest = disk_full.TRY_EVERY if disk_full.is_full(error) else LONGEST_RECONNECT_PAUSE
            sleep(random.uniform(0, min(longest, 0.1 * 2**tries)))  # noqa: S311
