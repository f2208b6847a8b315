"""What failures have in common. A detector is a function of a `Summary`, and one name in `DETECTORS`."""

from __future__ import annotations

from errors.detectors.attributes import attributes
from errors.detectors.findings import Detector, Finding, Stream, Summary
from errors.detectors.merging import explained_by_windows, merge
from errors.detectors.periods import periodic
from errors.detectors.runs import long_runs
from errors.detectors.segments import hot_ranges, hot_times

__all__ = ["DETECTORS", "Finding", "Stream", "Summary", "find"]

DETECTORS: tuple[Detector, ...] = (hot_ranges, hot_times, long_runs, periodic, attributes)


def find(summary: Summary) -> list[Finding]:
    """Everything the detectors see, one finding per cause, the strongest first."""
    return explained_by_windows(merge(finding for detect in DETECTORS for finding in detect(summary)))
