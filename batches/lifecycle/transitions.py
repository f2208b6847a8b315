"""The one mover of a batch's status, and what settles a batch when its lanes come to rest."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial, reduce
from operator import add
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.utils import timezone

from batches.compiled_query import CompiledRows
from batches.extensions import notify, registered
from batches.lanes import batch_rows, counters, leases
from batches.lanes.lane_counts import COUNTERS, counters_of, standing_of
from batches.lifecycle import hints, milestones, retry_states, retry_waves, samples
from batches.models import Batch, Checkpoint, Item, Milestone, Retry, Transition, may_follow
from batches.models.history import MILESTONES

logger = logging.getLogger("batches")
Status = Batch.Status


def move(
    batch_id: str,
    to: str,
    *,
    verb: str,
    from_: tuple[str, ...] | None = None,
    actor: str = "",
    reason: str = "",
    only_if: Any = None,
    code: str = "",
    waits: bool = True,
) -> Batch | None:
    """Compare-and-set the status and write history; returns the batch as it was before, None when it was in none of
    `from_`, or not `only_if`. `code`: what it runs with, unless it ran with some before. Where somebody else holds the
    batch's row, nothing is done unless it `waits`."""
    with transaction.atomic(savepoint=False):  # whoever began a transaction ends it as one
        batch = batch_rows.locked(batch_id, list(from_ or Status.values), waits=waits)
        if batch is None or not may_follow(batch, batch.status, to):
            return None
        rows = Batch.objects.filter(pk=batch_id, status=batch.status)
        if only_if is not None:
            rows = rows.filter(only_if)
        counts, now, paused_since = standing_of(batch_id)
        changes = clock_changes(batch, to, now, paused_since)
        if code and not batch.code:
            changes["code"] = [code]
        if not rows.update(status=to, reason=reason, **changes):
            return None
        if to == Status.RUNNING:
            samples.begin_stretch(batch, now, done=sum(counts.values()))
        if to in (Status.CANCELLED, Status.FAILED):
            retry_states.cancel_open_retries(batch_id, f"The batch is {Status(to).label.lower()}.")
        record(batch, verb, batch.status, to, actor=actor, reason=reason, counts=counts)
    return batch


def clock_changes(batch: Batch, to: str, now: datetime, paused_since: datetime | None) -> dict[str, Any]:
    """Start, stop and finish times, by the one clock that all workers share: active time runs while a worker may be
    working, and not while everything is paused."""
    if to in Batch.REMOVED or batch.status in Batch.REMOVED:
        return {}  # when it ended stays as it was
    changes: dict[str, Any] = {"finished_at": now if to in Batch.FINAL else None}
    if to == Status.RUNNING:
        changes |= {"running_since": now, "started_at": batch.started_at or now}
    elif to not in Batch.WORKING and batch.running_since is not None:
        until = now if batch.is_ad_hoc or paused_since is None else min(now, paused_since)
        elapsed = max(0.0, (until - batch.running_since).total_seconds())
        changes |= {"running_since": None, "active_seconds": F("active_seconds") + elapsed}
    return changes


def record(
    batch: Batch,
    verb: str,
    from_: str,
    to: str,
    *,
    actor: str = "",
    reason: str = "",
    counts: dict[str, int] | None = None,
) -> Transition:
    """Write one row of history, and announce it once it is committed. `counts`: the items by outcome, if they are known
    already."""
    transition = Transition.objects.create(
        batch_id=batch.pk,
        verb=verb,
        from_status=from_,
        to_status=to,
        actor=actor,
        reason=reason,
        counters=(counters_of(batch.pk) if counts is None else counts) | {"total": batch.total_items},
    )
    for extension in registered():
        extension.transition_recorded(transition)
    transaction.on_commit(partial(announce, transition))
    notify(lambda extension: extension.batch_transitioned(transition))
    return transition


def amend(transition: Transition, reason: str) -> None:
    """Let the row of an act in several transactions say how far it has come; web processes hear of it."""
    counters = counters_of(transition.batch_id)
    Transition.objects.filter(pk=transition.pk).update(reason=reason, counters=transition.counters | counters)
    transaction.on_commit(partial(hints.hint, transition.batch_id))


def announce(transition: Transition) -> None:
    """To the log, and to the web processes."""
    from_, reason = transition.from_status or "new", f" ({transition.reason})" if transition.reason else ""
    logger.info("batch %s: %s -> %s%s", transition.batch_id, from_, transition.to_status, reason)
    hints.hint(transition.batch_id)


def settle(batch_id: str) -> bool:
    """Complete a batch whose items all have an outcome; make a requested pause or cancel true once no lane is held.

    Its retries advance before that; True when one of them put items back, so that there is work again.
    """
    released = False
    batch, found = AS_IT_STANDS.first_and_more([batch_id])
    if any(found[:2]):
        leases.revoke_expired(batch_id)
        released = retry_waves.advance(batch_id)
        batch, found = AS_IT_STANDS.first_and_more([batch_id])
    if batch is None or batch.status not in Batch.ACTIVE:
        return False
    done, reached = found[2:]
    actor = "python" if batch.is_ad_hoc else "worker"
    if is_done(batch, done or 0) and complete(batch, actor=actor, reached=reached or 0):
        return False
    if batch.status in REQUESTS:
        grant(batch)
    return released


def as_it_stands(batch_ids: list[str]) -> QuerySet[Batch]:
    """The batch; whether it has a lane whose lease ran out, and a retry under way; how many of its items have an
    outcome; and its last milestone. The latter two are None without lanes and milestones."""
    lanes = Checkpoint.objects.filter(batch=OuterRef("pk")).order_by().values("batch")
    counted = lanes.annotate(done=reduce(add, map(Sum, COUNTERS))).values("done")
    reached = Milestone.objects.filter(batch=OuterRef("pk")).order_by("-milestone").values("milestone")[:1]
    rows = Batch.objects.filter(pk__in=batch_ids).order_by()
    return rows.annotate(
        lost=Exists(leases.expired_lanes().filter(batch=OuterRef("pk"))),
        advancing=Exists(Retry.objects.filter(batch=OuterRef("pk"), state__in=Retry.UNDER_WAY)),
        done=Subquery(counted),
        reached=Subquery(reached),
    )


AS_IT_STANDS = CompiledRows(Batch, as_it_stands, "lost", "advancing", "done", "reached")

REQUESTS = {Status.PAUSING: (Status.PAUSED, "pause"), Status.CANCELLING: (Status.CANCELLED, "cancel")}
"""Status in which a request waits for workers -> the status that grants it, and its verb."""


def grant(batch: Batch) -> None:
    """Make the requested pause or cancel true, in the name of whoever requested it, if no worker holds a lane."""
    to, verb = REQUESTS[Status(batch.status)]
    at_rest = ~Exists(Checkpoint.objects.filter(batch_id=OuterRef("pk")).exclude(worker=""))
    request = batch.transitions.filter(to_status=batch.status).last()
    actor, reason = (request.actor, request.reason) if request else ("", "")
    is_granted = move(batch.pk, to, verb=verb, from_=(batch.status,), actor=actor, reason=reason, only_if=at_rest)
    if is_granted and request is not None:
        counters.observe("pause_latency_seconds", verb, seconds=[(timezone.now() - request.at).total_seconds()])


def is_done(batch: Batch, done: int) -> bool:
    """Whether all items have an outcome, if `done` have one. Of an ad hoc batch only rows tell: a script may count
    without a total."""
    if done < batch.total_items:
        return False
    return not batch.is_ad_hoc or 0 < batch.total_items <= Item.objects.filter(batch=batch).count()


def complete(
    batch: Batch, *, verb: str = "complete", actor: str = "worker", done: int | None = None, reached: int = 0
) -> bool:
    """COMPLETED, unless an item still waits; the milestones that no chunk wrote are written now.

    `done`: how many items have an outcome; without it all have. `reached`: the last milestone that is written.
    """
    open_items = Item.objects.filter(batch_id=OuterRef("pk"), status__in=(Item.Status.PENDING, Item.Status.RUNNING))
    under_way = Retry.objects.filter(batch_id=OuterRef("pk"), state__in=Retry.UNDER_WAY)
    at_rest = ~Exists(open_items) & ~Exists(under_way)
    with transaction.atomic():
        if not move(batch.pk, Status.COMPLETED, verb=verb, actor=actor, only_if=at_rest):
            return False
        if reached < MILESTONES[-1]:
            milestones.reach_milestones(batch.pk, batch.total_items if done is None else done, batch.total_items)
    return True
