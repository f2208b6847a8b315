"""A slice: one worker's turn at one lane of a batch. It holds the lane's lease and whatever the chunks share.

`runner` works with effects in this database, a chunk a transaction; `external` with calls to the outside, side by side.
Both claim through the same statements, record under the same fence, and keep the same budget.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from django.db import connection, transaction

from batches.engine import code_versions, declining
from batches.engine.pacing import Pacer
from batches.engine.quota_share import QuotaShare
from batches.engine.resources import Resources
from batches.exceptions import NestedRun, UnknownProcessor, UnusableParams
from batches.isolation.guard import Isolation
from batches.isolation.time_limits import Watchdog, legal_item_timeout, longest_item_timeout
from batches.lanes import batch_rows, global_pause, leases
from batches.lanes.outcomes import Claimed
from batches.lifecycle import milestones, transitions
from batches.models import Batch
from batches.processors import Processor, get
from batches.processors.parameters import Params
from batches.processors.stored_params import params_of

CLAIM_WINDOW = 1_000  # positions
CHUNK_SECONDS = 2.0
GRACE_SECONDS = 5.0  # after its timeout, for an item to give way


def never() -> bool:
    """A `should_stop` that never does."""
    return False


def do_nothing() -> None:
    """An `on_chunk` that nobody listens to."""


@dataclass(slots=True)
class Slice:
    """A worker's turn at a lane. All of it may be forgotten at any moment: the database knows better.

    `deadline` is on the monotonic clock. `cursor` is the position after which the next claim looks, within `window`
    positions; `wrapped` when it has begun again at the start. A chunk takes no further item after `chunk_seconds`, so
    that each has its whole time limit before an idle transaction is ended. `alone` items go one a transaction.
    `tainted`: a call that could not be ended lives on in this process, which may be killed if it is `expendable`.
    `took`: seconds of the `current` item. `done`: items of the batch with an outcome, as the last commit left
    them. `looked_up_at`: when the batch's status was read. `tally`: outcomes recorded, by status. `gives_way`: whether
    to end between two chunks, for somebody else.
    """

    batch: Batch
    processor: Processor
    params: Params
    lease: leases.Lease
    deadline: float
    should_stop: Callable[[], bool]
    on_chunk: Callable[[], None]
    isolation: Isolation
    pacer: Pacer
    quota: QuotaShare
    resources: Resources
    watchdog: Watchdog
    chunk_seconds: float
    cursor: int
    last_position: int
    next_milestone: float
    expendable: bool = False
    window: int = CLAIM_WINDOW
    wrapped: bool = False
    alone: int = 0
    tainted: bool = False
    rehearsing: bool = False
    leased_at: float = field(default_factory=monotonic)
    retries_seen_at: float = 0.0
    claimed: list[Claimed] = field(default_factory=list)
    current: Claimed | None = None
    took: float = 0.0
    done: int = 0
    looked_up_at: float = 0.0
    tally: Counter[str] = field(default_factory=Counter)
    gives_way: Callable[[], bool] = never

    def is_over(self) -> bool:
        return monotonic() >= self.deadline or self.should_stop() or self.gives_way()

    def is_all_done(self) -> bool:
        """Whether all items of the batch had an outcome at the last commit; a caller's own run may grow."""
        return self.done >= self.batch.total_items and not self.processor.is_callers

    def ends_run(self, error: BaseException) -> bool:
        """Whether an exception out of an item ends the run: a signal's, Ctrl-C, a caller's own exit or cancellation."""
        interruptions = self.isolation.interruptions
        callers = self.processor.is_callers
        if interruptions.raised is None and (
            (isinstance(error, (KeyboardInterrupt, SystemExit)) and callers)
            or (isinstance(error, CancelledError) and callers and self.should_stop())
            or (isinstance(error, KeyboardInterrupt) and interruptions.come_by_default())
        ):
            interruptions.raised = error
        return interruptions.raised is not None

    def raise_interruption(self) -> None:
        """Raise what is to end the run, if there is anything: Ctrl-C, say."""
        if self.isolation.interruptions.raised is not None:
            raise self.isolation.interruptions.raised


def take_slice(
    batch_id: str,
    lane: int | None,
    seconds: float,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = do_nothing,
    expendable: bool = False,
    processor: Processor | None = None,
    unbegun: bool = False,
) -> Slice | None:
    """Take a free lane of the batch, `lane` or any, for so many seconds; None without one, or if this process
    cannot run the batch, or if it is to be `unbegun` and is not."""
    refuse_nesting()
    batch = batch_rows.batch_of(batch_id)
    if unbegun and batch.status != Batch.Status.QUEUED:
        return None
    try:
        processor = processor or get(batch.processor)
        params = params_of(batch, processor)
    except (UnknownProcessor, UnusableParams) as refused:
        declining.decline(batch, str(refused))
        return None
    declining.accept(batch)
    lease = take_lane(batch, lane, processor)
    if lease is None:
        return None
    slice_ = open_slice(batch, processor, params, lease, monotonic() + seconds, should_stop, on_chunk, expendable)
    if batch.started_at is None:
        slice_.retries_seen_at = monotonic()  # no item was tried before
    return slice_


def refuse_nesting() -> None:
    """`NestedRun` within somebody's transaction, say an item's: chunks could not commit there."""
    if connection.in_atomic_block:
        raise NestedRun(NestedRun.__doc__)


def take_lane(batch: Batch, lane: int | None, processor: Processor | None = None) -> leases.Lease | None:
    """Hold a lane of the batch; the first one held makes the batch RUNNING. The processor's code is noted. One commit,
    since each waits for the disk."""
    if not leases.has_free(batch, lane):
        return None
    with transaction.atomic():
        is_queued = batch.status == Batch.Status.QUEUED
        has_begun = is_queued and begin(batch, processor)
        lease = leases.take_lane(batch, lane, is_held=has_begun)
        if lease is None:
            transaction.set_rollback(True)
            return None
        if is_queued and not has_begun:
            begin(batch, processor)  # whoever held its row meanwhile may have left it as it was
        if processor is not None:
            code_versions.note(batch, processor)
    return lease


def begin(batch: Batch, processor: Processor | None) -> bool:
    """Make it RUNNING, unless somebody else has or holds its row at this moment, or everything is paused; then the row
    is held until the transaction ends."""
    to, queued, goes_on = Batch.Status.RUNNING, (Batch.Status.QUEUED,), ~global_pause.is_in_force()
    code = code_versions.of_batch(batch, processor)
    before = transitions.move(
        batch.pk, to, verb="run", from_=queued, actor="worker", only_if=goes_on, code=code, waits=False
    )
    if before is not None:
        batch.code = before.code or [code] if code else before.code
    return before is not None


def open_slice(
    batch: Batch,
    processor: Processor,
    params: Params,
    lease: leases.Lease,
    deadline: float,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = do_nothing,
    expendable: bool = False,
) -> Slice:
    """`expendable`: this process may be killed to end an item that survives its timeout."""
    item_timeout = legal_item_timeout(batch.item_timeout)
    last_position, reached = batch_rows.ends_of(batch.pk)
    return Slice(
        batch=batch,
        processor=processor,
        params=params,
        lease=lease,
        deadline=deadline,
        should_stop=should_stop,
        on_chunk=on_chunk,
        isolation=Isolation(item_timeout),
        pacer=Pacer(batch, lease),
        quota=QuotaShare(processor, lease),
        resources=Resources(processor),
        watchdog=Watchdog(item_timeout + GRACE_SECONDS if expendable else None),
        chunk_seconds=min(CHUNK_SECONDS, (longest_item_timeout() - item_timeout) / 2),
        cursor=lease.position,
        last_position=last_position,
        next_milestone=milestones.next_milestone(reached),
        expendable=expendable,
    )
