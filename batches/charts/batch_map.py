"""The batch map: the whole batch as one strip, binned by position. Counted in one statement, kept until it is stale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from batches import clock
from batches.lanes import batch_rows
from batches.lanes.lane_counts import counters_of, items_by_status
from batches.models import Batch, Checkpoint, Item, Map
from batches.wording import quantity

BIN_LIMIT = 1_000
IN_PAGE_LIMIT = 20_000
"""The map of a batch of up to so many items is counted while its page is asked for; of a larger one, after that."""
FRESH_SECONDS, FRESH_TIMES = 2.0, 20
"""A moving batch's map is good for 2 s, or for twenty times as long as counting it took."""
OUTCOMES = ("done", "skipped", "failed", "quarantined", "waiting")
"""What a bin counts, in this order."""
PLACE = {"SUCCEEDED": 0, "SKIPPED": 1, "FAILED": 2, "QUARANTINED": 3, "PENDING": 4, "RUNNING": 4}
FAILED, QUARANTINED, WAITING = 2, 3, 4
HOT_LIMIT = 5
"""Stretches in which failures lie thick that are shown at most."""


@dataclass(frozen=True, slots=True)
class BatchMap:
    """Bins of `stretch` items each, the last one may be shorter; each counts its items by outcome."""

    batch_id: str
    total_items: int
    stretch: int
    outcomes: list[str]
    bins: list[Any]
    words: str
    at: datetime
    current: bool = field(default=True)

    def to_dict(self) -> dict[str, Any]:
        names = ("batch_id", "total_items", "stretch", "outcomes", "bins", "words", "current")
        return {name: getattr(self, name) for name in names} | {"at": clock.iso_utc(self.at)}


def map_of(batch: Batch, most: int = BIN_LIMIT) -> BatchMap:
    """The map in at most `most` bins, counted anew if it is stale."""
    stored, revision = Map.objects.filter(batch=batch).first(), revision_of(batch)
    if stored is None or not is_fresh(stored, batch, revision):
        stored = count(batch, revision)
    return as_map(batch, stored, stored.revision == revision, most)


def map_now(batch: Batch) -> BatchMap | None:
    """What there is without waiting for it: a small batch is counted, of a large one the last map, or None."""
    if batch.total_items <= IN_PAGE_LIMIT:
        return map_of(batch)
    stored = Map.objects.filter(batch=batch).first()
    return as_map(batch, stored, is_fresh(stored, batch, revision_of(batch)), BIN_LIMIT) if stored else None


def revision_of(batch: Batch) -> str:
    """Changes with every commit that changes an outcome."""
    names = ("succeeded", "failed", "skipped", "quarantined", "sequence")
    sums = Checkpoint.objects.filter(batch=batch).aggregate(**{f"n_{name}": Sum(name, default=0) for name in names})
    return f"{batch.status} {batch.total_items} " + " ".join(str(n) for n in sums.values())


def is_fresh(stored: Map, batch: Batch, revision: str) -> bool:
    if stored.revision == revision:
        return True
    age = (timezone.now() - stored.at).total_seconds()
    return batch.status in Batch.ACTIVE and age < max(FRESH_SECONDS, FRESH_TIMES * stored.took)


def stretch_of(total: int) -> int:
    """Items a bin: a round number that makes at most 1,000 bins."""
    size = 1
    while True:
        for step in (1, 2, 5):
            if size * step * BIN_LIMIT >= total:
                return size * step
        size *= 10


def count(batch: Batch, revision: str) -> Map:
    """From the index of failures where that tells all, else from every item."""
    began, stretch = perf_counter(), stretch_of(batch.total_items)
    bins = bins_of_failures(batch, stretch) or bins_of_items(batch, stretch)
    values = {"revision": revision, "stretch": stretch, "bins": bins, "took": perf_counter() - began}
    return Map.objects.update_or_create(batch=batch, defaults=values | {"at": timezone.now()})[0]


def bins_of_items(batch: Batch, stretch: int) -> list[list[int]]:
    """One grouped statement over the batch's items."""
    bins = empty_bins(batch, stretch)
    for place, status, n in counted(batch, stretch, "status"):
        while place >= len(bins):
            bins.append([0] * len(OUTCOMES))
        bins[place][PLACE[status]] += n
    return bins


def bins_of_failures(batch: Batch, stretch: int) -> list[list[int]]:
    """The same where all items that did not fail stand alike, as the lanes have counted; empty where they do not.

    Only failures are read, by their index: each bin holds the others up to its size, as positions have no gaps.
    """
    counters = items_by_status(batch) and counters_of(batch.pk)
    if not counters or batch_rows.ends_of(batch.pk)[0] != batch.total_items - 1:
        return []
    failures = counters["failed"] + counters["quarantined"]
    to_go = batch.total_items - sum(counters.values())
    others = {"SUCCEEDED": counters["succeeded"], "SKIPPED": counters["skipped"], "PENDING": to_go}
    present = [status for status, n in others.items() if n]
    if len(present) > 1:
        return []
    bins = empty_bins(batch, stretch)
    kind = "status" if counters["quarantined"] else "'FAILED'"
    for place, status, n in counted(batch, stretch, kind, "AND failed_at IS NOT NULL") if failures else ():
        bins[place][PLACE[status]] += n
        failures -= n
    for place, counts in enumerate(bins) if present else ():
        counts[PLACE[present[0]]] = min(stretch, batch.total_items - place * stretch) - sum(counts)
    return [] if failures else bins


def empty_bins(batch: Batch, stretch: int) -> list[list[int]]:
    return [[0] * len(OUTCOMES) for _ in range(-(-batch.total_items // stretch))]


def counted(batch: Batch, stretch: int, status: str, where: str = "") -> Iterable[tuple[int, str, int]]:
    """Rows of (bin, status, items); `status` is a column or a literal of SQL."""
    with connection.cursor() as cursor:
        sql = f"SELECT position / %s, {status}, COUNT(*) FROM {Item._meta.db_table} WHERE batch_id = %s {where} GROUP BY 1, 2"  # noqa: S608, E501
        cursor.execute(sql, [stretch, batch.pk])
        return cursor.fetchall()


def as_map(batch: Batch, stored: Map, current: bool, most: int) -> BatchMap:
    """In at most `most` bins: neighbours are added up where the stored map has more."""
    together = max(1, -(-len(stored.bins) // most))
    bins = merged(stored.bins, together)
    stretch = stored.stretch * together
    words = describe(batch.total_items, stretch, bins)
    return BatchMap(batch.pk, batch.total_items, stretch, list(OUTCOMES), bins, words, stored.at, current)


def merged(bins: list[list[int]], together: int) -> list[list[int]]:
    """Each so many neighbours added up."""
    if together == 1:
        return bins
    return [[sum(n) for n in zip(*bins[at : at + together], strict=True)] for at in range(0, len(bins), together)]


@dataclass(frozen=True, slots=True)
class Hot:
    """A stretch of neighbouring bins in which more failed than in the batch as a whole."""

    first: int
    last: int
    failed: int
    size: int

    @property
    def words(self) -> str:
        where = f"item {self.first:,}" if self.first == self.last else f"items {self.first:,} to {self.last:,}"
        return f"{where}: {self.failed:,} of {self.size:,} failed"


def hot_stretches(total: int, stretch: int, bins: Sequence[Sequence[int]], most: int = HOT_LIMIT) -> list[Hot]:
    """Where failures lie thickest, in input order; at most so many stretches, those with most failures."""
    failed = [counts[FAILED] + counts[QUARANTINED] for counts in bins]
    sizes = [sum(counts) - counts[WAITING] for counts in bins]
    share = sum(failed) / max(1, sum(sizes))
    runs: list[list[int]] = []  # first and last bin
    for place, (failures, size) in enumerate(zip(failed, sizes, strict=True)):
        if failures and failures >= min(2 * share, 0.9) * size:
            if runs and runs[-1][1] == place - 1:
                runs[-1][1] = place
            else:
                runs.append([place, place])
    stretches = [
        Hot(
            first * stretch,
            min((last + 1) * stretch, max(total, 1)) - 1,
            sum(failed[first : last + 1]),
            sum(sizes[first : last + 1]),
        )
        for first, last in runs
    ]
    worst = sorted(stretches, key=lambda stretch: (-stretch.failed, stretch.first))[:most]
    return sorted(worst, key=lambda stretch: stretch.first)


def describe(total: int, stretch: int, bins: Sequence[Sequence[int]]) -> str:
    """The map for a person who cannot see the picture."""
    sums = [sum(n) for n in zip(*bins, strict=True)] if bins else [0] * len(OUTCOMES)
    counts = ", ".join(f"{n:,} {name}" for n, name in zip(sums, OUTCOMES, strict=True) if n)
    thickest = "; ".join(hot.words for hot in hot_stretches(total, stretch, bins, 3))
    tail = f" Failures lie thickest at {thickest}." if thickest else ""
    return f"Batch map of {quantity(total, 'item')} by position: {counts or 'no items'}.{tail}"
