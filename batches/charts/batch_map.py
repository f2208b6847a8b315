"""The batch map: the whole batch as one strip, binned by position. Counted in one statement, kept until it is stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from batches import clock
from batches.models import Batch, Checkpoint, Item, Map

MOST_BINS = 1_000
AT_ONCE = 20_000
"""The map of a batch of so many items is counted while its page is asked for; of a larger one, after that."""
EVERY = 2.0
"""Seconds a moving batch's map is good for, or twenty times what counting it took."""
OUTCOMES = ("done", "skipped", "failed", "quarantined", "waiting")
PLACE = {"SUCCEEDED": 0, "SKIPPED": 1, "FAILED": 2, "QUARANTINED": 3, "PENDING": 4, "RUNNING": 4}
FAILED, QUARANTINED, WAITING = 2, 3, 4
HOT_SHOWN = 5


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


def map_of(batch: Batch, most: int = MOST_BINS) -> BatchMap:
    """The map in at most so many bins, counted anew if it is stale."""
    stored, revision = Map.objects.filter(batch=batch).first(), revision_of(batch)
    if stored is None or not is_fresh(stored, batch, revision):
        stored = count(batch, revision)
    return shown(batch, stored, stored.revision == revision, most)


def map_now(batch: Batch) -> BatchMap | None:
    """What there is without waiting for it: a small batch is counted, of a large one the last picture; None: none."""
    if batch.total_items <= AT_ONCE:
        return map_of(batch)
    stored = Map.objects.filter(batch=batch).first()
    return shown(batch, stored, is_fresh(stored, batch, revision_of(batch)), MOST_BINS) if stored else None


def revision_of(batch: Batch) -> str:
    """Changes with every commit that changes an outcome."""
    names = ("succeeded", "failed", "skipped", "quarantined", "sequence")
    sums = Checkpoint.objects.filter(batch=batch).aggregate(**{f"n_{name}": Sum(name, default=0) for name in names})
    return f"{batch.status} {batch.total_items} " + " ".join(str(n) for n in sums.values())


def is_fresh(stored: Map, batch: Batch, revision: str) -> bool:
    if stored.revision == revision:
        return True
    age = (timezone.now() - stored.at).total_seconds()
    return batch.status in Batch.ACTIVE and age < max(EVERY, 20 * stored.took)


def stretch_of(total: int) -> int:
    """Items a bin: a round number that makes at most 1,000 bins."""
    size = 1
    while True:
        for step in (1, 2, 5):
            if size * step * MOST_BINS >= total:
                return size * step
        size *= 10


def count(batch: Batch, revision: str) -> Map:
    """One grouped statement over the batch's items."""
    began, stretch = perf_counter(), stretch_of(batch.total_items)
    bins = [[0] * len(OUTCOMES) for _ in range(-(-batch.total_items // stretch))]
    table = Item._meta.db_table
    with connection.cursor() as cursor:
        sql = f"SELECT position / %s, status, COUNT(*) FROM {table} WHERE batch_id = %s GROUP BY 1, 2"  # noqa: S608
        cursor.execute(sql, [stretch, batch.pk])
        for place, status, n in cursor.fetchall():
            while place >= len(bins):
                bins.append([0] * len(OUTCOMES))
            bins[place][PLACE[status]] += n
    known: dict[str, Any] = {"revision": revision, "stretch": stretch, "bins": bins}
    known |= {"took": perf_counter() - began, "at": timezone.now()}
    return Map.objects.update_or_create(batch=batch, defaults=known)[0]


def shown(batch: Batch, stored: Map, current: bool, most: int) -> BatchMap:
    together = max(1, -(-len(stored.bins) // most))
    bins = merged(stored.bins, together)
    stretch = stored.stretch * together
    words = in_words(batch.total_items, stretch, bins)
    return BatchMap(batch.pk, batch.total_items, stretch, list(OUTCOMES), bins, words, stored.at, current)


def merged(bins: list[list[int]], together: int) -> list[list[int]]:
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


def hot(total: int, stretch: int, bins: Sequence[Sequence[int]], most: int = HOT_SHOWN) -> list[Hot]:
    """Where failures lie thickest, in input order; at most so many stretches, those with most failures."""
    failed = [one[FAILED] + one[QUARANTINED] for one in bins]
    sizes = [sum(one) - one[WAITING] for one in bins]
    share = sum(failed) / max(1, sum(sizes))
    found: list[list[int]] = []
    for place, (bad, size) in enumerate(zip(failed, sizes, strict=True)):
        if bad and bad >= min(2 * share, 0.9) * size:
            if found and found[-1][1] == place - 1:
                found[-1][1] = place
            else:
                found.append([place, place])
    stretches = [
        Hot(
            first * stretch,
            min((last + 1) * stretch, max(total, 1)) - 1,
            sum(failed[first : last + 1]),
            sum(sizes[first : last + 1]),
        )
        for first, last in found
    ]
    return sorted(sorted(stretches, key=lambda one: (-one.failed, one.first))[:most], key=lambda one: one.first)


def in_words(total: int, stretch: int, bins: Sequence[Sequence[int]]) -> str:
    """What a person sees who cannot look at the picture."""
    sums = [sum(n) for n in zip(*bins, strict=True)] if bins else [0] * len(OUTCOMES)
    said = ", ".join(f"{n:,} {name}" for n, name in zip(sums, OUTCOMES, strict=True) if n)
    thick = "; ".join(one.words for one in hot(total, stretch, bins, 3))
    tail = f" Failures lie thickest at {thick}." if thick else ""
    return f"Batch map of {total:,} items by position: {said or 'no items'}.{tail}"
