"""Whether a batch stands still although workers should have it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property

from batches import worker_names
from batches.conf import settings
from batches.lanes import workers
from batches.lanes.lane_counts import lanes_in_turn
from batches.lanes.quotas import WaitingForQuotas
from batches.lifecycle.waiting_items import NOTHING, Waiting
from batches.models import Batch, Checkpoint

SCRIPT_SILENT_AFTER = timedelta(seconds=10)
RARELY = 60  # seconds, of a script that has reported nothing yet
REPORTS_MISSED = 5
"""So many times as long as one of its items takes on average, a script is not called silent."""


class Rivals:
    """The batches that may have what another one waits for; asked of the database at most once, and only if need be."""

    def __init__(self, present: workers.Presence) -> None:
        self.present = present

    @cached_property
    def have_all_workers(self) -> bool:
        """Whether workers live, and as many lanes are worked on as there are of these."""
        return self.present.anybody and lanes_in_turn().count() >= len(self.present.alive)

    @cached_property
    def quotas(self) -> WaitingForQuotas:
        return WaitingForQuotas()


def is_abandoned(batch: Batch, lanes: Sequence[Checkpoint], present: workers.Presence, now: datetime) -> bool:
    """Whether workers should have it, yet none lives, or none of those that hold it.

    Of workers that are not known, as in a process of somebody's own, a recent checkpoint is a sign of life, or a lease.
    """
    if batch.is_ad_hoc or batch.status not in Batch.WORKING:
        return False
    held = [lane for lane in lanes if lane.worker]
    if held:
        return all(is_lost(lane, present, now) for lane in held)
    return not present.anybody and now - last_heard(batch, lanes) > workers.SILENT_AFTER


def last_heard(batch: Batch, lanes: Sequence[Checkpoint]) -> datetime:
    """When a lane was written last, or when the batch began to run."""
    return max([lane.saved_at for lane in lanes if lane.saved_at] + [batch.running_since or batch.created_at])


def is_lost(lane: Checkpoint, present: workers.Presence, now: datetime) -> bool:
    """Whether the holder of the lane does not live."""
    if lane.worker in present.alive:
        return False
    return present.has_lost(lane.worker) or has_expired(lane, now)


def has_expired(lane: Checkpoint, now: datetime) -> bool:
    return lane.lease_expires_at is not None and lane.lease_expires_at <= now


def silent_since(batch: Batch, lanes: Sequence[Checkpoint], now: datetime, velocity: float | None) -> datetime | None:
    """Since when the script that drives a running ad hoc batch has reported nothing, if that is for too long, or if it
    died with a lane in its hands; `velocity` in items a second. None of any other batch, or while it holds a lane."""
    if not batch.is_ad_hoc or batch.status != Batch.Status.RUNNING:
        return None
    last = last_heard(batch, lanes)
    held = [lane for lane in lanes if lane.worker]
    if any(not has_died(lane, now) for lane in held):
        return None
    if held:
        return last
    usual = timedelta(seconds=REPORTS_MISSED / velocity if velocity else RARELY)
    has_crashed = any(lane.careful for lane in lanes)
    return last if now - last > (SCRIPT_SILENT_AFTER if has_crashed else max(SCRIPT_SILENT_AFTER, usual)) else None


def has_died(lane: Checkpoint, now: datetime) -> bool:
    """Whether the script that holds the lane has ended, or did not renew its lease."""
    return has_expired(lane, now) or worker_names.is_dead(lane.worker)


def is_stuck(
    batch: Batch,
    lanes: Sequence[Checkpoint],
    now: datetime,
    rivals: Rivals,
    remaining: int = 0,
    waits: Waiting = NOTHING,
) -> bool:
    """Whether workers should have it, yet none has held a lane for longer than a lease; a script's batch needs none.

    Nor does one while all that remains of it waits for its next try, or its quota is slowed down or used by others;
    nor, for ten minutes, while the workers that live are all busy with others, whose turn comes first.
    """
    if batch.is_ad_hoc or batch.status not in Batch.WORKING:
        return False
    if any(row.lease_expires_at and row.lease_expires_at > now for row in lanes):
        return False
    if batch.status == Batch.Status.RUNNING and 0 < remaining <= waits.items:
        return False
    lease = timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    last = [lane.saved_at for lane in lanes if lane.saved_at] + [batch.running_since or batch.created_at]
    if waits.due_since and remaining <= waits.items + waits.due:
        last.append(waits.due_since)
    idle = now - max(last)
    if idle <= lease or (idle < workers.REMEMBERED and rivals.have_all_workers):
        return False
    return not rivals.quotas.is_scarce(batch)
