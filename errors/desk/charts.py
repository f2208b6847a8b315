"""The desk's two pictures, side by side: the batch by position and its errors over time, findings marked on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from batches import durations
from batches.charts.batch_map import FAILED, OUTCOMES, BatchMap, describe, stretch_of
from batches.charts.drawing import bars, ticks
from batches.clock import iso_utc
from batches.models import Batch
from batches.moments import moment
from batches.pages.map_page import HEIGHT, MapPage, map_page
from batches.wording import quantity
from errors.desk.addresses import records_url
from errors.desk.finding_cards import FindingCard
from errors.findings.timeline import MAX_ERRORS_IN_PAGE, Extent, TimeBins
from errors.models import ErrorRecord

SPARK_BARS = 24
SPARK_HEIGHT = 20


@dataclass(frozen=True, slots=True)
class Lane:
    """A finding's line under a picture: its letter, and an SVG path of where it lies."""

    mark: str
    path: str


@dataclass(frozen=True, slots=True)
class Bin:
    """A column of the timeline with errors in it, and where these are listed."""

    place: int
    errors: int
    url: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The timeline's columns: an SVG path of bars, `count` wide and `height` high."""

    count: int
    height: int
    path: str
    bins: list[Bin]
    begin: datetime
    end: datetime
    busiest: datetime
    """The begin of the column with most errors, of which it has `most`."""
    most: int
    seconds: float
    """The width of a column."""

    @property
    def width(self) -> str:
        return durations.in_words(self.seconds)


@dataclass(frozen=True, slots=True)
class TimelineChart:
    """Errors over time; `columns` is None while they are being counted, and of a batch without errors."""

    errors: int
    url: str
    is_pending: bool
    columns: Columns | None
    lanes: list[Lane]

    @property
    def description(self) -> str:
        """The picture for whoever cannot see it."""
        if self.columns is None:
            return self.caption
        return f"{quantity(self.errors, 'error')} over time, most of them at {moment(self.columns.busiest)}."

    @property
    def caption(self) -> str:
        """What stands under the picture while nothing in it is pointed at."""
        if self.is_pending:
            return f"Counting {quantity(self.errors, 'error')}…"
        return f"{self.columns.width} a column" if self.columns else "No errors"


@dataclass(frozen=True, slots=True)
class Spark:
    """A group's trend: its errors over the batch's whole time, in a few bars."""

    path: str
    columns: int
    height: int


def map_with_findings(batch: Batch, extent: Extent, findings: Sequence[FindingCard], *, draw: bool = False) -> MapPage:
    """The batch map as far as it can be had without waiting; with `draw`, however long it takes."""
    of_records = None if batch.processor else map_of_records(batch, extent)
    lanes = [Lane(card.letter, ticks(card.finding.get("stretches", ()), 0, batch.total_items)) for card in findings]
    return replace(map_page(batch, of_records, draw=draw), lanes=lanes, fixed=of_records is not None)


def map_of_records(batch: Batch, extent: Extent) -> BatchMap | None:
    """A batch of the Python API has no items of its own: what failed is known from its records alone."""
    if batch.items.exists() or not batch.total_items or extent.errors > MAX_ERRORS_IN_PAGE:
        return None
    stretch = stretch_of(batch.total_items)
    bins = [[0] * len(OUTCOMES) for _ in range(-(-batch.total_items // stretch))]
    failed = ErrorRecord.objects.filter(batch=batch, position__gte=0, position__lt=batch.total_items).order_by()
    for position in failed.values_list("position", flat=True).distinct():
        bins[position // stretch][FAILED] += 1
    for place, counts in enumerate(bins):
        counts[-1] = min(stretch, batch.total_items - place * stretch) - counts[FAILED]
    words = describe(batch.total_items, stretch, bins)
    at = extent.last or batch.created_at
    return BatchMap(batch.pk, batch.total_items, stretch, list(OUTCOMES), bins, words, at)


def timeline(batch: Batch, extent: Extent, times: TimeBins | None, findings: Sequence[FindingCard]) -> TimelineChart:
    """`times` is None while the errors of a large batch are being counted."""
    lanes = []
    if times:
        span = len(times.totals) * times.width
        lanes = [Lane(card.letter, ticks(card.finding.get("times", ()), times.start, span)) for card in findings]
    lanes = (
        [Lane(card.letter, ticks(card.finding.get("times", ()), times.start, span)) for card in findings]
        if times
        else []
    )
    return TimelineChart(
        errors=extent.errors,
        url=records_url(batch.pk),
        is_pending=times is None and extent.errors > 0,
        columns=columns(batch, times) if times else None,
        lanes=lanes,
    )


def columns(batch: Batch, times: TimeBins) -> Columns:
    most = max(times.totals)
    return Columns(
        count=len(times.totals),
        height=HEIGHT,
        path=bars(times.totals, HEIGHT),
        bins=[bin_of(batch, times, place, errors) for place, errors in enumerate(times.totals) if errors],
        begin=times.begin(0),
        end=times.end,
        busiest=times.begin(list(times.totals).index(most)),
        most=most,
        seconds=times.width,
    )


def bin_of(batch: Batch, times: TimeBins, place: int, errors: int) -> Bin:
    begin, end = times.begin(place), times.begin(place + 1) - timedelta(microseconds=1)
    return Bin(place, errors, records_url(batch.pk, since=iso_utc(begin), until=iso_utc(end)))


def spark(counts: Sequence[int]) -> Spark:
    together = max(1, -(-len(counts) // SPARK_BARS))
    sums = [sum(counts[at : at + together]) for at in range(0, len(counts), together)]
    return Spark(bars(sums, SPARK_HEIGHT), len(sums), SPARK_HEIGHT)
