"""How far a batch has come, how fast it goes and when it will be done: one record that every door sends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from batches import adhoc
from batches.exceptions import InvalidInput, UnknownBatch
from batches.lanes.lane_counts import COUNTERS, counters_of
from batches.lifecycle import milestones, samples
from batches.lifecycle.samples import active_seconds
from batches.models import Batch, Checkpoint, Item, Milestone, Sample

S = Batch.Status
MINIMUM_SAMPLE = 5
RECENT_SECONDS = 30.0
WORKING = (S.RUNNING, S.PAUSING, S.CANCELLING)


@dataclass(frozen=True, slots=True)
class Progress:
    """A batch's progress. Velocities in items a second, times in seconds, percentages 0-100 floored to one decimal.

    `progress_percent` is of items that succeeded, `done_percent` of items that have any outcome.
    """

    batch_id: str
    total_items: int
    completed: int
    failed: int
    skipped: int
    quarantined: int
    remaining: int
    progress_percent: float
    done_percent: float
    current_velocity: float | None
    recent_velocity: float | None
    eta_seconds: float | None
    eta_human: str | None
    active_seconds: float
    started_at: datetime | None
    finished_at: datetime | None
    current_item: str | None
    status: str
    outcome: str | None
    stuck: bool
    milestones: list[dict[str, Any]]
    lanes: list[dict[str, Any]]

    @property
    def done(self) -> int:
        return self.total_items - self.remaining

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with ISO 8601 times in UTC."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def get_progress(batch_id: str) -> Progress:
    """The progress of one batch, or `UnknownBatch`."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    return progress_of([batch])[batch.pk]


def progress_of(batches: Sequence[Batch]) -> dict[str, Progress]:
    """The progress of several batches, in four queries however many there are."""
    ids = [batch.pk for batch in batches]
    lanes: dict[str, list[Checkpoint]] = {pk: [] for pk in ids}
    for lane in Checkpoint.objects.filter(batch__in=ids).order_by("lane"):
        lanes[lane.batch_id].append(lane)
    milestones: dict[str, list[Milestone]] = {pk: [] for pk in ids}
    for milestone in Milestone.objects.filter(batch__in=ids).order_by("milestone"):
        milestones[milestone.batch_id].append(milestone)
    current = _current_items([lane for rows in lanes.values() for lane in rows if lane.worker])
    recent = samples.recent_samples(batches, timezone.now())
    return {
        batch.pk: progress(batch, lanes[batch.pk], milestones[batch.pk], recent[batch.pk], current) for batch in batches
    }


def _current_items(lanes: Iterable[Checkpoint]) -> dict[tuple[str, int], str]:
    """Keys of the items where held lanes stand."""
    wanted = {(lane.batch_id, max(0, lane.position)) for lane in lanes}
    if not wanted:
        return {}
    found = Item.objects.filter(batch__in={b for b, _ in wanted}, position__in={p for _, p in wanted})
    return {(b, p): key for b, p, key in found.values_list("batch_id", "position", "key") if (b, p) in wanted}


def progress(
    batch: Batch,
    lanes: Sequence[Checkpoint],
    milestones: Sequence[Milestone],
    recent: Sequence[Sample],
    current: dict[tuple[str, int], str],
) -> Progress:
    """Pure arithmetic over rows that were read."""
    now = timezone.now()
    count = {name: sum(getattr(lane, name) for lane in lanes) for name in COUNTERS}
    total = max(batch.total_items, sum(count.values()))
    remaining = total - sum(count.values())
    active = active_seconds(batch, now)
    velocity = count["succeeded"] / active if active > 0 else None
    pace = recent_pace(batch, recent, sum(count.values()), active)
    eta = eta_of(batch, remaining, pace)
    held = [lane for lane in lanes if lane.worker]
    return Progress(
        batch_id=batch.pk,
        total_items=total,
        completed=count["succeeded"],
        failed=count["failed"],
        skipped=count["skipped"],
        quarantined=count["quarantined"],
        remaining=remaining,
        progress_percent=percent(count["succeeded"], total, batch.status),
        done_percent=percent(total - remaining, total, batch.status),
        current_velocity=rounded(velocity),
        recent_velocity=rounded(pace.velocity),
        eta_seconds=rounded(eta),
        eta_human=None if eta is None else human(eta),
        active_seconds=round(active, 3),
        started_at=batch.started_at,
        finished_at=batch.finished_at,
        current_item=next((current.get((batch.pk, max(0, lane.position))) for lane in held), None),
        status=batch.status,
        outcome=outcome_of(batch, count, remaining),
        stuck=is_stuck(batch, lanes, now),
        milestones=[{"milestone": row.milestone, "reached_at": _plain(row.reached_at)} for row in milestones],
        lanes=[
            {
                "lane": lane.lane,
                "worker": lane.worker or None,
                "current_item_index": lane.position,
                "lease_expires_at": _plain(lane.lease_expires_at),
                "saved_at": _plain(lane.saved_at),
            }
            for lane in lanes
        ],
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """Items that came by in a window of active time, and their velocity; None while there is too little to go by."""

    items: int = 0
    velocity: float | None = None


def recent_pace(batch: Batch, recent: Sequence[Sample], done: int, active: float) -> Pace:
    """Items a second over the last 30 s of this stretch of running, or over longer for items that come slowly."""
    if batch.status != S.RUNNING or active <= 0:
        return Pace()
    since = window_start(recent, done, active)
    if since is None and recent:
        return Pace()
    moved = done - (since.done if since else 0)
    took = active - (since.active_seconds if since else 0.0)
    if took <= 0 or (moved < MINIMUM_SAMPLE and took < RECENT_SECONDS):
        return Pace(moved)
    speed = moved / took
    return Pace(moved, min(speed, batch.rate) if batch.rate else speed)


def window_start(recent: Sequence[Sample], done: int, active: float) -> Sample | None:
    """The sample to measure from. Going back ends where there was more done than later: a retry put items back."""
    start: Sample | None = None
    for sample in reversed(recent):
        later = start.done if start else done
        enough = start is not None and done - start.done >= MINIMUM_SAMPLE
        if sample.done > later or (enough and active - sample.active_seconds > RECENT_SECONDS):
            break
        start = sample
    return start


def eta_of(batch: Batch, remaining: int, pace: Pace) -> float | None:
    """Seconds to go at the recent pace; None while it is not running, or below the minimum sample."""
    if batch.status != S.RUNNING or not pace.velocity or pace.items < MINIMUM_SAMPLE:
        return None
    return remaining / pace.velocity


def outcome_of(batch: Batch, count: dict[str, int], remaining: int) -> str | None:
    if not batch.is_final:
        return None
    if remaining:
        return "partial"
    return "with_errors" if count["failed"] or count["quarantined"] else "clean"


def is_stuck(batch: Batch, lanes: Sequence[Checkpoint], now: datetime) -> bool:
    """It should be running, yet no worker has held a lane for longer than a lease."""
    if batch.status not in WORKING or any(row.lease_expires_at and row.lease_expires_at > now for row in lanes):
        return False
    lease = timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    last = max([lane.saved_at for lane in lanes if lane.saved_at] + [batch.running_since or batch.created_at])
    return now - last > lease


def percent(part: int, total: int, status: str) -> float:
    """Floored to one decimal: 999 of 1,000 is 99.9 %, and of nothing everything is done once it is completed."""
    if total == 0:
        return 100.0 if status == S.COMPLETED else 0.0
    return math.floor(part * 1000 / total) / 10


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def human(seconds: float) -> str:
    """`45s`, `2m`, `1h 5m`, `2d 3h`."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes}m" if minutes else f"{hours}h"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h" if hours else f"{days}d"


@dataclass(frozen=True, slots=True)
class Velocity:
    """A batch's velocity over its life: points of (time, items a second), pauses as (from, to), times in seconds since
    1970; a pause that lasts has no end."""

    batch_id: str
    points: list[list[float]]
    pauses: list[list[float | None]]
    words: str

    def to_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def velocity_of(batch: Batch) -> Velocity:
    points = samples.velocity_points(batch)
    speeds = [speed for _, speed in points] or [0.0]
    words = "No velocity yet: it has run for less than ten seconds."
    if points:
        words = f"Velocity: {speeds[-1]:,.1f} items a second at last, {max(speeds):,.1f} at most."
    return Velocity(
        batch.pk, [list(point) for point in points], [list(pause) for pause in samples.pauses(batch)], words
    )


# -- ad hoc batches: counted by hand -----------------------------------------------------------------------------------


def start_batch(batch_id: str, total_items: int) -> None:
    """Begin counting an ad hoc batch; called again, it begins anew."""
    if not isinstance(total_items, int) or isinstance(total_items, bool) or total_items < 0:
        raise InvalidInput(f"total_items is {total_items!r}; it must be a whole number, 0 or more.")
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        refuse_processor(batch)
        now = timezone.now()
        adhoc.lane_for(batch)
        Checkpoint.objects.filter(batch=batch).update(succeeded=0, failed=0, skipped=0, quarantined=0)
        Milestone.objects.filter(batch=batch).delete()
        Batch.objects.filter(pk=batch.pk).update(
            total_items=total_items,
            status=S.RUNNING,
            started_at=now,
            running_since=now,
            active_seconds=0,
            finished_at=None,
        )
        batch.active_seconds = 0
        samples.begin_stretch(batch, now)


def increment_completed(batch_id: str, count: int = 1) -> None:
    """Count items that succeeded."""
    _increment(batch_id, "succeeded", count)


def increment_failed(batch_id: str, count: int = 1) -> None:
    """Count items that failed."""
    _increment(batch_id, "failed", count)


def _increment(batch_id: str, column: str, count: int) -> None:
    if not isinstance(count, int) or count < 1:
        raise InvalidInput(f"count is {count!r}; it must be a whole number, 1 or more.")
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        refuse_processor(batch)
        adhoc.lane_for(batch)
        Checkpoint.objects.filter(batch=batch, lane=0).update(**{column: F(column) + count, "saved_at": timezone.now()})
        done = sum(counters_of(batch.pk).values())
        total = max(batch.total_items, done)
        if total != batch.total_items:
            Batch.objects.filter(pk=batch.pk).update(total_items=total)
        milestones.reach_milestones(batch.pk, done, total)


def refuse_processor(batch: Batch) -> None:
    if batch.processor:
        raise InvalidInput(f"Batch {batch.pk} is run by processor {batch.processor}, which does the counting.")
