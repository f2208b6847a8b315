"""Errors over time, for the batch and each of its groups: counted in one statement, kept until there are more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter

from django.db import connection
from django.db.models import Count, Max, Min, Sum
from django.utils import timezone

from batches.models import Batch
from errors.models import BatchGroup, ErrorRecord, Timeline

MAX_BINS = 96
MAX_ERRORS_IN_PAGE = 20_000
"""Up to this number errors are counted while a page is made; more of them, after that."""
MIN_AGE = 5.0
"""Seconds for which the counts of a running batch are good enough."""
MINUTE, HOUR, DAY = 60, 3_600, 86_400
WIDTHS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 14, 30, 90, 365, 3_650)),
)


@dataclass(frozen=True, slots=True)
class TimeBins:
    """Bins of `width` seconds from `start` on; `totals` counts the batch's errors, `groups` those of each group."""

    start: float
    width: float
    totals: Sequence[int]
    groups: Mapping[int, Sequence[int]]
    current: bool = True

    def begin(self, place: int) -> datetime:
        return datetime.fromtimestamp(self.start + place * self.width, UTC)

    @property
    def end(self) -> datetime:
        return self.begin(len(self.totals))


@dataclass(frozen=True, slots=True)
class Extent:
    """How many errors there are, and from when to when."""

    errors: int
    groups: int
    first: datetime | None
    last: datetime | None

    @property
    def revision(self) -> str:
        return f"{self.errors} {self.groups} {self.first} {self.last}"


def extent_of(batch: Batch) -> Extent:
    rows = BatchGroup.objects.filter(batch=batch)
    return Extent(
        **rows.aggregate(
            errors=Sum("errors", default=0), groups=Count("pk"), first=Min("first_seen"), last=Max("last_seen")
        )
    )


def current_bins(batch: Batch) -> TimeBins | None:
    """Errors over time, counted anew if there are others by now; None: there are none."""
    extent = extent_of(batch)
    if not extent.errors:
        return None
    stored = Timeline.objects.filter(batch=batch).first()
    if stored is None or not is_fresh(stored, batch, extent):
        stored = count(batch, extent)
    return shown(stored, stored.revision == extent.revision)


def available_bins(batch: Batch, extent: Extent) -> TimeBins | None:
    """Bins without a wait: few errors are counted, of many the stored bins are shown; None: there are none."""
    if extent.errors <= MAX_ERRORS_IN_PAGE:
        return current_bins(batch)
    stored = Timeline.objects.filter(batch=batch).first()
    return shown(stored, is_fresh(stored, batch, extent)) if stored else None


def is_fresh(stored: Timeline, batch: Batch, extent: Extent) -> bool:
    if stored.revision == extent.revision:
        return True
    age = (timezone.now() - stored.at).total_seconds()
    return batch.status in Batch.ACTIVE and age < max(MIN_AGE, 20 * stored.took)


def width_of(seconds: float) -> float:
    """A round one that makes at most as many bins as are drawn."""
    return next((width for width in WIDTHS if seconds / width < MAX_BINS), seconds / MAX_BINS)


MICROSECONDS = 1_000_000
PLACE_ON_POSTGRESQL = "FLOOR((EXTRACT(EPOCH FROM finished_at) * 1000000 - %s) / %s)::int"
WHOLE_SECONDS = "STRFTIME('%%s', SUBSTR(finished_at, 1, 19))"
FRACTION = "CAST(SUBSTR(finished_at || '.000000', 21, 6) AS INTEGER)"
PLACE_ON_SQLITE = f"({WHOLE_SECONDS} * 1000000 + {FRACTION} - %s) / %s"
"""Bin of an error, from the start and the width in whole microseconds: what a bin counts is what its address lists."""


def count(batch: Batch, extent: Extent) -> Timeline:
    """One grouped statement over an index that has all of it."""
    began, first, last = perf_counter(), seconds(extent.first), seconds(extent.last)
    width = width_of(last - first)
    start = first // width * width
    bins = int((last - start) / width) + 1
    groups: dict[int, dict[int, int]] = {}
    place = PLACE_ON_POSTGRESQL if connection.vendor == "postgresql" else PLACE_ON_SQLITE
    table = ErrorRecord._meta.db_table
    with connection.cursor() as cursor:
        sql = f"SELECT group_id, {place}, COUNT(*) FROM {table} WHERE batch_id = %s GROUP BY 1, 2"  # noqa: S608
        cursor.execute(sql, [round(start * MICROSECONDS), round(width * MICROSECONDS), batch.pk])
        for group, at, n in cursor.fetchall():
            counts = groups.setdefault(group, {})
            at = min(max(at, 0), bins - 1)
            counts[at] = counts.get(at, 0) + n
    values = {"revision": extent.revision, "start": start, "width": width, "bins": bins, "at": timezone.now()}
    values |= {"groups": {group: sorted(counts.items()) for group, counts in groups.items()}}
    values["took"] = perf_counter() - began
    return Timeline.objects.update_or_create(batch=batch, defaults=values)[0]


def seconds(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def shown(stored: Timeline, current: bool) -> TimeBins:
    groups = {int(group): spread(counts, stored.bins) for group, counts in stored.groups.items()}
    totals = [sum(n) for n in zip(*groups.values(), strict=True)] if groups else [0] * stored.bins
    return TimeBins(stored.start, stored.width, totals, groups, current)


def spread(counts: Sequence[Sequence[int]], bins: int) -> list[int]:
    """A number for every bin, from [bin, number] of those that have any."""
    every = [0] * bins
    for place, n in counts:
        every[place] = n
    return every
