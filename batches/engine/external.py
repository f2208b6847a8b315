"""Calls to the outside, side by side: for processors whose effects are not in this database.

A claim is committed first: its items are RUNNING, their idempotency rows in progress. They run outside any
transaction, in threads of their own or as coroutines of one event loop, and each outcome commits by itself under the
lane's fence. So a call is made at least once, with the same idempotency key at every attempt; a crash repeats only the
calls that were out.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from time import monotonic, sleep

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connection, transaction

from batches import clock
from batches.engine import disk_full
from batches.engine.in_flight_calls import Calls
from batches.engine.slices import (
    Slice,
    await_retry,
    claim_items,
    fail,
    look_further,
    quarantine,
    reconnect,
    record_outcomes,
    tally,
    watch_budget,
)
from batches.engine.statements import AlreadyRemembered, Claim, ItemsMoved
from batches.exceptions import LeaseLost
from batches.isolation.guard import ChunkLost
from batches.keys import PROCESS, key_of
from batches.lanes import leases, outcomes, unknown_outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.lifecycle import hints
from batches.models import Batch, Checkpoint, IdempotencyRecord, Item

logger = logging.getLogger("batches")

LOOK_UP_EVERY = 0.25
RECORD_TRIES = 3


def work(turn: Slice) -> bool:
    """Keep calls going until nothing is left to do (False) or the time is up (True); those out are waited for."""
    calls = Calls(turn)
    done: deque[Outcome] = deque()
    more, trouble = True, 0
    try:
        while more or calls.out or done:
            try:
                more = more and may_begin(turn, calls) and begin_more(turn, calls, done)
                done.extend(calls.finished(0.0 if done else LOOK_UP_EVERY))
                record_all(turn, done)
                keep_lease(turn)
                trouble = 0
            except (AnyDatabaseError, ItemsMoved, AlreadyRemembered) as error:
                trouble += 1
                recover(turn, calls, done, error, trouble)
    finally:
        calls.close()
        turn.isolation.surroundings.restore()
    return turn.is_over()


def may_begin(turn: Slice, calls: Calls) -> bool:
    """Whether another call may be begun; after one that cannot be ended, only what is out is waited for."""
    turn.tainted = turn.tainted or calls.hung
    return not (turn.is_over() or calls.hung)


# -- claiming ----------------------------------------------------------------------------------------------------------


def begin_more(turn: Slice, calls: Calls, done: deque[Outcome]) -> bool:
    """Fill the free room with calls; False when the batch is not to run, or nothing is left of it."""
    room = calls.room(careful=bool(turn.lease.careful))
    if room < 1 or monotonic() < turn.pacer.due:
        return True
    found = hold(turn, room)
    if found.status != Batch.Status.RUNNING:
        return False
    if not found.items:
        return look_further(turn) or bool(calls.out or done) or await_retry(turn)
    known = remembered(turn.batch.pk, found.items)
    for item in found.items:
        if item.crashes >= leases.CRASHES_ALLOWED:
            done.append(quarantine(turn, item))
        elif item.id in known:
            done.append(known[item.id])
        else:
            calls.begin(item)
    turn.pacer.done(len(found.items))
    return True


def hold(turn: Slice, room: int) -> Claim:
    """Commit a claim: its items are this lane's and out, and it is written who is doing them."""
    lease = turn.lease
    with transaction.atomic(durable=True):
        found = claim_items(turn, room)
        if not found.items or found.status != Batch.Status.RUNNING:
            return found
        now = clock.machine_now()
        Item.objects.filter(pk__in=[item.id for item in found.items]).update(
            status=Item.Status.RUNNING, lane=lease.lane, claimed_at=now, started_at=now, available_at=None
        )
        IdempotencyRecord.objects.bulk_create(
            [
                IdempotencyRecord(
                    key=key_of(lease.batch_id, item.key, PROCESS),
                    state=IdempotencyRecord.State.IN_PROGRESS,
                    created_at=now,
                )
                for item in found.items
            ],
            ignore_conflicts=True,
        )
        held = Checkpoint.objects.filter(pk=lease.checkpoint_id, fence=lease.fence)
        alone = found.items[0].id if lease.careful else None
        if not held.update(lease_expires_at=leases.lease_end(), in_flight=alone):
            raise LeaseLost(f"Lane {lease.lane} of batch {lease.batch_id} was taken over.")
    if found.items[0].available_at is None:
        turn.cursor = max(item.position for item in found.items)
    return found


def remembered(batch_id: str, items: list[Claimed]) -> dict[int, Outcome]:
    """What was done before under an item's idempotency key: its response, and no call."""
    keys = {key_of(batch_id, item.key, PROCESS): item for item in items}
    rows = IdempotencyRecord.objects.filter(
        key__in=keys, state=IdempotencyRecord.State.DONE, expires_at__gt=clock.now_sql()
    )
    found = {}
    for row in rows:
        item = keys[str(row.key)]
        outcome = outcomes.succeeded(item, row.response, clock.machine_now())
        outcome.remembered, outcome.tried = True, False
        found[item.id] = outcome
    return found


# -- recording ---------------------------------------------------------------------------------------------------------


def record_all(turn: Slice, done: deque[Outcome]) -> None:
    """Each outcome in a commit of its own, so that a crash repeats no call whose answer was recorded."""
    while done:
        record(turn, done[0])
        done.popleft()


def record(turn: Slice, outcome: Outcome) -> None:
    committed: list[bool] = []
    with transaction.atomic(durable=True):
        totals = record_outcomes(turn, [outcome])
        if outcome.status != Item.Status.SUCCEEDED:
            unknown_outcomes.forget_in_progress(turn.batch.pk, [outcome.item.key])
        transaction.on_commit(partial(committed.append, True))
    if not committed:
        raise ChunkLost(ChunkLost.__doc__)
    turn.lease.position = max(turn.lease.position, outcome.item.position)
    turn.lease.careful = max(0, turn.lease.careful - 1)
    turn.leased_at = monotonic()
    hints.hint(turn.batch.pk)
    tally(turn, [outcome])
    watch_budget(turn, totals)
    turn.on_chunk()


def keep_lease(turn: Slice) -> None:
    """A call may take long: the lane is this worker's as long as it looks after its calls."""
    if monotonic() - turn.leased_at > settings.PORTAL_LEASE_SECONDS / 4:
        leases.renew(turn.lease)
        turn.leased_at = monotonic()


# -- when the database was away, or refused ----------------------------------------------------------------------------


def recover(turn: Slice, calls: Calls, done: deque[Outcome], error: Exception, trouble: int) -> None:
    """The calls out are as they were; what was claimed without a reply was not begun, and is put back."""
    logger.warning("batch %s, lane %d: not recorded: %s", turn.batch.pk, turn.lease.lane, error)
    if connection.in_atomic_block:
        connection.close()
    reconnect(turn)
    if disk_full.is_full(error):
        disk_full.pause(turn.batch.pk)
    sleep(min(1.0, 0.05 * trouble))
    still_out = [*calls.out, *(outcome.item.id for outcome in done)]
    unknown_outcomes.resolve_lost_calls(
        turn.batch.pk, turn.lease.lane, turn.lease.worker, still_out=still_out, begun=False
    )
    if not done:
        return
    status = Item.objects.values_list("status", flat=True).get(pk=done[0].item.id)
    if status != Item.Status.RUNNING:
        done.popleft()  # the commit had happened, only its reply was lost
    elif not isinstance(error, OperationalError) and trouble >= RECORD_TRIES:
        done[0] = fail(turn, done[0].item, error, done[0].started_at)
