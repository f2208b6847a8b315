"""Rehearse: run a batch's items for real and roll every chunk back; what remains is the report they would have had.

Nothing but the rehearsal's own row is changed. It runs in a worker, like everything that calls processors, in slices:
the row holds how far it has come, and a worker that dies costs one chunk of it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from batches import clock
from batches.engine import runner, slices
from batches.engine.slices import Slice, never
from batches.exceptions import InvalidInput
from batches.isolation import deferred_constraints
from batches.isolation.guard import Uncontained
from batches.lanes import leases, outcomes
from batches.lanes.outcomes import Claimed, Failure, Outcome
from batches.lifecycle import quarantined_items
from batches.models import Batch, Item, Rehearsal
from batches.processors import Processor, get
from batches.signals import items_rehearsed

logger = logging.getLogger("batches")

R = Rehearsal.State
MOST_CHOSEN = 10_000
SHOWN_ITEMS, SHOWN_GROUPS, SHOWN_FAILURES = 10, 200, 100
OPEN = (Item.Status.PENDING, Item.Status.FAILED, Item.Status.QUARANTINED)
KILLER = "WORKER_CRASH"


class RollBack(Exception):
    """The end of every rehearsed chunk."""


def eligible(batch: Batch) -> QuerySet[Item]:
    """What a start, a resume or a retry would run; items that kill workers, or are set aside, are left in peace."""
    runs = Item.objects.filter(~quarantined_items.is_aside(), batch=batch, status__in=OPEN)
    return runs.exclude(code=KILLER, status=Item.Status.QUARANTINED)


def refuse_unrehearsable(batch: Batch) -> Processor:
    processor = get(batch.processor)
    if not processor.can_rehearse:
        raise InvalidInput(
            f"Processor {processor.name} cannot be rehearsed: its effects cannot be rolled back.",
            {"processor": ["It does not declare can_rehearse."]},
        )
    return processor


def make(batch: Batch, *, sample: int | None, condition: Q, scope: dict[str, Any], actor: str) -> Rehearsal:
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
                f"{count:,} items match; rehearse a sample of at most {MOST_CHOSEN:,} of them.",
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
    on_chunk: Callable[[], None] = slices.nothing,
    expendable: bool = False,
) -> bool:
    """Rehearse for a while; True when time ran out before the items did."""
    runner.refuse_nesting()
    mine = take(pk)
    if mine is None:
        return False
    try:
        turn = opened(mine, monotonic() + seconds, should_stop, expendable)
        with turn.watchdog:
            while not turn.is_over():
                if not step(turn, mine):
                    return False
                on_chunk()
        return True
    finally:
        Rehearsal.objects.filter(pk=pk, fence=mine.fence).update(lease_expires_at=None)


def take(pk: int) -> Rehearsal | None:
    """Hold a rehearsal that nobody holds; one statement decides a race."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=clock.now_sql())
    mine = Rehearsal.objects.filter(free, pk=pk, state=R.RUNNING)
    if not mine.update(fence=F("fence") + 1, lease_expires_at=leases.lease_end()):
        return None
    found = Rehearsal.objects.select_related("batch").get(pk=pk)
    if found.in_flight is not None and not found.careful:
        # The last worker died in mid-chunk: one item at a time now, so that a second death names its culprit.
        found.careful, found.in_flight = found.batch.checkpoint_every, None
    return found


def opened(mine: Rehearsal, deadline: float, should_stop: Callable[[], bool], expendable: bool) -> Slice:
    """A slice that holds no lane: what it records is never written."""
    lease = leases.Lease(0, mine.batch_id, 0, 0, leases.worker_name(), -1, 0)
    processor = get(mine.batch.processor)
    if inspect.iscoroutinefunction(processor.function):
        coroutine = processor.function
        processor = replace(processor, function=lambda payload, context: asyncio.run(coroutine(payload, context)))
    turn = slices.open_slice(mine.batch, processor, lease, deadline, should_stop, expendable=expendable)
    turn.rehearsing = True
    return turn


def step(turn: Slice, mine: Rehearsal) -> bool:
    """One chunk, and what it showed; False when the rehearsal is over."""
    batch = Batch.objects.only("status").get(pk=mine.batch_id)
    if batch.status in Batch.ACTIVE:
        return finish(mine, R.CANCELLED, "The batch itself was started.")
    items = next_items(mine)
    if not items:
        return finish(mine, R.DONE, "")
    if mine.in_flight == items[0].id:
        # Its worker died in the middle of it, perhaps by its fault: it is reported, and not run again.
        crash = slices.WorkerCrash("Its worker died while it was rehearsed.", code=KILLER, category="crash")
        done = [slices.fail(turn, items[0], crash, timezone.now())]
    else:
        if not hold(mine, items[0].id):
            return False
        done = rehearsed(turn, items)
    report = reported(mine.batch, dict(mine.report), done)
    kept = Rehearsal.objects.filter(pk=mine.pk, fence=mine.fence, state=R.RUNNING)
    mine.position, mine.report, mine.done = done[-1].item.position, report, mine.done + len(done)
    mine.in_flight, mine.careful = None, max(0, mine.careful - 1)
    return bool(
        kept.update(
            position=mine.position,
            report=report,
            done=mine.done,
            in_flight=None,
            careful=mine.careful,
            lease_expires_at=leases.lease_end(),
        )
    )


def hold(mine: Rehearsal, item_id: int) -> bool:
    """Commit which item is about to run; False when the rehearsal was cancelled or taken over."""
    kept = Rehearsal.objects.filter(pk=mine.pk, fence=mine.fence, state=R.RUNNING)
    return bool(kept.update(in_flight=item_id, careful=mine.careful, lease_expires_at=leases.lease_end()))


def finish(mine: Rehearsal, state: str, note: str) -> bool:
    kept = Rehearsal.objects.filter(pk=mine.pk, fence=mine.fence, state=R.RUNNING)
    kept.update(state=state, note=note, finished_at=timezone.now(), lease_expires_at=None)
    return False


def next_items(mine: Rehearsal) -> list[Claimed]:
    items = eligible(mine.batch).filter(position__gt=mine.position).order_by("position")
    if mine.chosen is not None:
        items = items.filter(pk__in=chosen_after(mine))
    columns = ("pk", "position", "key", "payload", "attempts", "forgiven", "crashes", "available_at")
    rows = items.values_list(*columns)[: 1 if mine.careful else mine.batch.checkpoint_every]
    return [
        Claimed(pk, position, key, outcomes.encode_json(payload), *rest) for pk, position, key, payload, *rest in rows
    ]


def chosen_after(mine: Rehearsal) -> Sequence[int]:
    """The chosen items not rehearsed yet; ids and positions grow together within a batch."""
    return (mine.chosen or [])[mine.done : mine.done + mine.batch.checkpoint_every]


def rehearsed(turn: Slice, items: list[Claimed]) -> list[Outcome]:
    """What became of the items; if their transaction itself breaks, each is run in one of its own."""
    try:
        return rolled_back(turn, items)
    except (AnyDatabaseError, Uncontained) as error:
        logger.warning("batch %s: rehearsed chunk broke: %s", turn.batch.pk, error)
        revive()
        if len(items) > 1:
            return [rehearsed(turn, [item])[0] for item in items]
        cause = error.error if isinstance(error, Uncontained) else error
        return [slices.fail(turn, items[0], cause, timezone.now())]


def rolled_back(turn: Slice, items: list[Claimed]) -> list[Outcome]:
    done: list[Outcome] = []
    written: set[str] = set()

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        written.add(deferred_constraints.table_written(sql))
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(look), turn.isolation.chunk():
            done = runner.process_items(turn, items)
            deferred_constraints.check(written - {""})
            raise RollBack
    except RollBack:
        return done


def revive() -> None:
    """A connection that works again; a database that is away is waited for a moment."""
    connection.close()
    for _ in range(50):
        try:
            connection.ensure_connection()
            return
        except AnyDatabaseError:
            sleep(0.2)


# -- the report --------------------------------------------------------------------------------------------------------


def reported(batch: Batch, report: dict[str, Any], done: list[Outcome]) -> dict[str, Any]:
    """The report with one more chunk in it."""
    counts = report.setdefault("counts", {"succeeded": 0, "skipped": 0, "failed": 0})
    failures = [outcome.failure for outcome in done if outcome.failure is not None]
    for outcome in done:
        name = "failed" if outcome.failure is not None else outcome.status.lower()
        counts[name] += 1
    for failure, seen in zip(failures, look_at(batch, failures), strict=True):
        add(report, failure, seen)
    return report


def look_at(batch: Batch, failures: list[Failure]) -> list[dict[str, Any]]:
    """How each failure would be told, by whoever groups errors; without one, by its code alone."""
    if not failures:
        return []
    for _, answer in items_rehearsed.send(Batch, batch=batch, failures=failures):
        if answer is not None:
            told: list[dict[str, Any]] = answer  # type: ignore[assignment]
            return told
    return [{"fingerprint": f.code, "title": outcomes.message_of(f.exception), "code": f.code} for f in failures]


def add(report: dict[str, Any], failure: Failure, seen: dict[str, Any]) -> None:
    for table, name in (("errors_by_type", "error_type"), ("errors_by_code", "code"), ("by_category", "category")):
        counted = report.setdefault(table, {})
        key = str(seen.get(name, ""))
        counted[key] = counted.get(key, 0) + 1
    groups = report.setdefault("groups", {})
    fingerprint = seen["fingerprint"] if seen["fingerprint"] in groups or len(groups) < SHOWN_GROUPS else "other"
    group = groups.setdefault(fingerprint, {**seen, "count": 0, "item_keys": []})
    group["count"] += 1
    if len(group["item_keys"]) < SHOWN_ITEMS:
        group["item_keys"].append(failure.item_key)
    shown = report.setdefault("problematic_items", [])
    if len(shown) < SHOWN_FAILURES:
        shown.append(
            {"item_key": failure.item_key, "position": failure.position, "code": seen.get("code", ""),
             "message": seen.get("message", seen["title"])}
        )  # fmt: skip


def stale() -> QuerySet[Rehearsal]:
    """Rehearsals that should be running and nobody holds."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=clock.now_sql())
    return Rehearsal.objects.filter(free, state=R.RUNNING)
