"""One worker's turn at one lane: what both ways of running a batch share.

`runner` runs effects in this database, a chunk a transaction; `external` runs calls to the outside, side by side.
Both claim through the same statements, record under the same fence, and keep the same budget.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.models import Max, Min
from django.utils import timezone

from batches import clock
from batches.engine.pacing import Pacer, wait_until
from batches.engine.statements import Claim, Totals, claim, claim_due, record
from batches.isolation.guard import Isolation
from batches.isolation.time_limits import Watchdog
from batches.keys import PROCESS, key_of
from batches.lanes import counters, leases, outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.lifecycle import hints, quarantined_items, transitions
from batches.models import MILESTONES, Batch, IdempotencyRecord, Item, Milestone
from batches.processors import ItemError, Processor
from batches.signals import item_failed

WINDOW, WIDEST_WINDOW = 1_000, 64_000
RETRIES_EVERY = 1.0
RECONNECT_CAP = 30.0
BUDGET_SAMPLE = 20
GRACE_SECONDS = 5.0  # after its timeout, for an item to give way


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
    watchdog: Watchdog
    cursor: int
    last_position: int
    next_milestone: float
    window: int = WINDOW
    wrapped: bool = False
    alone: int = 0
    tainted: bool = False
    rehearsing: bool = False
    leased_at: float = field(default_factory=monotonic)
    retries_seen_at: float = 0.0
    claimed: list[Claimed] = field(default_factory=list)
    current: Claimed | None = None

    def is_over(self) -> bool:
        return monotonic() >= self.deadline or self.should_stop()


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
        watchdog=Watchdog(batch.item_timeout + GRACE_SECONDS if expendable else None),
        cursor=lease.position,
        last_position=-1 if last is None else last,
        next_milestone=next_milestone(reached),
    )


# -- claiming ---------------------------------------------------------------------------------------------------------


def claim_items(turn: Slice, most: int) -> Claim:
    """The next pending items: retries that are due, looked for once a second, else onwards from the cursor."""
    alone = turn.alone or turn.lease.careful
    limit = 1 if alone else turn.pacer.chunk_size(most)
    if monotonic() >= turn.retries_seen_at + RETRIES_EVERY:
        turn.retries_seen_at = monotonic()
        due = claim_due(turn.lease, limit)
        if due.items:
            turn.retries_seen_at = 0.0
            return due
    return claim(turn.lease, limit, after=turn.cursor, upto=turn.cursor + turn.window)


# -- recording --------------------------------------------------------------------------------------------------------


def record_outcomes(turn: Slice, done: list[Outcome]) -> Totals:
    """Error records, items, idempotency rows and, last, the lane: what commits together."""
    failures = [outcome.failure for outcome in done if outcome.failure is not None]
    if failures:
        item_failed.send(Batch, batch=turn.batch, failures=failures)
    position = max(turn.lease.position, *(outcome.item.position for outcome in done))
    careful = max(0, turn.lease.careful - len(done))
    totals = record(turn.lease, done, position=position, careful=careful, from_status=turn.processor.claims_as)
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
    tally(turn, done)


def tally(turn: Slice, done: list[Outcome]) -> None:
    """Count what was committed, for `/metrics`."""
    took = [(outcome.finished_at - outcome.started_at).total_seconds() for outcome in done if outcome.tried]
    counters.observe("item_seconds", turn.batch.processor, seconds=took)
    if hits := sum(outcome.remembered for outcome in done):
        counters.add("idem_hits", by=hits)


def look_further(turn: Slice) -> bool:
    """After an empty claim: look further on, then once more from the start; False when all was seen."""
    if turn.cursor + turn.window < turn.last_position:
        turn.cursor, turn.window = turn.cursor + turn.window, min(2 * turn.window, WIDEST_WINDOW)
        return True
    if not turn.wrapped:
        turn.cursor, turn.window, turn.wrapped = -1, WINDOW, True
        return True
    return False


def await_retry(turn: Slice) -> bool:
    """Wait for the next retry that will be due; False when there is none."""
    waiting = Item.objects.filter(batch=turn.batch, status=Item.Status.PENDING, available_at__isnull=False)
    due = waiting.aggregate(first=Min("available_at"))["first"]
    if due is None:
        return False
    seconds = max(0.05, (due - clock.now()).total_seconds())
    wait_until(min(monotonic() + seconds, turn.deadline), turn.lease, turn.is_over)
    turn.retries_seen_at = 0.0
    return True


def watch_budget(turn: Slice, totals: Totals) -> None:
    """Halt the batch when its error budget is used up, counted over all lanes."""
    if over_budget(turn.batch, totals):
        turn.batch.refresh_from_db(fields=["max_errors", "max_error_rate"])  # somebody may have raised it
        reason = over_budget(turn.batch, without_asides(turn.batch, totals))
        if reason:
            transitions.move(turn.batch.pk, Batch.Status.HALTED, verb="halt", actor="worker", reason=reason)


def without_asides(batch: Batch, totals: Totals) -> Totals:
    """What a person has set aside is no failure that the budget counts."""
    aside = quarantined_items.count(batch)
    return Totals(totals.done - aside, totals.failed - aside)


def over_budget(batch: Batch, totals: Totals) -> str:
    """Why the batch must halt; empty while it may go on."""
    reason = ""
    if batch.max_errors is not None and totals.failed > batch.max_errors:
        reason = f"{totals.failed:,} items failed; the budget is {batch.max_errors:,}."
    elif batch.max_error_rate is not None and totals.done >= BUDGET_SAMPLE:
        rate = 100 * totals.failed / totals.done
        if rate > batch.max_error_rate:
            reason = f"{totals.failed:,} of {totals.done:,} items failed ({rate:.1f} %)"
            reason += f"; the budget is {batch.max_error_rate:g} %."
    return reason


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
        params=turn.batch.params,
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
        expires_at__gt=clock.now_sql(),
    ).first()
    if known is None:
        return None
    outcome = outcomes.succeeded(item, known.response, timezone.now())
    outcome.remembered, outcome.tried = True, False
    return outcome


# -- when the database was away ---------------------------------------------------------------------------------------


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
