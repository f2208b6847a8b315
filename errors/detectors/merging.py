"""One finding per cause: the same failed items seen in several ways are one finding, the most telling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from errors.detectors.findings import Finding
from errors.detectors.statistics import tail

SAME = 0.9
AS_PRECISE = 0.8
EXPLAINED_ABOVE = 0.05
RUN = "run"


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """The strongest of each cause first, with what else its items are; what may be chance stands last."""
    kept: list[Finding] = []
    for found in sorted(findings, key=lambda one: (one.by_chance, -one.llr, one.detector)):
        twin = next((n for n, one in enumerate(kept) if same_items(found, one)), None)
        if twin is not None:
            kept[twin] = with_twin(kept[twin], found)
        elif not is_covered(found, kept):
            kept.append(found)
    return kept


def same_items(one: Finding, other: Finding) -> bool:
    """Jaccard's index of the failed items."""
    common = len(one.items & other.items)
    return common >= SAME * (len(one.items) + len(other.items) - common)


def with_twin(kept: Finding, other: Finding) -> Finding:
    """The other's name beside it, unless it says the same items with less precision."""
    names = {kept.text, *kept.also}
    if other.by_chance or other.text in names or other.precision < AS_PRECISE * kept.precision:
        return kept
    return replace(kept, also=(*kept.also, other.text))


def is_covered(found: Finding, kept: Iterable[Finding]) -> bool:
    """Whether stronger findings have nearly all of its failures already, and it is no more precise than they are.

    Every item of a run failed: within a stretch where nearly all did, that is no news.
    """
    sharing = [one for one in kept if one.items & found.items]
    if not sharing:
        return False
    covered = frozenset().union(*(one.items for one in sharing)) & found.items
    precision = found.precision * (AS_PRECISE if found.detector == RUN else 1)
    return len(covered) >= SAME * len(found.items) and precision <= max(one.precision for one in sharing)


def explained_by_windows(findings: Iterable[Finding]) -> list[Finding]:
    """Attributes whose failures a hot stretch may explain: they say so when nothing is left outside it."""
    every = list(findings)
    windows = [one for one in every if one.detector in ("hot range", "hot time") and not one.by_chance]
    return [noted(found, windows) if found.detector == "attribute" else found for found in every]


def noted(found: Finding, windows: Iterable[Finding]) -> Finding:
    for window in windows:
        outside = found.items - window.items
        if len(outside) < len(found.items) and not stands_outside(found, window, len(outside)):
            return replace(found, note=f"may be explained by {window.text}")
    return found


def stands_outside(found: Finding, window: Finding, failed: int) -> bool:
    """The same test over the items outside the window, with its share of the condition's items taken out."""
    total, failures = window.others, window.others_failed
    size = found.size - round(found.size * window.size / (window.size + window.others))
    return failed > 0 and tail(min(failed, size, failures), total, failures, min(size, total)) <= EXPLAINED_ABOVE
