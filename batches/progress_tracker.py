"""How far a batch has come, how fast it goes and when it will be done: one record that every door sends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone

from batches import arguments, clock, durations
from batches.compiled_query import CompiledQuery
from batches.exceptions import UnknownBatch
from batches.lanes import global_pause, workers
from batches.lanes.lane_counts import COUNTERS
from batches.lifecycle import hand_counts, samples
from batches.lifecycle.samples import active_seconds
from batches.lifecycle.standstill import Rivals, is_abandoned, is_stuck, silent_since
from batches.lifecycle.velocity import Pace, eta_of, recent_pace
from batches.lifecycle.waiting_items import NOTHING, Waiting, waiting_of
from batches.models import BATCH_ID, Batch, Checkpoint, Item, Milestone, Sample
from batches.proportions import percent_of


@dataclass(frozen=True, slots=True)
class Progress:
    """A batch's progress. Velocities in items a second, times in seconds, percentages 0-100 floored to one decimal.

    `progress_percent` is of items that succeeded, `done_percent` of items that have any outcome. Of those `remaining`
    so many are `waiting` for their next try, as `waits` says; `eta_seconds` lasts until the last of them may run.
    `silent_since`: when the script that drives it was heard of last, if that is too long ago.
    """

    batch_id: str
    total_items: int
    completed: int
    failed: int
    skipped: int
    quarantined: int
    remaining: int
    waiting: int
    waits: dict[str, Any] | None
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
    silent_since: datetime | None
    milestones: list[dict[str, Any]]
    lanes: list[dict[str, Any]]

    @property
    def done(self) -> int:
        return self.total_items - self.remaining

    @property
    def ready(self) -> int:
        """Items that could be processed at this moment."""
        return self.remaining - self.waiting

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with ISO 8601 times in UTC."""
        return {field.name: clock.with_iso_times(getattr(self, field.name)) for field in fields(self)}


def get_progress(batch_id: str) -> Progress:
    """The progress of one batch, or `UnknownBatch`."""
    batch = Batch.objects.filter(pk=batch_id).first() if BATCH_ID.match(str(batch_id)) else None
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    return progress_of([batch])[batch.pk]


def progress_of(batches: Sequence[Batch]) -> dict[str, Progress]:
    """The progress of several batches, in five queries however many there are, one for each in which items wait, and
    one if any seems to be stuck."""
    lanes, milestones = _lanes_and_milestones(batches)
    current = _current_items([lane for rows in lanes.values() for lane in rows if lane.worker])
    is_moving = any(batch.status in Batch.ACTIVE for batch in batches)
    read_at = max((lane.read_at for rows in lanes.values() for lane in rows), default=None)  # type: ignore[attr-defined]
    # Leases and checkpoints are written by the database's clock.
    now = read_at or (clock.now() if is_moving else timezone.now())
    recent = samples.recent_samples(batches, now)
    with_workers = any(batch.status in Batch.WORKING and not batch.is_ad_hoc for batch in batches)
    present = workers.presence() if with_workers else workers.NOBODY
    waiting = waiting_of(batches, now)
    rivals = Rivals(present)
    held = {lane.held_since for rows in lanes.values() for lane in rows} - {None}  # type: ignore[attr-defined]
    return {
        batch.pk: progress(
            batch,
            lanes[batch.pk],
            milestones[batch.pk],
            recent[batch.pk],
            current,
            present,
            now,
            rivals,
            waiting.get(batch.pk, NOTHING),
            min(held, default=None),
        )
        for batch in batches
    }


def _lanes_and_milestones(
    batches: Sequence[Batch],
) -> tuple[dict[str, list[Checkpoint]], dict[str, list[Milestone]]]:
    """Both by batch id, read by one statement: no milestone is shown before the counts that reached it."""
    lanes: dict[str, dict[int, Checkpoint]] = {batch.pk: {} for batch in batches}
    reached: dict[str, dict[int, Milestone]] = {batch.pk: {} for batch in batches}
    for *values, percent, reached_at, read_at, held_since in LANES.rows(list(lanes), timezone.now()) if lanes else ():
        lane = Checkpoint.from_db(None, LANE, values)
        lane.read_at, lane.held_since = read_at, held_since  # type: ignore[attr-defined]
        lanes[lane.batch_id].setdefault(lane.lane, lane)
        if percent is not None:
            milestone = Milestone(batch_id=lane.batch_id, milestone=percent, reached_at=reached_at)
            reached[lane.batch_id].setdefault(percent, milestone)
    empty = [batch.pk for batch in batches if batch.is_final and not lanes[batch.pk]]
    for milestone in Milestone.objects.filter(batch__in=empty).order_by("milestone") if empty else ():
        reached[milestone.batch_id][milestone.milestone] = milestone
    return (
        {pk: list(rows_.values()) for pk, rows_ in lanes.items()},
        {pk: list(rows_.values()) for pk, rows_ in reached.items()},
    )


LANE = [field.attname for field in Checkpoint._meta.concrete_fields]


def _lane_rows(batch_ids: list[str], machine_time: datetime) -> QuerySet[Checkpoint, tuple[Any, ...]]:
    """Each lane beside each milestone of its batch, when that is read, and since when everything is paused."""
    rows = Checkpoint.objects.filter(batch__in=batch_ids).annotate(
        percent=F("batch__milestones__milestone"),
        reached_at=F("batch__milestones__reached_at"),
        read_at=clock.now_column(machine_time),
        held_since=global_pause.since_column(),
    )
    return rows.order_by("lane", "percent").values_list(*LANE, "percent", "reached_at", "read_at", "held_since")


LANES = CompiledQuery(_lane_rows)


def _current_items(lanes: Iterable[Checkpoint]) -> dict[tuple[str, int], str]:
    """By batch id and position, the keys of the items that these lanes look at next."""
    places = {(lane.batch_id, lane.next_index) for lane in lanes}
    if not places:
        return {}
    batch_ids, positions = {batch_id for batch_id, _ in places}, {position for _, position in places}
    rows = Item.objects.filter(batch__in=batch_ids, position__in=positions).values_list("batch_id", "position", "key")
    return {(batch_id, position): key for batch_id, position, key in rows if (batch_id, position) in places}


def progress(
    batch: Batch,
    lanes: Sequence[Checkpoint],
    milestones: Sequence[Milestone],
    recent: Sequence[Sample],
    current: dict[tuple[str, int], str],
    present: workers.Presence,
    now: datetime,
    rivals: Rivals,
    waits: Waiting = NOTHING,
    held_since: datetime | None = None,
) -> Progress:
    """Pure arithmetic over a batch, its lanes, milestones and recent samples, the keys of its current items, who lives,
    the time, who else may have what it waits for, what waits for a next try, and since when everything is paused."""
    count = {name: sum(getattr(lane, name) for lane in lanes) for name in COUNTERS}
    total = max(batch.total_items, sum(count.values()))
    remaining = total - sum(count.values())
    waiting = min(waits.items, remaining)
    held = held_since is not None and not batch.is_ad_hoc
    active = active_seconds(batch, min(now, held_since) if held_since is not None and held else now)
    velocity = count["succeeded"] / active if active > 0 else None
    abandoned = not held and is_abandoned(batch, lanes, present, now)
    silent = silent_since(batch, lanes, now, velocity)
    pace = Pace() if abandoned or held or silent else recent_pace(batch, recent, sum(count.values()), active)
    last_try = (waits.last_at - now).total_seconds() if waits.last_at and not (abandoned or held) else None
    eta = eta_of(batch, remaining - waiting, pace, last_try)
    busy = [lane for lane in lanes if lane.worker]
    return Progress(
        batch_id=batch.pk,
        total_items=total,
        completed=count["succeeded"],
        failed=count["failed"],
        skipped=count["skipped"],
        quarantined=count["quarantined"],
        remaining=remaining,
        waiting=waiting,
        waits=waits.to_dict(),
        progress_percent=percent(count["succeeded"], total, batch.status),
        done_percent=percent(total - remaining, total, batch.status),
        current_velocity=rounded(velocity),
        recent_velocity=rounded(pace.velocity),
        eta_seconds=rounded(eta),
        eta_human=None if eta is None else durations.rough(eta),
        active_seconds=round(active, 3),
        started_at=batch.started_at,
        finished_at=batch.finished_at,
        current_item=next((current.get((batch.pk, lane.next_index)) for lane in busy), None),
        status=batch.status,
        outcome=outcome_of(batch, count, remaining),
        stuck=not held and (abandoned or is_stuck(batch, lanes, now, rivals, remaining, waits)),
        silent_since=silent,
        milestones=[
            {"milestone": row.milestone, "reached_at": clock.with_iso_times(row.reached_at)} for row in milestones
        ],
        lanes=[
            {
                "lane": lane.lane,
                "worker": lane.worker or None,
                "current_item_index": lane.next_index,
                "lease_expires_at": clock.with_iso_times(lane.lease_expires_at),
                "saved_at": clock.with_iso_times(lane.saved_at),
            }
            for lane in lanes
        ],
    )


def outcome_of(batch: Batch, count: dict[str, int], remaining: int) -> str | None:
    """`clean`, `with_errors` or `partial` of a batch that is over; None before."""
    if not batch.is_final:
        return None
    if remaining:
        return "partial"
    return "with_errors" if count["failed"] or count["quarantined"] else "clean"


def percent(part: int, total: int, status: str) -> float:
    """Floored to one decimal: 999 of 1,000 is 99.9 %, and of nothing everything is done once it is completed."""
    if total == 0:
        return 100.0 if status == Batch.Status.COMPLETED else 0.0
    return percent_of(part, total)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


# -- ad hoc batches: counted by hand -----------------------------------------------------------------------------------


def start_batch(batch_id: str, total_items: int) -> None:
    """Begin counting an ad hoc batch from 0, also if it was begun before; items of its checkpoint stay counted.

    It is COMPLETED when `total_items` items are counted. With 0, for a total that is not known yet, it is ended by
    `finish_batch`. Within `resume_from_checkpoint` of the same batch nothing changes: that counts.

    Raises `InvalidInput` for a total that is no whole number from 0, or a batch that has a processor.
    """
    hand_counts.begin(batch_id, arguments.whole_number("total_items", total_items))


def increment_completed(batch_id: str, count: int = 1) -> str:
    """Count items that succeeded, `count` of them at once; returns the batch's status afterwards.

    PAUSED means that a person wants the script to wait: ask `get_progress(batch_id).status` until that is another.
    Within `resume_from_checkpoint` of the same batch nothing is added: that counts its items itself.

    Raises `BatchCancelled`, once the items are counted, when a person has cancelled the batch; `InvalidInput` for a
    count that is no whole number from 1, or a batch that has a processor.
    """
    return _increment(batch_id, "succeeded", count)


def increment_failed(batch_id: str, count: int = 1) -> str:
    """Count items that failed; as `increment_completed`."""
    return _increment(batch_id, "failed", count)


def _increment(batch_id: str, column: str, count: int) -> str:
    return hand_counts.count(batch_id, column, arguments.whole_number("count", count, least=1))


def finish_batch(batch_id: str) -> Progress:
    """End an ad hoc batch: COMPLETED, also if fewer items were counted than its total; returns its progress.

    A batch whose items all have an outcome is COMPLETED without it, and stays so.

    Raises `UnknownBatch`; `BatchCancelled` when a person has cancelled it; `InvalidInput` while items of it wait for
    `resume_from_checkpoint`, or of a batch that has a processor.
    """
    hand_counts.finish(batch_id)
    return get_progress(batch_id)
