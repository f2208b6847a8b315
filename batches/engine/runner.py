"""The chunk loop: the room to read first.

A lane of a batch is worked on in time slices. A slice takes the lane's lease and then repeats one act: a chunk. A chunk
is one durable transaction in which the next pending items are claimed, each is processed behind its own savepoint, and
what became of them (statuses, idempotency rows, error records, checkpoint) is recorded under the lane's fence. If it
commits, it is done, and if anything at all goes wrong before that, nothing of it ever happened.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from time import monotonic, sleep

from django.db import Error as AnyDatabaseError

from batches import clock
from batches.engine import declining, disk_full, external
from batches.engine.attempts import ends_run, failed_outcome, quarantined_outcome, remembered_outcomes
from batches.engine.budget import enforce_budget
from batches.engine.chunk_recovery import recover
from batches.engine.claiming import await_retry, claim_items, mark_next, widen_window
from batches.engine.context import context_of
from batches.engine.recording import advance, record_outcomes
from batches.engine.slices import Slice, do_nothing, never, take_slice
from batches.engine.statements import AlreadyRemembered, ItemsMoved, claim_one
from batches.engine.together import process_together
from batches.exceptions import LeaseLost
from batches.isolation.guard import ChunkLost, Uncontained
from batches.lanes import counters, global_pause, leases, outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.lifecycle import schedule, transitions
from batches.models import Batch
from batches.processors import Processor, SkipItem

logger = logging.getLogger("batches")

SLICE_SECONDS = 30.0
LOCK_SECONDS = 0.2  # SQLite's writer lock blocks logins and the pause button
LOOK_UP_SECONDS = 0.2  # between looks whether the batch was paused, within a chunk
SHARED_SECONDS = 2.0  # a slice of one batch while others wait
IDLE_SECONDS = 0.05


def work_slice(
    batch_id: str,
    lane: int | None = None,
    *,
    seconds: float = SLICE_SECONDS,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = do_nothing,
    expendable: bool = False,
    processor: Processor | None = None,
    tally: Counter[str] | None = None,
    gives_way: Callable[[], bool] = never,
) -> bool:
    """Work on a free lane of the batch for a while; True when time ran out before the work did.

    `expendable`: this process may be killed to end an item that survives its timeout. `processor` is for an ad hoc
    batch, whose processor has no name. `tally` counts the outcomes recorded, by status. `gives_way`: whether to
    end between two chunks, for somebody else. `NestedRun` within somebody's transaction.
    """
    slice_ = take_slice(batch_id, lane, seconds, should_stop, on_chunk, expendable, processor)
    if slice_ is None:
        return False
    slice_.tally, slice_.gives_way = Counter() if tally is None else tally, gives_way
    try:
        return work_through(slice_)
    finally:
        counters.flush()


def work_through(slice_: Slice) -> bool:
    """Work on the lane that the slice holds, and give it back; True when time ran out before the work did. What was
    counted meanwhile the caller writes."""
    unfinished = released = False
    try:
        with slice_.watchdog:
            unfinished = work(slice_) if slice_.processor.effects == "database" else external.work(slice_)
    except LeaseLost as lost:
        logger.warning("%s Everything since its last commit is void.", lost)
        counters.add("fence_rejections")
    finally:
        slice_.resources.close()
        disk_full.insist(partial(leases.release, slice_.lease), slice_.should_stop)
        released = disk_full.insist(partial(transitions.settle, slice_.batch.pk), slice_.should_stop)
        if slice_.tainted and slice_.expendable:
            counters.flush()
            os._exit(1)  # a call that could not be ended lives in this process: it must not go on
    return unfinished or released


def work(slice_: Slice) -> bool:
    """Chunk after chunk, until there is nothing to do (False) or the time is up (True)."""
    tries = 0
    while not slice_.is_over():
        if slice_.pacer.due > monotonic():
            slice_.watchdog.call_off()
            slice_.pacer.wait(slice_.is_over)
        try:
            if not slice_.quota.await_items(slice_.batch.checkpoint_every, slice_.is_over, slice_.watchdog.call_off):
                return slice_.is_over()
            recorded = run_chunk(slice_)
        except (AnyDatabaseError, Uncontained, AlreadyRemembered, ItemsMoved) as error:
            slice_.raise_interruption()
            tries += 1
            recover(slice_, error, tries)
            continue
        tries = 0
        slice_.pacer.let_others_write(slice_.isolation.locked_for)
        if recorded is None:
            return False
        if recorded:
            slice_.pacer.done(recorded)
            slice_.on_chunk()
            if slice_.is_all_done():
                return False
        elif not widen_window(slice_) and not await_retry(slice_):
            return False
    return True


# -- the chunk ---------------------------------------------------------------------------------------------------------


def run_chunk(slice_: Slice) -> int | None:
    """One transaction: claim, process, record. Returns the items recorded; None when the batch is not to run."""
    marked = mark_next(slice_) if slice_.lease.careful else None
    began = monotonic()
    committed: list[bool] = []
    with slice_.isolation.chunk():
        with slice_.isolation.reading():
            if marked is None:
                claim = claim_items(slice_, slice_.batch.checkpoint_every)
            else:
                claim = claim_one(slice_.lease, marked.id)
        slice_.claimed, slice_.looked_up_at = claim.items, monotonic()
        if claim.status != Batch.Status.RUNNING:
            return None
        if not claim.items:
            return 0
        processed = process_items(slice_, claim.items)
        slice_.quota.spend(len(processed))
        if not processed:
            slice_.raise_interruption()
        totals = record_outcomes(slice_, processed)
        slice_.isolation.connection.on_commit(partial(committed.append, True))
    if not committed:
        raise ChunkLost(ChunkLost.__doc__) from slice_.isolation.refused
    if len(processed) < len(claim.items):
        counters.add("partial_chunks")
    counters.observe("chunk_commit_seconds", slice_.batch.processor, seconds=[monotonic() - began])
    slice_.done = totals.done
    advance(slice_, processed)
    enforce_budget(slice_, totals, processed)
    slice_.quota.obey(processed)
    slice_.raise_interruption()
    return len(processed)


def process_items(slice_: Slice, items: list[Claimed]) -> list[Outcome]:
    """An outcome for each item, until the chunk is to end; the rest stays pending."""
    if slice_.processor.many and len(items) > 1:
        together = process_together(slice_, items)
        if together is not None:
            return together
    processed = process_one_by_one(slice_, items)
    if slice_.processor.many and len(processed) < len(items) and not slice_.rehearsing:
        slice_.alone = len(items)  # those whose turn did not come are not called together again
    return processed


def process_one_by_one(slice_: Slice, items: list[Claimed]) -> list[Outcome]:
    """Each behind a savepoint of its own."""
    started, processed = monotonic(), list[Outcome]()
    for item in items:
        if processed and ends_early(slice_, started, processed[-1]):
            break
        outcome = process(slice_, item)
        if outcome is None:
            break
        processed.append(outcome)
    return processed


def ends_early(slice_: Slice, started: float, last: Outcome) -> bool:
    """Whether a chunk takes no further item: its time is up, the last one has changed the session, or the run stops.

    A caller's own items are recorded as soon as one has failed.
    """
    isolation = slice_.isolation
    if monotonic() - started > slice_.chunk_seconds or isolation.held_lock_for() > LOCK_SECONDS:
        return True
    if isolation.session_changed or isolation.interruptions.are_due() or slice_.should_stop():
        return True
    return (last.failure is not None and slice_.processor.is_callers) or is_stopped(slice_)


def is_stopped(slice_: Slice) -> bool:
    """Whether somebody has paused or cancelled the batch, or paused everything, since it was claimed: looked up after
    an item that took long, and else now and then."""
    if slice_.rehearsing or monotonic() < slice_.looked_up_at + LOOK_UP_SECONDS:
        return False
    with slice_.isolation.reading():
        goes_on = global_pause.goes_on(slice_.batch.pk)
    slice_.looked_up_at = monotonic()
    return not goes_on


def process(slice_: Slice, item: Claimed) -> Outcome | None:
    """Run the processor on one item behind its savepoint: whatever it does becomes an outcome.

    None when the run is to end instead: what the item did is undone, and it stays pending.
    """
    if item.crashes >= leases.CRASHES_ALLOWED:
        return quarantined_outcome(slice_, item)
    if slice_.alone and (remembered := remembered_outcomes(slice_, [item])):
        return remembered[item.id]
    slice_.watchdog.watch()
    slice_.current, slice_.took, started_at = item, 0.0, clock.machine_now()
    began = monotonic()
    try:
        context = context_of(slice_, item)
        payload = item.payload()
        call = partial(copy_context().run, slice_.processor.run_item, payload, context)
        with slice_.isolation.item():
            result = slice_.isolation.interruptions.run_item(call)
            return outcomes.succeeded(item, result, started_at, slice_.params.sources)
    except SkipItem as skip:
        return outcomes.skipped(item, skip.reason, started_at, slice_.params.sources)
    except Uncontained:
        raise
    except BaseException as error:
        if ends_run(slice_, error):
            return None
        return failed_outcome(slice_, item, error, started_at)
    finally:
        slice_.took = monotonic() - began


# -- working without Celery --------------------------------------------------------------------------------------------


def work_until_idle(
    batch_id: str | None = None,
    *,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = do_nothing,
) -> None:
    """Work in this process until that batch is at rest, or until no batch is left that it could go on with.

    A pause of everything ends it, too: what waits goes on elsewhere when that is lifted.
    """
    declining.by_this_process.clear()
    while not should_stop() and not global_pause.is_on():
        leases.expire_dead_workers()
        leases.revoke_expired()
        schedule.start_due()
        active = Batch.objects.filter(status__in=Batch.ACTIVE).exclude(processor="").order_by("created_at")
        active = active.exclude(pk__in=declining.by_this_process)
        batches = list(active if batch_id is None else active.filter(pk=batch_id))
        if not batches:
            return
        seconds = SLICE_SECONDS if len(batches) == 1 else SHARED_SECONDS
        for batch in batches:
            work_slice(batch.pk, seconds=seconds, should_stop=should_stop, on_chunk=on_chunk)
            transitions.settle(batch.pk)
        on_chunk()
        sleep(IDLE_SECONDS)
