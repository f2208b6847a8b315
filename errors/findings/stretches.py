"""Where the failures of a finding lie, by position and in time, as pictures mark them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batches.models import Batch
from errors.detectors import Finding
from errors.models import ErrorRecord

RESOLUTION = 400
"""What lies closer than this part of the whole is drawn as one."""


def last_failure_times(batch: Batch, positions: frozenset[int]) -> dict[int, float]:
    """When the items at these positions failed last, in seconds since 1970."""
    if not positions:
        return {}
    last = ErrorRecord.objects.filter(batch=batch, final=True).order_by()
    rows = last.values_list("position", "finished_at").iterator()
    return {position: at.timestamp() for position, at in rows if position in positions}


def marks_of(finding: Finding, total: int, times: Mapping[int, float]) -> dict[str, Any]:
    """[from, to] by position and in time; neighbours that no picture can tell apart are one stretch."""
    moments = [times[position] for position in finding.items if position in times]
    span = max(times.values(), default=0.0) - min(times.values(), default=0.0)
    return {
        "stretches": stretches(finding.items, total / RESOLUTION),
        "times": [[round(first, 3), round(last, 3)] for first, last in stretches(moments, span / RESOLUTION)],
    }


def stretches(points: Iterable[float], near: float) -> list[list[float]]:
    """[first, last] of the points that have no gap wider than `near` between them; positions have none wider than 1."""
    merged: list[list[float]] = []
    for point in sorted(points):
        if merged and point - merged[-1][1] <= max(near, 1 if isinstance(point, int) else 0):
            merged[-1][1] = point
        else:
            merged.append([point, point])
    return merged
