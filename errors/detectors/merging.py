"""One finding per cause: the same failed items seen in several ways are one finding, the most telling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from errors.detectors.findings import Finding
from errors.detectors.statistics import tail

SAME_ITEMS = 0.9
AS_PRECISE = 0.8
EXPLAINED_ABOVE = 0.05
RUN_DETECTOR = "run"


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """The strongest of each cause first, with what else its items are; what may be chance stands last."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda each: (each.by_chance, -each.llr, each.detector)):
        twin = next((n for n, other in enumerate(kept) if same_items(finding, other)), None)
        if twin is not None:
            kept[twin] = with_twin(kept[twin], finding)
        elif not is_covered(finding, kept):
            kept.append(finding)
    return kept


def same_items(finding: Finding, other: Finding) -> bool:
    """Jaccard's index of the failed items."""
    common = len(finding.items & other.items)
    return common >= SAME_ITEMS * (len(finding.items) + len(other.items) - common)


def with_twin(kept: Finding, other: Finding) -> Finding:
    """The other's name beside it, unless it says the same items with less precision."""
    names = {kept.text, *kept.also}
    if other.by_chance or other.text in names or other.precision < AS_PRECISE * kept.precision:
        return kept
    return replace(kept, also=(*kept.also, other.text))


def is_covered(finding: Finding, kept: Iterable[Finding]) -> bool:
    """Whether stronger findings have nearly all of its failures already, and it is no more precise than they are.

    Every item of a run failed: within a stretch where nearly all did, that is no news.
    """
    sharing = [other for other in kept if other.items & finding.items]
    if not sharing:
        return False
    covered = frozenset().union(*(other.items for other in sharing)) & finding.items
    precision = finding.precision * (AS_PRECISE if finding.detector == RUN_DETECTOR else 1)
    return len(covered) >= SAME_ITEMS * len(finding.items) and precision <= max(other.precision for other in sharing)


def explained_by_windows(findings: Iterable[Finding]) -> list[Finding]:
    """Attributes whose failures a hot stretch may explain: they say so when nothing is left outside it."""
    every = list(findings)
    windows = [finding for finding in every if finding.detector in ("hot range", "hot time") and not finding.by_chance]
    return [noted(finding, windows) if finding.detector == "attribute" else finding for finding in every]


def noted(finding: Finding, windows: Iterable[Finding]) -> Finding:
    for window in windows:
        outside = finding.items - window.items
        if len(outside) < len(finding.items) and not stands_outside(finding, window, len(outside)):
            return replace(finding, note=f"may be explained by {window.text}")
    return finding


def stands_outside(finding: Finding, window: Finding, failed: int) -> bool:
    """Whether the test still passes outside the window, with its share of the condition's items taken out."""
    total, failures = window.others, window.others_failed
    size = finding.size - round(finding.size * window.size / (window.size + window.others))
    return failed > 0 and tail(min(failed, size, failures), total, failures, min(size, total)) <= EXPLAINED_ABOVE
