"""In what circumstances each item was tried first: when, by which worker on which host, in which chunk.

Known of items that came right and of those that failed alike, as attributes which may explain the failures. A later
attempt says nothing: only what failed has one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Any

from batches.models import Batch
from errors.detectors.conditions import CIRCUMSTANCE_PREFIX, Word

MAX_CHUNKS = 200
MIN_SHARE_KNOWN = 0.9
"""Of the items that failed, and of the others, whose worker must be known: unknown is not different."""


@dataclass(frozen=True, slots=True)
class FirstAttempts:
    """By position: when the first attempt began, and which worker made it, as far as that is known.

    What takes long ends late: only the order in which attempts began has nothing to do with what became of them.
    """

    started: Mapping[int, datetime] = field(default_factory=dict)
    ended: Mapping[int, datetime] = field(default_factory=dict)
    """When the first attempt was over, of the items whose first attempt failed."""
    worker: Mapping[int, str] = field(default_factory=dict)
    complete: bool = False


def first_attempts(batch: Batch, settled: Collection[int]) -> FirstAttempts:
    """At the items at these positions, by their records; an item without one was tried by the holder of its lane."""
    started: dict[int, datetime | None] = {}
    ended: dict[int, datetime] = {}
    workers: dict[int, str] = {}
    recorded: set[int] = set()
    tenures = tenures_of(batch)
    rows = batch.items.order_by().values_list("position", "started_at", "lane")
    for position, at, lane in rows.iterator():
        if position not in settled:
            continue
        started[position] = at
        if worker := holder(tenures.get(lane), at):
            workers[position] = worker
    records = batch.error_records.filter(attempt=1).order_by()
    columns = records.values_list("position", "started_at", "finished_at", "worker")
    for position, began, over, worker in columns.iterator():
        if position not in settled:
            continue
        started[position], ended[position] = began, over
        recorded.add(position)
        if worker:
            workers[position] = intern(worker)
    times = {position: at for position, at in started.items() if at is not None}
    if len(times) < len(settled):
        return FirstAttempts()
    return FirstAttempts(times, ended, workers if evenly_known(workers, started, recorded) else {}, complete=True)


def evenly_known(workers: Collection[int], items: Collection[int], recorded: Collection[int]) -> bool:
    """Whether as good as every item has a worker, the ones with an error record and the others alike."""
    with_record = sum(position in recorded for position in workers)
    others, without_record = len(items) - len(recorded), len(workers) - with_record
    return with_record >= MIN_SHARE_KNOWN * len(recorded) and without_record >= MIN_SHARE_KNOWN * others


def tenures_of(batch: Batch) -> dict[int | None, tuple[list[datetime], list[str]]]:
    """lane -> since when it was held, and by which workers."""
    tenures: dict[int | None, tuple[list[datetime], list[str]]] = {}
    for lane, since, worker in batch.tenures.order_by("lane", "since").values_list("lane", "since", "worker"):
        times, workers = tenures.setdefault(lane, ([], []))
        times.append(since)
        workers.append(worker)
    return tenures


def holder(tenures: tuple[list[datetime], list[str]] | None, at: datetime | None) -> str:
    """Which worker held the lane at that time; empty: unknown."""
    if tenures is None or at is None:
        return ""
    times, workers = tenures
    n = bisect_right(times, at)
    return workers[n - 1] if n else ""


def with_circumstances(
    batch: Batch, rows: Mapping[int, Mapping[str, Any]], first: FirstAttempts
) -> dict[int, Mapping[str, Any]]:
    """The payloads, and beside their fields how each item was tried."""
    every = batch.checkpoint_every if len(first.started) <= MAX_CHUNKS * batch.checkpoint_every else 0
    return {position: {**row, **circumstances(position, first, every)} for position, row in rows.items()}


def circumstances(position: int, first: FirstAttempts, every: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if worker := first.worker.get(position):
        values |= {"host": Word(worker.split(":")[0]), "worker": Word(worker)}
    if at := first.started.get(position):
        values["hour"] = Word(f"{at:%H}:00 UTC")
    if every:
        values["chunk"] = Word(f"{position // every + 1:,}")
    return {CIRCUMSTANCE_PREFIX + name: value for name, value in values.items()}
