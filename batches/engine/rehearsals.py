"""Rehearse: run a batch's items for real and roll every chunk back; what remains is the report they would have had.

Nothing but the rehearsal's own row is changed. It runs in a worker, like everything that calls processors, in slices:
the row holds how far it has come, and a worker that dies costs one chunk of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from batches.engine import declining, runner
from batches.engine.attempts import WorkerCrash, failed_outcome
from batches.engine.rehearsal_reports import extended
from batches.engine.resources import plain_function
from batches.engine.slices import Slice, do_nothing, never, open_slice, refuse_nesting
from batches.exceptions import InvalidInput, UnknownProcessor, UnusableParams
from batches.isolation import deferred_constraints
from batches.isolation.guard import Uncontained
from batches.lanes import global_pause, leased_rows, leases, outcomes, workers
from batches.lanes.lane_counts import first_pending, is_done
from batches.lanes.outcomes import Claimed, Outcome
from batches.lifecycle import quarantined_items
from batches.models import Batch, Item, Rehearsal
from batches.processors import Processor, get
from batches.processors.stored_params import params_of
from batches.wording import number_agrees, quantity
from batches.worker_names import worker_name

logger = logging.getLogger("batches")

MOST_CHOSEN = 10_000  # items of a scope
RUNNABLE = (Item.Status.PENDING, *Item.FAILED_STATUSES)
WORKER_CRASH = "WORKER_CRASH"


class RollBack(Exception):
    """The end of every rehearsed chunk."""


def eligible(batch: Batch) -> QuerySet[Item]:
    """What a start, a resume or a retry would run; items that kill workers, or are set aside, are left in peace. Where
    the lanes know that every item has an outcome, the index of failed items has them all."""
    return failed_ones(batch) if is_done(batch) else runnable(batch)


def runnable(batch: Batch) -> QuerySet[Item]:
    runs = Item.objects.filter(~quarantined_items.quarantined_by_person(), batch=batch, status__in=RUNNABLE)
    return runs.exclude(code=WORKER_CRASH, status=Item.Status.QUARANTINED)


def failed_ones(batch: Batch) -> QuerySet[Item]:
    return runnable(batch).filter(failed_at__isnull=False)


def is_any_eligible(batch: Batch) -> bool:
    """Whether there is one, looked for where there are few others: what has failed, then behind all lanes."""
    if failed_ones(batch).exists():
        return True
    if is_done(batch):
        return False
    behind = runnable(batch).filter(position__gte=first_pending(batch.pk)).order_by("position").values_list("pk")
    return bool(behind[:1])


def refuse_unrehearsable(batch: Batch) -> Processor:
    processor = get(batch.processor)
    if not processor.can_rehearse:
        raise InvalidInput(
            f"Processor {processor.name} cannot be rehearsed: its effects cannot be rolled back.",
            {"processor": ["It does not declare can_rehearse."]},
        )
    params_of(batch, processor)
    return processor


def create(batch: Batch, *, sample: int | None, condition: Q, scope: dict[str, Any], actor: str) -> Rehearsal:
    """Store a rehearsal of all items, of those of a scope, or of a random sample of them; not run yet."""
    refuse_unrehearsable(batch)
    items = eligible(batch).filter(condition)
    count, chosen = items.count(), None
    if not count:
        raise InvalidInput("No item would run: there is nothing to rehearse.")
    if sample is not None and sample < count:
        chosen = sorted(items.order_by("?").values_list("pk", flat=True)[:sample])
    elif scope:
        if count > MOST_CHOSEN:
            raise InvalidInput(
                f"{quantity(count, 'item')} {number_agrees(count, 'matches', 'match')}; rehearse a sample of "
                f"at most {MOST_CHOSEN:,} of them.",
                {"sample": [f"At most {MOST_CHOSEN:,}."]},
            )
        chosen = sorted(items.values_list("pk", flat=True))
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch.pk)
        number = batch.rehearsals.count() + 1
        return Rehearsal.objects.create(
            batch=batch,
            number=number,
            scope=scope,
            chosen=chosen,
            items=count if chosen is None else len(chosen),
            actor=actor,
        )


# -- the run -----------------------------------------------------------------------------------------------------------


def work(
    pk: int,
    *,
    seconds: float = runner.SLICE_SECONDS,
    should_stop: Callable[[], bool] = never,
    on_chunk: Callable[[], None] = do_nothing,
    expendable: bool = False,
) -> bool:
    """Rehearse for a while; True when time ran out before the items did."""
    refuse_nesting()
    rehearsal = take(pk)
    if rehearsal is None:
        return False
    try:
        slice_ = open_rehearsal_slice(rehearsal, monotonic() + seconds, should_stop, expendable)
        declining.accept(rehearsal.batch)
        with slice_.watchdog, closing(slice_.resources):
            while not slice_.is_over():
                if not step(slice_, rehearsal):
                    return False
                on_chunk()
        return True
    except (UnknownProcessor, UnusableParams) as refused:
        declining.leave(rehearsal.batch, str(refused))
        if workers.could_run(rehearsal.batch):
            return False
        return finish(rehearsal, Rehearsal.State.CANCELLED, str(refused))
    finally:
        leased_rows.give_up(leased_rows.held(rehearsal))


def take(pk: int) -> Rehearsal | None:
    """Hold a rehearsal that nobody holds; None if somebody does, or it is over."""
    if not leased_rows.take(unheld().filter(pk=pk)):
        return None
    rehearsal = Rehearsal.objects.select_related("batch").get(pk=pk)
    if rehearsal.in_flight is not None and not rehearsal.careful:
        # The last worker died in mid-chunk: one item at a time now, so that a second death names its culprit.
        rehearsal.careful, rehearsal.in_flight = rehearsal.batch.checkpoint_every, None
    return rehearsal


def open_rehearsal_slice(
    rehearsal: Rehearsal, deadline: float, should_stop: Callable[[], bool], expendable: bool
) -> Slice:
    """A slice that holds no lane: what it records is never written."""
    lease = leases.Lease(0, rehearsal.batch_id, 0, 0, worker_name(), -1, 0)
    processor = get(rehearsal.batch.processor)
    params = params_of(rehearsal.batch, processor)
    processor = replace(processor, function=plain_function(processor))
    slice_ = open_slice(rehearsal.batch, processor, params, lease, deadline, should_stop, expendable=expendable)
    slice_.rehearsing = True
    return slice_


def step(slice_: Slice, rehearsal: Rehearsal) -> bool:
    """One chunk, and what it showed; False when the rehearsal is over, or everything is paused."""
    batch = Batch.objects.only("status").annotate(held=global_pause.is_in_force()).get(pk=rehearsal.batch_id)
    if batch.held:
        return False
    if batch.status in Batch.ACTIVE:
        return finish(rehearsal, Rehearsal.State.CANCELLED, "The batch itself was started.")
    items = next_items(rehearsal)
    if not items:
        return finish(rehearsal, Rehearsal.State.DONE, "")
    if rehearsal.in_flight == items[0].id:
        # Its worker died in the middle of it, perhaps by its fault: it is reported, and not run again.
        crash = WorkerCrash("Its worker died while it was rehearsed.", code=WORKER_CRASH, category="crash")
        done = [failed_outcome(slice_, items[0], crash, timezone.now())]
    else:
        if not leased_rows.keep(held(rehearsal), in_flight=items[0].id, careful=rehearsal.careful):
            return False
        done = rehearsed(slice_, items)
    report = extended(rehearsal.report, rehearsal.batch, done)
    rehearsal.position, rehearsal.report, rehearsal.done = done[-1].item.position, report, rehearsal.done + len(done)
    rehearsal.in_flight, rehearsal.careful = None, max(0, rehearsal.careful - 1)
    return leased_rows.keep(
        held(rehearsal),
        position=rehearsal.position,
        report=report,
        done=rehearsal.done,
        in_flight=None,
        careful=rehearsal.careful,
    )


def held(rehearsal: Rehearsal) -> QuerySet[Rehearsal]:
    """The rehearsal's row, unless it was cancelled or taken over."""
    return leased_rows.held(rehearsal).filter(state=Rehearsal.State.RUNNING)


def finish(rehearsal: Rehearsal, state: str, note: str) -> bool:
    leased_rows.give_up(held(rehearsal), state=state, note=note, finished_at=timezone.now())
    return False


def next_items(rehearsal: Rehearsal) -> list[Claimed]:
    """The items of the next chunk."""
    items = eligible(rehearsal.batch).filter(position__gt=rehearsal.position).order_by("position")
    if rehearsal.chosen is not None:
        items = items.filter(pk__in=chosen_after(rehearsal))
    limit = 1 if rehearsal.careful else rehearsal.batch.checkpoint_every
    return [outcomes.claimed_of(item) for item in items[:limit]]


def chosen_after(rehearsal: Rehearsal) -> Sequence[int]:
    """The chosen items not rehearsed yet; ids and positions grow together within a batch."""
    return (rehearsal.chosen or [])[rehearsal.done : rehearsal.done + rehearsal.batch.checkpoint_every]


def rehearsed(slice_: Slice, items: list[Claimed]) -> list[Outcome]:
    """What became of the items; if their transaction itself breaks, each is run in one of its own."""
    try:
        return rolled_back(slice_, items)
    except (AnyDatabaseError, Uncontained) as error:
        logger.warning("batch %s: rehearsed chunk broke: %s", slice_.batch.pk, error)
        reconnect()
        if len(items) > 1:
            return [rehearsed(slice_, [item])[0] for item in items]
        cause = error.error if isinstance(error, Uncontained) else error
        return [failed_outcome(slice_, items[0], cause, timezone.now())]


def rolled_back(slice_: Slice, items: list[Claimed]) -> list[Outcome]:
    done: list[Outcome] = []
    written: set[str] = set()

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        written.add(deferred_constraints.table_written(sql))
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(look), slice_.isolation.chunk():
            done = runner.process_items(slice_, items)
            slice_.raise_interruption()
            deferred_constraints.check(written - {""})
            raise RollBack
    except RollBack:
        return done


def reconnect() -> None:
    """A connection that works again; a database that is away is waited for a moment."""
    connection.close()
    for _ in range(50):
        try:
            connection.ensure_connection()
            return
        except AnyDatabaseError:
            sleep(0.2)


def unheld() -> QuerySet[Rehearsal]:
    """Rehearsals that should be running and nobody holds; none while everything is paused."""
    free = leased_rows.has_no_lease() & ~Q(global_pause.is_in_force())
    return Rehearsal.objects.filter(free, state=Rehearsal.State.RUNNING)
