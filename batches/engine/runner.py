"""The chunk loop: the room to read first.

A lane of a batch is worked on in time slices. A slice takes the lane's lease and then repeats one act: a chunk. A chunk
is one durable transaction in which the next pending items are claimed, each is processed behind its own savepoint, and
what became of them (statuses, idempotency rows, error records, checkpoint) is recorded under the lane's fence. If it
commits, it is done, and if anything at all goes wrong before that, nothing of it ever happened.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from time import monotonic, sleep

from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from batches import clock
from batches.engine import code_versions, disk_full, external
from batches.engine.context import ItemContext
from batches.engine.slices import (
    Slice,
    await_retry,
    claim_items,
    fail,
    look_further,
    move_on,
    never,
    nothing,
    open_slice,
    quarantine,
    reconnect,
    record_outcomes,
    remembered,
    watch_budget,
)
from batches.engine.statements import AlreadyRemembered, ItemsMoved, claim_one
from batches.exceptions import LeaseLost, NestedRun, OperationInProgress, UnknownProcessor
from batches.isolation.guard import ChunkLost, Uncontained
from batches.lanes import counters, leases, outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.lifecycle import transitions
from batches.models import Batch
from batches.processors import Processor, SkipItem, get

logger = logging.getLogger("batches")

SLICE_SECONDS = 30.0
CHUNK_SECONDS = 2.0
LOCK_SECONDS = 0.2  # SQLite's writer lock blocks logins and the pause button
CHUNK_TRIES = 5
TRANSIENT = ("40001", "40P01", "55P03")
SHARED_SECONDS = 2.0
IDLE_SECONDS = 0.05


# -- the slice ---------------------------------------------------------------------------------------------------------


def work_slice(
    batch_id: str,
    lane: int | None = None,
    *,
    seconds: float = SLICE_SECONDS,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = nothing,
    expendable: bool = False,
    processor: Processor | None = None,
) -> bool:
    """Work on a free lane of the batch for a while; True when time ran out before the work did.

    `expendable`: this process may be killed to end an item that survives its timeout. `processor` is for an ad hoc
    batch, whose processor has no name.
    """
    refuse_nesting()
    batch = Batch.objects.get(pk=batch_id)
    processor = processor or find_processor(batch)
    if processor is None:
        return False
    code_versions.note(batch, processor)
    lease = begin(batch, lane)
    if lease is None:
        return False
    turn = open_slice(batch, processor, lease, monotonic() + seconds, should_stop, on_chunk, expendable)
    unfinished = released = False
    try:
        with turn.watchdog:
            unfinished = work(turn) if processor.effects == "database" else external.work(turn)
    except LeaseLost as lost:
        logger.warning("%s Everything since its last commit is void.", lost)
        counters.add("fence_rejections")
    finally:
        leases.release(lease)
        released = transitions.settle(batch_id)
        counters.flush()
        if turn.tainted and expendable:
            os._exit(1)  # a call that could not be ended lives in this process: it must not go on
    return unfinished or released


def refuse_nesting() -> None:
    """Chunks commit; within somebody's transaction, say an item's, they could not."""
    if connection.in_atomic_block:
        raise NestedRun(NestedRun.__doc__)


def find_processor(batch: Batch) -> Processor | None:
    """The batch's processor; without one the batch has FAILED."""
    try:
        return get(batch.processor)
    except UnknownProcessor as unknown:
        transitions.move(batch.pk, Batch.Status.FAILED, verb="fail", actor="worker", reason=str(unknown))
        return None


def begin(batch: Batch, lane: int | None) -> leases.Lease | None:
    """Take a lane; the first one taken makes the batch RUNNING."""
    leases.revoke_expired(batch.pk)
    leases.ensure_lanes(batch)
    lease = leases.take(batch, lane)
    if lease is not None and batch.status == Batch.Status.QUEUED:
        transitions.move(batch.pk, Batch.Status.RUNNING, verb="run", from_=(Batch.Status.QUEUED,), actor="worker")
    return lease


def work(turn: Slice) -> bool:
    """Chunk after chunk, until there is nothing to do (False) or the time is up (True)."""
    trouble = 0
    while not turn.is_over():
        if turn.pacer.due > monotonic():
            turn.watchdog.call_off()
            turn.pacer.wait(turn.is_over)
        try:
            done = run_chunk(turn)
        except (AnyDatabaseError, Uncontained, AlreadyRemembered, ItemsMoved) as error:
            trouble += 1
            recover(turn, error, trouble)
            continue
        trouble = 0
        turn.pacer.let_others_write(turn.isolation.locked_for)
        if done is None:
            return False
        if done:
            turn.pacer.done(done)
            turn.on_chunk()
        elif not look_further(turn):
            turn.watchdog.call_off()
            if not await_retry(turn):
                return False
    return True


# -- the chunk ---------------------------------------------------------------------------------------------------------


def run_chunk(turn: Slice) -> int | None:
    """One transaction: claim, process, record. Returns the items recorded; None when the batch is not to run."""
    marked = mark_next(turn) if turn.lease.careful else None
    began = monotonic()
    committed: list[bool] = []
    with turn.isolation.chunk():
        with turn.isolation.reading():
            found = (
                claim_items(turn, turn.batch.checkpoint_every) if marked is None else claim_one(turn.lease, marked.id)
            )
        turn.claimed = found.items
        if found.status != Batch.Status.RUNNING:
            return None
        if not found.items:
            return 0
        done = process_items(turn, found.items)
        totals = record_outcomes(turn, done)
        transaction.on_commit(partial(committed.append, True))
    if not committed:
        raise ChunkLost(ChunkLost.__doc__) from turn.isolation.refused
    counters.observe("chunk_commit_seconds", turn.batch.processor, seconds=[monotonic() - began])
    move_on(turn, done)
    watch_budget(turn, totals)
    return len(done)


def process_items(turn: Slice, items: list[Claimed]) -> list[Outcome]:
    """An outcome for each item, until the chunk's time is up or one has changed the session; the rest stays pending."""
    started, done = monotonic(), []
    for item in items:
        done.append(process(turn, item))
        late = monotonic() - started > CHUNK_SECONDS or turn.isolation.held_lock_for() > LOCK_SECONDS
        if late or turn.isolation.session_changed or turn.should_stop():
            break
    return done


def process(turn: Slice, item: Claimed) -> Outcome:
    """Run the processor on one item behind its savepoint: whatever it does becomes an outcome."""
    if item.crashes >= leases.CRASHES_ALLOWED:
        return quarantine(turn, item)
    if turn.alone and (known := remembered(turn, item)) is not None:
        return known
    turn.watchdog.watch()
    turn.current, started_at = item, clock.machine_now()
    context = ItemContext(
        turn.batch.pk, item.key, item.position, item.attempts + 1, turn.batch.params, rehearsing=turn.rehearsing
    )
    try:
        payload = json.loads(item.payload_json)
        with turn.isolation.item():
            result = copy_context().run(turn.processor.function, payload, context)
            return outcomes.succeeded(item, result, started_at)
    except SkipItem as skip:
        return outcomes.skipped(item, skip.reason, started_at)
    except Uncontained:
        raise
    except BaseException as error:
        if disk_full.is_full(error):
            raise Uncontained(error, by_item=False) from error
        if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            raise
        return fail(turn, item, error, started_at)


def mark_next(turn: Slice) -> Claimed | None:
    """After an unclean take-over: commit which item is about to run, so that a second death names its culprit."""
    found = claim_items(turn, 1)
    if not found.items:
        return None
    leases.mark_in_flight(turn.lease, found.items[0].id)
    return found.items[0]


# -- when a chunk did not commit ---------------------------------------------------------------------------------------


def recover(turn: Slice, error: Exception, trouble: int) -> None:
    """Nothing in memory is believed any more. One item a transaction finds the culprit, if it was an item's fault."""
    turn.watchdog.call_off()
    logger.warning("batch %s, lane %d: chunk rolled back: %s", turn.batch.pk, turn.lease.lane, one_line(error))
    counters.add("chunk_retries", kind_of(error))
    culprit = turn.claimed[0] if len(turn.claimed) == 1 else None
    if isinstance(error, Uncontained):
        culprit = turn.current if error.by_item else None
    reconnect(turn)
    turn.cursor = turn.lease.position
    if disk_full.is_full(error):
        disk_full.pause(turn.batch.pk)
        return
    if trouble < CHUNK_TRIES and (isinstance(error, ItemsMoved) or is_transient(error)):
        sleep(random.uniform(0, min(1.0, 0.05 * 2**trouble)))  # noqa: S311
    elif culprit is not None and is_its_fault(error):
        blame(turn, culprit, error)
    elif trouble >= CHUNK_TRIES and (culprit is None or not is_its_fault(error)):
        raise error
    turn.alone = max(turn.alone, len(turn.claimed))


def one_line(error: Exception) -> str:
    """The first line of what a driver says; some say it all again for every address they tried."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def kind_of(error: Exception) -> str:
    """The SQLSTATE of a database's refusal; "connection" when it was lost, so that a commit may have happened."""
    if isinstance(error, AnyDatabaseError):
        state = getattr(error.__cause__, "pgcode", None)
        return str(state) if state else "connection" if connection.vendor == "postgresql" else "locked"
    return type(error).__name__


def is_transient(error: Exception) -> bool:
    """Another transaction was in the way; the same chunk may succeed the next time."""
    state = getattr(error.__cause__, "pgcode", None)
    return state in TRANSIENT or (isinstance(error, OperationalError) and "locked" in str(error))


def is_its_fault(error: Exception) -> bool:
    """Whether an item can have caused this; a database that is full, gone or read-only is nobody's fault."""
    return is_transient(error) or not isinstance(error, OperationalError)


def blame(turn: Slice, item: Claimed, error: Exception) -> None:
    """Record the failure of an item whose own transaction could not be committed."""
    cause = error.error if isinstance(error, Uncontained) else error
    if isinstance(error, AlreadyRemembered):
        cause = OperationInProgress("The same operation on this item is being done elsewhere at this moment.")
    with turn.isolation.chunk():
        with turn.isolation.reading():
            found = claim_one(turn.lease, item.id)
        if found.items:
            record_outcomes(turn, [fail(turn, found.items[0], cause, timezone.now())])


# -- working without Celery --------------------------------------------------------------------------------------------


def work_until_idle(
    batch_id: str | None = None,
    *,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = nothing,
) -> None:
    """Work in this process until that batch is at rest, or until no batch is left that could go on."""
    while not should_stop():
        leases.expire_dead_workers()
        leases.revoke_expired()
        active = Batch.objects.filter(status__in=Batch.ACTIVE).exclude(processor="").order_by("created_at")
        batches = list(active if batch_id is None else active.filter(pk=batch_id))
        if not batches:
            return
        seconds = SLICE_SECONDS if len(batches) == 1 else SHARED_SECONDS
        for batch in batches:
            work_slice(batch.pk, seconds=seconds, should_stop=should_stop, on_chunk=on_chunk)
            transitions.settle(batch.pk)
        on_chunk()
        sleep(IDLE_SECONDS)
