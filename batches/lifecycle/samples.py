"""Where active batches stood every 5 s: the recent velocity and its chart are made of these."""

from __future__ import annotations

import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from time import sleep, time
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Mod
from django.utils import timezone

from batches import clock
from batches.compiled_query import CompiledQuery
from batches.lanes import counters, global_pause, lane_counts
from batches.models import Batch, Checkpoint, Sample
from batches.paged_deletes import delete_in_steps

logger = logging.getLogger("batches")

EVERY_MS = 5_000
FINE_FOR = timedelta(seconds=60)
MISSED = 3
"""Samples in a row that are missing in a gap."""
WINDOW = timedelta(minutes=10)
THINNED = (
    # older than: kept every (ms)
    (WINDOW, 30_000),
    (timedelta(hours=2), 300_000),
    (timedelta(hours=24), 1_800_000),
)


def active_seconds(batch: Batch, now: datetime) -> float:
    """Time in which a worker may have been working; pauses are excluded."""
    running = (now - batch.running_since).total_seconds() if batch.running_since else 0.0
    return batch.active_seconds + max(0.0, running)


def take_samples() -> int:
    """Sample every batch that a worker has, unless it has a sample of this slot; returns how many batches those are.

    While everything is paused only those that a script drives: that time is no active time of the others.
    """
    now = clock.now()
    lanes = Checkpoint.objects.filter(batch=OuterRef("pk")).filter(~Q(worker="") | Q(saved_at__gte=now - WINDOW))
    counted = Exists(lanes) & (Q(processor="") | ~Q(global_pause.is_in_force()))
    batches = list(Batch.objects.filter(counted, status__in=Batch.WORKING, running_since__isnull=False))
    slot = int(now.timestamp() * 1000) // EVERY_MS * EVERY_MS
    write_samples(batches, slot, now)
    return len(batches)


def begin_stretch(batch: Batch, now: datetime, *, done: int) -> None:
    """The sample where a stretch of running begins: nothing before it counts as recent."""
    write_samples([batch], int(now.timestamp() * 1000), now, active=batch.active_seconds, done={batch.pk: done})


def write_samples(
    batches: list[Batch],
    slot: int,
    now: datetime,
    *,
    active: float | None = None,
    done: Mapping[str, int] | None = None,
) -> None:
    """`done`: items with any outcome, by batch, if that is known already."""
    done = done_of(batch.pk for batch in batches) if done is None else done
    Sample.objects.bulk_create(
        [
            Sample(
                batch=batch,
                slot=slot,
                at=now,
                done=done[batch.pk],
                active_seconds=active_seconds(batch, now) if active is None else active,
            )
            for batch in batches
        ],
        ignore_conflicts=True,
    )


def done_of(ids: Iterable[str]) -> dict[str, int]:
    """Items with any outcome, by batch."""
    return defaultdict(int, {pk: int(sum(counts)) for pk, *counts in lane_counts.SUMS.rows(list(ids))})


def recent_samples(batches: Iterable[Batch], now: datetime) -> dict[str, list[Sample]]:
    """By batch, the samples for its recent velocity, oldest first: all of the last minute, then one every 30 s."""
    by_batch: dict[str, list[Sample]] = defaultdict(list)
    since = {batch.pk: batch.running_since for batch in batches if batch.running_since}
    if not since:
        return by_batch
    for row in RECENT.rows(list(since), now - WINDOW, now - FINE_FOR):
        sample = Sample(**dict(zip(SAMPLE, row, strict=True)))
        if sample.at >= since[sample.batch_id]:
            by_batch[sample.batch_id].append(sample)
    return by_batch


SAMPLE = ("batch_id", "slot", "at", "done", "active_seconds")


def recent_rows(batch_ids: list[str], begin: datetime, fine_from: datetime) -> QuerySet[Sample, tuple[Any, ...]]:
    rows = Sample.objects.filter(batch__in=batch_ids, at__gte=begin).annotate(fine=Mod("slot", 30_000))
    return rows.exclude(at__lt=fine_from, fine__gt=0).order_by("slot").values_list(*SAMPLE)


RECENT = CompiledQuery(recent_rows)


def thin_out() -> int:
    """Keep fewer samples of what is long ago; returns how many were removed."""
    now, removed = timezone.now(), 0
    for age, kept in THINNED:
        old = Sample.objects.filter(at__lt=now - age).annotate(off=Mod("slot", kept)).filter(off__gt=0)
        removed += delete_in_steps(old)
    return removed


def velocity_points(batch: Batch) -> list[tuple[datetime, float]]:
    """The velocity chart: (time, items a second) between each two samples of one stretch without a gap."""
    points: list[tuple[datetime, float]] = []
    now = timezone.now()
    for before, sample in pairwise(batch.samples.order_by("slot")):
        active = sample.active_seconds - before.active_seconds
        if active > 0.5 and not is_gap(before, sample, now):
            points.append((sample.at, round(max(0, sample.done - before.done) / active, 3)))
    return points


def gaps(batch: Batch) -> list[tuple[datetime, datetime | None]]:
    """When the batch should have run and no worker lived: (from, to); a gap that lasts has no end."""
    now, rows = timezone.now(), list(batch.samples.order_by("slot"))
    ended: list[tuple[datetime, datetime | None]] = [
        (before.at, sample.at) for before, sample in pairwise(rows) if is_gap(before, sample, now)
    ]
    lasts = bool(rows) and batch.status in Batch.WORKING and now - rows[-1].at > MISSED * spacing(timedelta())
    return [*ended, (rows[-1].at, None)] if lasts and not batch.is_ad_hoc else ended


def is_gap(before: Sample, sample: Sample, now: datetime) -> bool:
    """Whether samples are missing between the two, which are of one stretch of running."""
    if sample.active_seconds - before.active_seconds <= 0.5:
        return False
    return sample.at - before.at > MISSED * spacing(now - before.at)


def spacing(age: timedelta) -> timedelta:
    """How far samples of that age may lie apart: old ones are thinned, an hour later at most."""
    kept = [ms for older, ms in THINNED if age > older]
    return timedelta(milliseconds=max([EVERY_MS, *kept]))


def pauses(batch: Batch) -> list[tuple[datetime, datetime | None]]:
    """When the batch stood still: (from, to); a pause that lasts has no end."""
    pauses: list[tuple[datetime, datetime | None]] = []
    since: datetime | None = None
    for status, at in batch.transitions.order_by("pk").values_list("to_status", "at"):
        if status in Batch.WORKING and since is not None:
            pauses.append((since, at))
            since = None
        elif status in Batch.AT_REST and since is None:
            since = at
    return [*pauses, (since, None)] if since is not None and not batch.is_final else pauses


def keep_sampling() -> None:
    """For a thread of its own: samples at every slot, for as long as the process lives."""
    while True:
        sleep(EVERY_MS / 1000 - time() % (EVERY_MS / 1000))
        try:
            counters.record_heartbeat(socket.gethostname())
            take_samples()
        except AnyDatabaseError as error:
            logger.warning("no samples taken: %s", error)
            connection.close()
        except Exception:
            logger.exception("no samples taken, and the next ones will be")


def sample_in_background() -> None:
    threading.Thread(target=keep_sampling, name="samples", daemon=True).start()
