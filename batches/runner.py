"""The chunk loop: the room to read first.

A lane of a batch is worked on in time slices. A slice takes the lane's lease and then repeats one act: a chunk. A chunk
is one durable transaction in which the next pending items are claimed, each is processed behind its own savepoint, and
what became of them (statuses, idempotency rows, error records, checkpoint) is recorded under the lane's fence. If it
commits, it is done, and if anything at all goes wrong before that, nothing of it ever happened.
"""

from __future__ import annotations

import json
import logging
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import monotonic, sleep

from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connection, transaction
from django.db.models import Max, Min
from django.utils import timezone

from batches import hints, leases, outcomes, transitions
from batches.context import ItemContext
from batches.exceptions import LeaseLost, OperationInProgress, UnknownProcessor
from batches.isolation import ChunkLost, Isolation, Uncontained, kill_if_hung
from batches.keys import PROCESS, key_of
from batches.models import MILESTONES, Batch, IdempotencyRecord, Item, Milestone
from batches.outcomes import Claimed, Outcome
from batches.pacing import Pacer, wait_until
from batches.processors import ItemError, Processor, SkipItem, get
from batches.signals import item_failed
from batches.statements import (
    AlreadyRemembered,
    Claim,
    ItemsMoved,
    Totals,
    claim,
    claim_due,
    claim_one,
    record,
)

logger = logging.getLogger("batches")

SLICE_SECONDS = 30.0
CHUNK_SECONDS = 2.0
LOCK_SECONDS = 0.2  # SQLite's writer lock blocks logins and the pause button
WINDOW, WIDEST_WINDOW = 1_000, 64_000
RETRIES_EVERY = 1.0
RECONNECT_CAP = 30.0
CHUNK_TRIES = 5
TRANSIENT = ("40001", "40P01", "55P03")
BUDGET_SAMPLE = 20
GRACE_SECONDS = 5.0
SHARED_SECONDS = 2.0
IDLE_SECONDS = 0.05


class WorkerCrash(ItemError):
    """The item was in flight at two deaths of its worker."""


def never() -> bool:
    return False


def nothing() -> None:
    return None


@dataclass(slots=True)
class Slice:
    """One worker's turn at one lane. All of it may be forgotten at any moment: the database knows better."""

    batch: Batch
    processor: Processor
    lease: leases.Lease
    deadline: float
    should_stop: Callable[[], bool]
    on_chunk: Callable[[], None]
    expendable: bool
    isolation: Isolation
    pacer: Pacer
    cursor: int
    last_position: int
    next_milestone: float
    window: int = WINDOW
    wrapped: bool = False
    alone: int = 0
    retries_seen_at: float = 0.0
    watched_until: float = 0.0
    claimed: list[Claimed] = field(default_factory=list)
    current: Claimed | None = None

    def is_over(self) -> bool:
        return monotonic() >= self.deadline or self.should_stop()


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
    batch = Batch.objects.get(pk=batch_id)
    processor = processor or find_processor(batch)
    lease = begin(batch, lane) if processor is not None else None
    if processor is None or lease is None:
        return False
    try:
        return work(open_slice(batch, processor, lease, monotonic() + seconds, should_stop, on_chunk, expendable))
    except LeaseLost as lost:
        logger.warning("%s Everything since its last commit is void.", lost)
        return False
    finally:
        kill_if_hung(None)
        leases.release(lease)
        transitions.settle(batch_id)


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


def open_slice(
    batch: Batch,
    processor: Processor,
    lease: leases.Lease,
    deadline: float,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = nothing,
    expendable: bool = False,
) -> Slice:
    last = Item.objects.filter(batch=batch).aggregate(last=Max("position"))["last"]
    reached = Milestone.objects.filter(batch=batch).aggregate(top=Max("milestone"))["top"] or 0
    return Slice(
        batch=batch,
        processor=processor,
        lease=lease,
        deadline=deadline,
        should_stop=should_stop,
        on_chunk=on_chunk,
        expendable=expendable,
        isolation=Isolation(batch.item_timeout),
        pacer=Pacer(batch, lease),
        cursor=lease.position,
        last_position=-1 if last is None else last,
        next_milestone=next_milestone(reached),
    )


def work(turn: Slice) -> bool:
    """Chunk after chunk, until there is nothing to do (False) or the time is up (True)."""
    trouble = 0
    while not turn.is_over():
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
        elif not find_more(turn):
            return False
    return True


# -- the chunk ---------------------------------------------------------------------------------------------------------


def run_chunk(turn: Slice) -> int | None:
    """One transaction: claim, process, record. Returns the items recorded; None when the batch is not to run."""
    marked = mark_next(turn) if turn.lease.careful else None
    committed: list[bool] = []
    with turn.isolation.chunk():
        with turn.isolation.reading():
            found = claim_items(turn) if marked is None else claim_one(turn.lease, marked.id)
        turn.claimed = found.items
        if found.status != Batch.Status.RUNNING:
            return None
        if not found.items:
            return 0
        done = process_items(turn, found.items)
        totals = record_chunk(turn, done)
        transaction.on_commit(partial(committed.append, True))
    if not committed:
        raise ChunkLost(ChunkLost.__doc__)
    move_on(turn, done)
    watch_budget(turn, totals)
    return len(done)


def claim_items(turn: Slice) -> Claim:
    """The next pending items: retries that are due, looked for once a second, else onwards from the cursor."""
    alone = turn.alone or turn.lease.careful
    limit = 1 if alone else turn.pacer.chunk_size(turn.batch.checkpoint_every)
    if monotonic() >= turn.retries_seen_at + RETRIES_EVERY:
        turn.retries_seen_at = monotonic()
        due = claim_due(turn.lease, limit)
        if due.items:
            turn.retries_seen_at = 0.0
            return due
    return claim(turn.lease, limit, after=turn.cursor, upto=turn.cursor + turn.window)


def process_items(turn: Slice, items: list[Claimed]) -> list[Outcome]:
    """An outcome for each item, until the chunk's time is up; the rest stays pending."""
    started, done = monotonic(), []
    for item in items:
        done.append(process(turn, item))
        late = monotonic() - started > CHUNK_SECONDS or turn.isolation.held_lock_for() > LOCK_SECONDS
        if late or turn.should_stop():
            break
    return done


def process(turn: Slice, item: Claimed) -> Outcome:
    """Run the processor on one item behind its savepoint: whatever it does becomes an outcome."""
    if item.crashes >= leases.CRASHES_ALLOWED:
        return quarantine(turn, item)
    if turn.alone and (known := remembered(turn, item)) is not None:
        return known
    watch(turn)
    turn.current, started_at = item, outcomes.now()
    context = ItemContext(turn.batch.pk, item.key, item.position, item.attempts + 1, turn.batch.params)
    try:
        payload = json.loads(item.payload_json)
        with turn.isolation.item():
            result = turn.processor.function(payload, context)
            return outcomes.succeeded(item, result, started_at)
    except SkipItem as skip:
        return outcomes.skipped(item, skip.reason, started_at)
    except Uncontained:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            raise
        return fail(turn, item, error, started_at)


def record_chunk(turn: Slice, done: list[Outcome]) -> Totals:
    """Error records, items, idempotency rows and, last, the lane: what commits together."""
    failures = [outcome.failure for outcome in done if outcome.failure is not None]
    if failures:
        item_failed.send(Batch, batch=turn.batch, failures=failures)
    position = max(turn.lease.position, *(outcome.item.position for outcome in done))
    totals = record(turn.lease, done, position=position, careful=max(0, turn.lease.careful - len(done)))
    if totals.done * 100 >= turn.next_milestone * turn.batch.total_items:
        transitions.reach_milestones(turn.batch.pk, totals.done, turn.batch.total_items)
        turn.next_milestone = next_milestone(100 * totals.done // turn.batch.total_items)
    return totals


def move_on(turn: Slice, done: list[Outcome]) -> None:
    """The chunk is committed: remember where the lane stands now."""
    position = max(outcome.item.position for outcome in done)
    turn.lease.position = max(turn.lease.position, position)
    if done[0].item.available_at is None:
        turn.cursor = position
    turn.lease.careful = max(0, turn.lease.careful - len(done))
    turn.alone = max(0, turn.alone - len(done))
    turn.window = WINDOW
    hints.hint(turn.batch.pk)


def find_more(turn: Slice) -> bool:
    """After an empty claim: look further on, then once more from the start, then wait for a retry that will be due."""
    if turn.cursor + turn.window < turn.last_position:
        turn.cursor, turn.window = turn.cursor + turn.window, min(2 * turn.window, WIDEST_WINDOW)
        return True
    if not turn.wrapped:
        turn.cursor, turn.window, turn.wrapped = -1, WINDOW, True
        return True
    waiting = Item.objects.filter(batch=turn.batch, status=Item.Status.PENDING, available_at__isnull=False)
    due = waiting.aggregate(first=Min("available_at"))["first"]
    if due is None:
        return False
    seconds = max(0.05, (due - timezone.now()).total_seconds())
    wait_until(min(monotonic() + seconds, turn.deadline), turn.lease, turn.is_over)
    turn.retries_seen_at = 0.0
    return True


def mark_next(turn: Slice) -> Claimed | None:
    """After an unclean take-over: commit which item is about to run, so that a second death names its culprit."""
    found = claim_items(turn)
    if not found.items:
        return None
    leases.mark_in_flight(turn.lease, found.items[0].id)
    return found.items[0]


def watch(turn: Slice) -> None:
    """An item that survives its timeout is ended with its process, if that is one of a pool; re-armed once a second."""
    if turn.expendable and monotonic() >= turn.watched_until:
        turn.watched_until = monotonic() + 1.0
        kill_if_hung(turn.batch.item_timeout + GRACE_SECONDS)


def watch_budget(turn: Slice, totals: Totals) -> None:
    """Halt the batch when its error budget is used up, counted over all lanes."""
    batch, reason = turn.batch, ""
    if batch.max_errors is not None and totals.failed > batch.max_errors:
        reason = f"{totals.failed:,} items failed; the budget is {batch.max_errors:,}."
    elif batch.max_error_rate is not None and totals.done >= BUDGET_SAMPLE:
        rate = 100 * totals.failed / totals.done
        if rate > batch.max_error_rate:
            reason = f"{totals.failed:,} of {totals.done:,} items failed ({rate:.1f} %)"
            reason += f"; the budget is {batch.max_error_rate:g} %."
    if reason:
        transitions.move(batch.pk, Batch.Status.HALTED, verb="halt", actor="worker", reason=reason)


def next_milestone(reached: int) -> float:
    return next((float(mark) for mark in MILESTONES if mark > reached), float("inf"))


# -- outcomes that no processor returned -------------------------------------------------------------------------------


def fail(turn: Slice, item: Claimed, error: BaseException, started_at: datetime) -> Outcome:
    return outcomes.failed(
        item,
        error,
        processor=turn.processor,
        max_attempts=turn.batch.max_attempts,
        started_at=started_at,
        worker=turn.lease.worker,
    )


def quarantine(turn: Slice, item: Claimed) -> Outcome:
    """Set aside an item that was in flight when its worker died, twice."""
    message = f"Its worker died {item.crashes} times while it was being processed; it is set aside."
    error = WorkerCrash(message, code="WORKER_CRASH", category="crash", retryable=False)
    outcome = fail(turn, item, error, timezone.now())
    outcome.status = Item.Status.QUARANTINED
    return outcome


def remembered(turn: Slice, item: Claimed) -> Outcome | None:
    """The response of an earlier doing under the same idempotency key, if there was one."""
    known = IdempotencyRecord.objects.filter(
        key=key_of(turn.batch.pk, item.key, PROCESS),
        state=IdempotencyRecord.State.DONE,
        expires_at__gt=leases.now_sql(),
    ).first()
    if known is None:
        return None
    outcome = outcomes.succeeded(item, known.response, timezone.now())
    outcome.remembered, outcome.tried = True, False
    return outcome


# -- when a chunk did not commit ---------------------------------------------------------------------------------------


def recover(turn: Slice, error: Exception, trouble: int) -> None:
    """Nothing in memory is believed any more. One item a transaction finds the culprit, if it was an item's fault."""
    logger.warning("batch %s, lane %d: chunk rolled back: %s", turn.batch.pk, turn.lease.lane, error)
    culprit = turn.claimed[0] if len(turn.claimed) == 1 else None
    if isinstance(error, Uncontained):
        culprit = turn.current if error.by_item else None
    reconnect(turn)
    turn.cursor = turn.lease.position
    if trouble < CHUNK_TRIES and (isinstance(error, ItemsMoved) or is_transient(error)):
        sleep(random.uniform(0, min(1.0, 0.05 * 2**trouble)))  # noqa: S311
    elif culprit is not None and is_its_fault(error):
        blame(turn, culprit, error)
    elif trouble >= CHUNK_TRIES and (culprit is None or not is_its_fault(error)):
        raise error
    turn.alone = max(turn.alone, len(turn.claimed))


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
            record_chunk(turn, [fail(turn, found.items[0], cause, timezone.now())])


def reconnect(turn: Slice) -> None:
    """Have a working connection again, however long the database is away; then the fence decides."""
    tries = 0
    while True:
        try:
            if connection.connection is not None and not connection.is_usable():
                connection.close()
            connection.ensure_connection()
            leases.renew(turn.lease)
            return
        except AnyDatabaseError:
            connection.close()
            if turn.is_over():
                raise
            tries += 1
            sleep(random.uniform(0, min(RECONNECT_CAP, 0.1 * 2**tries)))  # noqa: S311


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
