"""One finding per cause: the same failed items seen in several ways are one finding, the most telling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from errors.detectors.findings import EVERYTHING, Finding
from errors.detectors.statistics import tail

SAME_ITEMS = 0.9
AS_PRECISE = 0.8
MOSTLY = 0.5
EXPLAINED_ABOVE = 0.05
NEWS_BELOW = 1e-8
"""What is left of a finding must be this unlikely: its place was chosen among very many."""


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """The strongest of each cause first, with what else its items are; what may be chance stands last."""
    kept: list[Finding] = []
    strongest_first = sorted(findings, key=lambda each: (each.by_chance, -each.llr, each.detector))
    kinds = [finding for finding in strongest_first if finding.stream != EVERYTHING and not finding.by_chance]
    for finding in strongest_first:
        twin = next((n for n, other in enumerate(kept) if same_items(finding, other)), None)
        if twin is not None:
            kept[twin] = with_twin(kept[twin], finding)
        elif not is_covered(finding, [*kept, *parts_of(finding, kinds, kept)]):
            kept.append(finding)
    return kept


def parts_of(finding: Finding, kinds: Iterable[Finding], kept: Iterable[Finding]) -> Sequence[Finding]:
    """Of all failures together: findings of one kind each that make this one up, though each alone is weaker.

    Several kinds that came to one place are one cause: each alone is far less precise there than all of them. Kinds
    that are as precise at places of their own, near each other or across, are causes of their own.
    """
    if finding.stream != EVERYTHING or finding.by_chance:
        return ()
    sharing = [kind for kind in kinds if kind.items & finding.items]
    stronger = frozenset[int]().union(*(other.items for other in kept))
    if len(stronger & finding.items) >= MOSTLY * len(finding.items):
        return sharing
    own = apart(kind for kind in sharing if has_own_place(kind, finding))
    precise = apart([*own, *(kind for kind in sharing if is_as_precise(kind, finding, own))])
    return precise if len(precise) > 1 else ()


def has_own_place(kind: Finding, whole: Finding) -> bool:
    """Whether failures of one kind lie together within a place where all kinds fail, and hardly elsewhere in it."""
    if whole.stream != EVERYTHING or kind.stream == EVERYTHING or kind.by_chance or kind.size >= whole.size:
        return False
    if len(kind.items & whole.items) < SAME_ITEMS * len(kind.items):
        return False
    failures = min(whole.size, kind.failed + kind.others_failed)
    return tail(kind.failed, whole.size, failures, kind.size) <= NEWS_BELOW


def is_as_precise(kind: Finding, whole: Finding, own: Sequence[Finding]) -> bool:
    """Also once places within both, of other kinds, are taken out."""
    if kind.precision >= AS_PRECISE * whole.precision:
        return True
    others = [other for other in own if other is not kind]
    size, failed = sum(other.size for other in others), sum(other.failed for other in others)
    if not others or kind.size <= size or whole.size <= size:
        return False
    return kind.failed / (kind.size - size) >= AS_PRECISE * max(0, whole.failed - failed) / (whole.size - size)


def apart(findings: Iterable[Finding]) -> Sequence[Finding]:
    """The strongest, and each further one that has hardly an item of those before it."""
    chosen: list[Finding] = []
    taken: frozenset[int] = frozenset()
    for finding in findings:
        if len(finding.items & taken) <= (1 - SAME_ITEMS) * len(finding.items):
            chosen.append(finding)
            taken |= finding.items
    return chosen


def same_items(finding: Finding, other: Finding) -> bool:
    """Jaccard's index of the failed items, as far as both looked at them."""
    here, there = looked_at(finding.items, other), looked_at(other.items, finding)
    common = len(here & there)
    return 0 < common >= SAME_ITEMS * (len(here) + len(there) - common)


def looked_at(items: frozenset[int], other: Finding) -> frozenset[int]:
    """Those of the items that the other finding could have had."""
    return items if other.seen is None else items & other.seen


def with_twin(kept: Finding, other: Finding) -> Finding:
    """The other's name beside it, unless it says the same items with less precision."""
    names = {kept.text, *kept.also}
    if other.by_chance or other.text in names or other.precision < AS_PRECISE * kept.precision:
        return kept
    return replace(kept, also=(*kept.also, other.text))


def is_covered(finding: Finding, kept: Iterable[Finding]) -> bool:
    """Whether it would not be news if the failures that stronger findings have were taken out.

    A run within a window, a window within a worker's items, all failures beside those of one kind are parts and views
    of a cause, not causes. What is left of another cause is still far from chance.
    """
    sharing = [other for other in kept if other.items & finding.items and not has_own_place(finding, other)]
    if not sharing:
        return False
    covered = frozenset().union(*(looked_at(other.items, finding) for other in sharing))
    inside = len(covered & finding.items)
    if not inside:
        return False
    if inside >= SAME_ITEMS * len(finding.items):
        return True
    scale = finding.failed / len(finding.items)
    gone = round(inside * scale)
    same_stream = (other.items for other in sharing if finding.stream in (other.stream, EVERYTHING))
    elsewhere = round(len(frozenset().union(*same_stream) - finding.items) * scale)
    return chance_of_rest(finding, gone, min(elsewhere, finding.others_failed)) > NEWS_BELOW


def chance_of_rest(finding: Finding, gone: int, elsewhere: int) -> float:
    """How often chance alone would leave as many failures here, once these many are taken out, here and elsewhere."""
    left, size = finding.failed - gone, finding.size - gone
    failures = left + finding.others_failed - elsewhere
    return tail(left, size + finding.others - elsewhere, failures, size)


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
