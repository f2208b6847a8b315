"""Calls to the outside, side by side: for processors whose effects are not in this database. Those of a caller's own
run go one after the other in his own thread.

A claim is committed first: its items are RUNNING, their idempotency rows in progress. They run outside any
transaction, in threads or as coroutines of one event loop. The outcomes that are there when the lane looks commit
together under its fence, and none waits for another; the claim of the calls that take their places is part of that
commit. So a call is made at least once, with the same idempotency key at every attempt; a crash repeats only calls that
were out or not recorded yet, never more than run side by side.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from functools import partial
from time import monotonic, sleep

from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connection, transaction

from batches import clock
from batches.conf import settings
from batches.engine import disk_full
from batches.engine.attempts import failed_outcome, quarantined_outcome, remembered_outcome
from batches.engine.budget import enforce_budget
from batches.engine.call_commits import record_and_claim
from batches.engine.call_marks import Marks
from batches.engine.calls_in_turn import CallsInTurn
from batches.engine.chunk_recovery import reconnect
from batches.engine.claiming import await_retry, claim_items, widen_window
from batches.engine.in_flight_calls import InFlightCalls
from batches.engine.recording import count_items, record_outcomes
from batches.engine.slices import Slice
from batches.engine.statements import AlreadyRemembered, Claim, ItemsMoved, Totals
from batches.isolation.guard import ChunkLost
from batches.lanes import leased_rows, leases, unknown_outcomes
from batches.lanes.outcomes import Outcome
from batches.lifecycle import hints
from batches.models import Batch, Checkpoint, Item

logger = logging.getLogger("batches")

Calls = InFlightCalls | CallsInTurn
LOOK_UP_EVERY = 0.25  # seconds
RECORD_TRIES = 3


def work(slice_: Slice) -> bool:
    """Keep calls going until nothing is left to do (False) or the time is up (True); those out are waited for."""
    calls: Calls = CallsInTurn(slice_) if slice_.processor.is_callers else InFlightCalls(slice_)
    done: deque[Outcome] = deque()
    more, failures = True, 0
    try:
        while more or calls.in_flight or done:
            try:
                with calls.uninterrupted():
                    more = more and may_begin(slice_, calls) and begin_calls(slice_, calls, done)
                    done.extend(calls.finished(0.0 if done else LOOK_UP_EVERY))
                    record_all(slice_, calls, done, together=not failures, more=more)
                    keep_lease(slice_)
                slice_.raise_interruption()
                failures = 0
            except (AnyDatabaseError, ItemsMoved, AlreadyRemembered) as error:
                failures += 1
                recover(slice_, calls, done, error, failures)
    finally:
        calls.close()
        slice_.isolation.process_state.restore()
    return slice_.is_over()


def may_begin(slice_: Slice, calls: Calls) -> bool:
    """Whether another call may be begun; after one that cannot be ended, only what is out is waited for."""
    slice_.tainted = slice_.tainted or calls.hung
    return not (slice_.is_over() or calls.hung)


# -- claiming ----------------------------------------------------------------------------------------------------------


def begin_calls(slice_: Slice, calls: Calls, done: deque[Outcome]) -> bool:
    """Begin as many calls as there is room for; False when the batch is not to run, or nothing is left of it."""
    room = calls.room(careful=bool(slice_.lease.careful)) - len(done)  # a kill would repeat those, too
    if room < 1 or monotonic() < slice_.pacer.due:
        return True
    room = slice_.quota.room(len(calls.in_flight), room)
    if room < 1:
        return bool(calls.in_flight or done) or slice_.quota.may_wait()
    claim = claim_calls(slice_, room)
    if claim.status != Batch.Status.RUNNING:
        return False
    if not claim.items:
        return widen_window(slice_) or bool(calls.in_flight or done) or await_retry(slice_)
    begin_claimed(slice_, calls, done, claim)
    return True


def begin_claimed(slice_: Slice, calls: Calls, done: deque[Outcome], claim: Claim) -> None:
    """Begin the calls of a claim that is committed; what needs none is done."""
    items = claim.items
    if items and items[0].available_at is None:
        slice_.cursor = max(item.position for item in items)
    for item in items:
        if item.crashes >= leases.CRASHES_ALLOWED:
            done.append(quarantined_outcome(slice_, item))
        elif item.id in claim.remembered:
            done.append(remembered_outcome(item, json.loads(claim.remembered[item.id])))
        else:
            calls.begin(item)
    slice_.pacer.done(len(items))
    slice_.quota.spend(len(items))


def claim_calls(slice_: Slice, room: int) -> Claim:
    """Commit a claim, before its calls begin: the items are RUNNING in this lane, their keys in progress."""
    lease = slice_.lease
    with transaction.atomic(durable=True):
        claim = mark_calls(slice_, room)
        if claim.items:
            held = Checkpoint.objects.filter(pk=lease.checkpoint_id, fence=lease.fence)
            in_flight = claim.items[0].id if lease.careful else None
            if not leased_rows.keep(held, in_flight=in_flight):
                raise leases.lost(lease)
    return claim


def mark_calls(slice_: Slice, room: int) -> Claim:
    """Claim as many items as there is room for and mark them as calls that are out: RUNNING in this lane, their keys in
    progress. No items unless the batch is running."""
    return claim_items(slice_, room, Marks(clock.machine_now(), with_keys=not slice_.processor.is_callers))


# -- recording ---------------------------------------------------------------------------------------------------------


def record_all(slice_: Slice, calls: Calls, done: deque[Outcome], *, together: bool, more: bool) -> None:
    """The outcomes that are there, in one commit with the claim of the calls that take their places, while there are
    `more`; not `together`, each in its own and without a claim, which tells which is refused."""
    while done:
        group = list(done) if together else [done[0]]
        room = room_beside(slice_, calls, group) if together and more else 0
        totals, claim = record(slice_, group, room)
        for _ in group:
            done.popleft()
        if claim is not None:
            begin_claimed(slice_, calls, done, claim)
        account_for(slice_, group, totals)


def room_beside(slice_: Slice, calls: Calls, group: list[Outcome]) -> int:
    """How many calls may be claimed in the commit of a group. None beside one that failed: what becomes of the batch
    is decided after its commit. None in a caller's own run, or where one goes at a time."""
    if slice_.processor.is_callers or slice_.lease.careful or monotonic() < slice_.pacer.due:
        return 0
    clean = all(outcome.status == Item.Status.SUCCEEDED for outcome in group)
    room = calls.room(careful=False) if clean and may_begin(slice_, calls) else 0
    return slice_.quota.room(len(calls.in_flight), room) if room > 0 else 0


def record(slice_: Slice, group: list[Outcome], room: int = 0) -> tuple[Totals, Claim | None]:
    """Commit the outcomes of a group under the lane's fence, and a claim for so much room: all of it, or none."""
    if room > 0 and (at_once := record_and_claim(slice_, group, room)) is not None:
        return at_once
    committed: list[bool] = []
    with transaction.atomic(durable=True):
        totals = record_outcomes(slice_, group)
        if unfinished := [outcome.item.key for outcome in group if outcome.status != Item.Status.SUCCEEDED]:
            unknown_outcomes.forget_in_progress(slice_.batch.pk, unfinished)
        claim = mark_calls(slice_, room) if room > 0 else None
        transaction.on_commit(partial(committed.append, True))
    if not committed:
        raise ChunkLost(ChunkLost.__doc__)
    return totals, claim


def account_for(slice_: Slice, group: list[Outcome], totals: Totals) -> None:
    """The group is committed: remember where the lane stands now, and let the batch's budget decide."""
    slice_.lease.position = max(slice_.lease.position, *(outcome.item.position for outcome in group))
    slice_.lease.careful = max(0, slice_.lease.careful - len(group))
    slice_.leased_at, slice_.done = monotonic(), totals.done
    hints.hint(slice_.batch.pk)
    count_items(slice_, group)
    enforce_budget(slice_, totals, group)
    slice_.quota.obey(group)
    slice_.on_chunk()


def keep_lease(slice_: Slice) -> None:
    """Renew the lease while calls take long."""
    if monotonic() - slice_.leased_at > settings.PORTAL_LEASE_SECONDS / 4:
        leases.renew(slice_.lease)
        slice_.leased_at = monotonic()


# -- when the database was away, or refused ----------------------------------------------------------------------------


def recover(slice_: Slice, calls: Calls, done: deque[Outcome], error: Exception, failures: int) -> None:
    """After a statement failed: calls in flight go on, and what was claimed but not begun is put back."""
    logger.warning("batch %s, lane %d: not recorded: %s", slice_.batch.pk, slice_.lease.lane, error)
    if connection.in_atomic_block:
        connection.close()
    reconnect(slice_)
    if disk_full.is_full(error):
        disk_full.insist(partial(disk_full.pause, slice_.batch), slice_.should_stop)
        if slice_.should_stop():
            raise error
    sleep(min(1.0, 0.05 * failures))
    still_out = [*calls.in_flight, *(outcome.item.id for outcome in done)]
    unknown_outcomes.resolve_lost_calls(
        slice_.batch.pk, slice_.lease.lane, slice_.lease.worker, still_out=still_out, begun=False
    )
    recorded = drop_recorded(done)
    if done and not recorded and not isinstance(error, OperationalError) and failures >= RECORD_TRIES:
        done[0] = failed_outcome(slice_, done[0].item, error, done[0].started_at)


def drop_recorded(done: deque[Outcome]) -> int:
    """Drop the outcomes whose commit had happened, only its reply was lost; returns how many."""
    waiting = Item.objects.filter(pk__in=[outcome.item.id for outcome in done], status=Item.Status.RUNNING)
    running = set(waiting.values_list("pk", flat=True))
    outcomes = list(done)
    done.clear()
    done.extend(outcome for outcome in outcomes if outcome.item.id in running)
    return len(outcomes) - len(done)
