"""The desk's two pictures, side by side: the batch by position and its errors over time, findings marked on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from batches import durations
from batches.charts.batch_map import FAILED, OUTCOMES, BatchMap, describe, stretch_of
from batches.charts.drawing import bars, ticks
from batches.clock import iso_utc
from batches.models import Batch
from batches.pages.map_page import HEIGHT, map_page
from errors.findings.timeline import MAX_ERRORS_IN_PAGE, Extent, TimeBins, available_bins, current_bins
from errors.models import ErrorRecord

SPARKS = 24
SPARK_HEIGHT = 20
Found = Sequence[Mapping[str, Any]]


def pictures(batch: Batch, extent: Extent, findings: Found, *, draw: bool = False) -> dict[str, Any]:
    """Both, as far as they can be had without waiting; with `draw`, however long it takes."""
    times = current_bins(batch) if draw else available_bins(batch, extent)
    there = map_of_records(batch, extent) if not batch.processor else None
    lanes = [{"mark": one["mark"], "path": ticks(one.get("stretches", ()), 0, batch.total_items)} for one in findings]
    shown = replace(map_page(batch, there, draw=draw), lanes=lanes, fixed=there is not None)
    return {"map": shown, "timeline": timeline(batch, extent, times, findings), "times": times}


def map_of_records(batch: Batch, extent: Extent) -> BatchMap | None:
    """A batch of the Python API has no items of its own: what failed is known from its records alone."""
    if batch.items.exists() or not batch.total_items or extent.errors > MAX_ERRORS_IN_PAGE:
        return None
    stretch = stretch_of(batch.total_items)
    bins = [[0] * len(OUTCOMES) for _ in range(-(-batch.total_items // stretch))]
    failed = ErrorRecord.objects.filter(batch=batch, position__gte=0, position__lt=batch.total_items).order_by()
    for position in failed.values_list("position", flat=True).distinct():
        bins[position // stretch][FAILED] += 1
    for place, one in enumerate(bins):
        one[-1] = min(stretch, batch.total_items - place * stretch) - one[FAILED]
    words = describe(batch.total_items, stretch, bins)
    at = extent.last or batch.created_at
    return BatchMap(batch.pk, batch.total_items, stretch, list(OUTCOMES), bins, words, at)


def timeline(batch: Batch, extent: Extent, times: TimeBins | None, findings: Found) -> dict[str, Any]:
    known = {"pending": times is None and extent.errors > 0, "errors": extent.errors, "height": HEIGHT}
    if times is None:
        return known
    address, top = records_url(batch), max(times.totals)
    busiest = list(times.totals).index(top)
    return known | {
        "stale": not times.current,
        "columns": len(times.totals),
        "path": bars(times.totals, HEIGHT),
        "bins": [bin_of(address, times, place, n) for place, n in enumerate(times.totals) if n],
        "begin": times.begin(0),
        "end": times.end,
        "top": top,
        "busiest": times.begin(busiest),
        "width": durations.in_words(times.width),
        "seconds": str(times.width),
        "lanes": [
            {"mark": one["mark"], "path": ticks(one.get("times", ()), times.start, len(times.totals) * times.width)}
            for one in findings
        ],
    }


def bin_of(address: str, times: TimeBins, place: int, n: int) -> dict[str, Any]:
    begin, end = times.begin(place), times.begin(place + 1) - timedelta(microseconds=1)
    return {
        "place": place,
        "n": n,
        "begin": begin,
        "url": f"{address}?{urlencode({'since': iso_utc(begin), 'until': iso_utc(end)})}",
    }


def records_url(batch: Batch, **asked: Any) -> str:
    query = urlencode({name: value for name, value in asked.items() if value})
    address = reverse("admin:errors_records", args=[batch.pk])
    return f"{address}?{query}" if query else address


def spark(counts: Sequence[int]) -> dict[str, Any]:
    """A group's trend: its errors over the batch's whole time, in a few bars."""
    together = max(1, -(-len(counts) // SPARKS))
    few = [sum(counts[at : at + together]) for at in range(0, len(counts), together)]
    return {"path": bars(few, SPARK_HEIGHT), "columns": len(few), "height": SPARK_HEIGHT}
