"""How fast a batch goes: over its recent past, which its ETA is made of, and over its life, which its chart shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from batches import clock
from batches.lifecycle import samples
from batches.models import Batch, Sample

MINIMUM_SAMPLE = 5  # items
RECENT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Items that came by in a window of active time, and their velocity in items a second; None for too few items."""

    items: int = 0
    velocity: float | None = None


def recent_pace(batch: Batch, recent: Sequence[Sample], done: int, active: float) -> Pace:
    """Items a second over the last 30 s of this stretch of running, or over longer for items that come slowly.

    `recent` are its samples, oldest first; `done` items had an outcome after `active` seconds.
    """
    if batch.status != Batch.Status.RUNNING or active <= 0:
        return Pace()
    since = window_start(recent, done, active)
    if since is None and recent:
        return Pace()
    moved = done - (since.done if since else 0)
    took = active - (since.active_seconds if since else 0.0)
    if took <= 0 or (moved < MINIMUM_SAMPLE and took < RECENT_SECONDS):
        return Pace(moved)
    velocity = moved / took
    return Pace(moved, min(velocity, batch.rate) if batch.rate else velocity)


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


def eta_of(batch: Batch, ready: int, pace: Pace, last_try: float | None = None) -> float | None:
    """Seconds to go: `ready` items at the recent pace, and `last_try` seconds until the last that waits may run.

    None while the batch is not running, or below the minimum sample.
    """
    if batch.status != Batch.Status.RUNNING:
        return None
    if ready <= 0 and last_try is not None:
        return last_try
    if ready <= 0 and batch.is_ad_hoc:
        return None  # its script has not told how many items there are
    if not pace.velocity or pace.items < MINIMUM_SAMPLE:
        return None
    return max(ready / pace.velocity, last_try or 0.0)


@dataclass(frozen=True, slots=True)
class Velocity:
    """A batch's velocity over its life: points of (time, items a second), pauses and gaps as (from, to); one that lasts
    has no end. In a gap no worker lived. `words` say the same in a sentence."""

    batch_id: str
    points: list[list[Any]]
    pauses: list[list[Any]]
    gaps: list[list[Any]]
    words: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with ISO 8601 times in UTC."""
        return {field.name: clock.with_iso_times(getattr(self, field.name)) for field in fields(self)}


def velocity_of(batch: Batch) -> Velocity:
    points = samples.velocity_points(batch)
    pauses = [list(pause) for pause in samples.pauses(batch)]
    words = "No velocity yet: it has run for less than ten seconds."
    if points:
        velocities = [velocity for _, velocity in points]
        words = f"Velocity: {velocities[-1]:,.1f} items a second at last, {max(velocities):,.1f} at most."
    gaps = [list(gap) for gap in samples.gaps(batch)]
    return Velocity(batch.pk, [list(point) for point in points], pauses, gaps, words)
