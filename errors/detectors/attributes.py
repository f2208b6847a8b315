"""D5: which attribute of the items explains the failures, in natural frequencies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from errors.detectors.columns import Table, Tally, table_of
from errors.detectors.conditions import Condition
from errors.detectors.findings import Finding, Stream, Summary, confidence
from errors.detectors.statistics import llr, tail

MIN_SUPPORT = 5
MIN_FAILURES = 5
MIN_COVERAGE = 0.2
MIN_RISK = 2.0
MIN_DIFFERENCE = 0.2
SAME_ITEMS = 0.95
MAX_CONDITIONS = 3
KEPT_INSIDE = 0.8
BETTER_INSIDE = 1.5


@dataclass(frozen=True, slots=True)
class Universe:
    """The items of one test: all failed ones at hand, and the others that were drawn without regard to the outcome."""

    items: Sequence[int]
    failed: frozenset[int]
    weight: float = 1.0
    """How many items of the batch one that did not fail stands for, in units of one that failed."""
    is_whole: bool = False
    """Whether they are all items that are at hand."""

    def without(self, gone: Collection[int]) -> Universe:
        items = [item for item in self.items if item not in gone]
        return Universe(items, self.failed.difference(gone), self.weight)

    def within(self, kept: Collection[int]) -> Universe:
        items = [item for item in self.items if item in kept]
        return Universe(items, self.failed.intersection(kept), self.weight)


@dataclass(frozen=True, slots=True)
class Tested:
    """A condition that passed: its counts, its chance times the number of conditions tried, and how far it is off."""

    tally: Tally
    p: float
    raw_p: float
    llr: float


def attributes(summary: Summary) -> list[Finding]:
    """Up to three conditions a stream, each with its equivalents."""
    if not summary.rows:
        return []
    table = table_of(summary.rows)
    return [finding for stream in summary.streams for finding in explain(stream, summary, table)]


def explain(stream: Stream, summary: Summary, table: Table) -> Iterator[Finding]:
    """The best condition, then the best for what it leaves, and so on."""
    whole = left = universe_of(stream, summary, table)
    least = max(MIN_FAILURES, MIN_COVERAGE * len(left.failed))
    for _ in range(MAX_CONDITIONS):
        passing = passing_conditions(left, table, summary.alpha, least)
        if not passing:
            return
        best = passing[0]
        covered = table.covers(best.tally.condition, left.items)
        also = [
            tested.tally.condition.text
            for tested in passing[1:]
            if same_items(tested, best, covered, table, left.items)
        ]
        narrower = refine(best, left.within(covered), table, summary.alpha)
        conditions = [best.tally.condition, *([narrower] if narrower else [])]
        hit = covered if narrower is None else table.covers(narrower, sorted(covered))
        yield described(stream, summary, whole, conditions, hit, best, also, len(table.columns))
        left = left.without(covered)


def universe_of(stream: Stream, summary: Summary, table: Table) -> Universe:
    failed = frozenset(stream.failed).intersection(summary.rows)
    items = table.items if summary.sample is None else sorted(failed | summary.sample.intersection(summary.rows))
    share, passed = len(failed) / max(1, len(stream.failed)), len(items) - len(failed)
    weight = share * (summary.total - len(stream.failed)) / passed if passed else 1.0
    return Universe(items, failed, weight, is_whole=len(items) == len(summary.rows))


def passing_conditions(universe: Universe, table: Table, alpha: float, least: float) -> list[Tested]:
    """Conditions whose items fail at twice the rate of the others, and not by chance; the most telling first."""
    tried = [tally for tally in counted(universe, table) if supported(tally, universe)]
    total, failures = len(universe.items), len(universe.failed)
    passed = []
    for tally in tried:
        if tally.failed >= least and is_riskier(tally, total, failures, universe.weight):
            p = tail(tally.failed, total, failures, tally.items)
            if p * len(tried) <= alpha:
                passed.append(Tested(tally, p * len(tried), p, llr(tally.failed, tally.items, failures, total)))
    return sorted(passed, key=lambda tested: -tested.llr)


def counted(universe: Universe, table: Table) -> Iterator[Tally]:
    items = None if universe.is_whole else table.chosen(universe.items)
    failed = table.chosen(universe.failed)
    for column in table.columns.values():
        yield from column.tallies(column.whole if items is None else column.frame(items), failed)


def supported(tally: Tally, universe: Universe) -> bool:
    """Blind to outcomes, so that counting what is left is an honest correction."""
    return MIN_SUPPORT <= tally.items <= len(universe.items) - MIN_SUPPORT


def is_riskier(tally: Tally, total: int, failures: int, weight: float) -> bool:
    """Whether items fail here twice as often as elsewhere, or pass half as often, where most of the batch fails."""
    here = risk(tally.failed, tally.items, weight)
    there = risk(failures - tally.failed, total - tally.items, weight)
    passes_less = 1 - there >= MIN_RISK * (1 - here) and here - there >= MIN_DIFFERENCE
    return passes_less or relative_risk(tally, total, failures, weight) >= MIN_RISK


def relative_risk(tally: Tally, total: int, failures: int, weight: float = 1.0) -> float:
    """How much more often items fail here than elsewhere."""
    here = risk(tally.failed, tally.items, weight)
    return here / risk(failures - tally.failed, total - tally.items, weight)


def risk(failed: int, items: int, weight: float) -> float:
    """The share of items that fail, smoothed by half a failure; `weight` as of a `Universe`."""
    return (failed + 0.5) / (failed + weight * (items - failed) + 1)


def same_items(tested: Tested, best: Tested, covered: frozenset[int], table: Table, items: Sequence[int]) -> bool:
    """Whether a condition holds for nearly the same items."""
    smaller, larger = sorted((tested.tally.items, best.tally.items))
    if smaller < SAME_ITEMS * larger:
        return False
    other = table.covers(tested.tally.condition, items)
    return len(other & covered) >= SAME_ITEMS * len(other | covered)


def refine(best: Tested, inside: Universe, table: Table, alpha: float) -> Condition | None:
    """A second condition that keeps most of the failures and makes the first much more precise."""
    precision = BETTER_INSIDE * best.tally.failed / best.tally.items
    for tested in passing_conditions(inside, table, alpha, KEPT_INSIDE * len(inside.failed)):
        if tested.tally.failed >= precision * tested.tally.items:
            return tested.tally.condition
    return None


def described(
    stream: Stream,
    summary: Summary,
    universe: Universe,
    conditions: Sequence[Condition],
    hit: frozenset[int],
    best: Tested,
    also: Sequence[str],
    fields_tried: int,
) -> Finding:
    """The finding in numbers of the whole batch, also where only a sample was looked at."""
    failed, failures = hit & universe.failed, len(stream.failed)
    share = failures / max(1, len(universe.failed))
    weight = (summary.total - failures) / max(1, len(universe.items) - len(universe.failed))
    here = round(share * len(failed))
    size = here + round(weight * (len(hit) - len(failed)))
    text = " and ".join(condition.text for condition in conditions)
    return Finding(
        detector="attribute",
        stream=stream.name,
        text=text,
        phrase=f"items with {text}",
        failed=here,
        size=size,
        others_failed=failures - here,
        others=summary.total - size,
        p=min(1.0, best.p),
        llr=llr(here, size, failures, summary.total),
        confidence=confidence(best.p, here),
        items=failed,
        where={
            "fields": [condition.field for condition in conditions],
            "conditions": [{"field": condition.field, "test": list(condition.test)} for condition in conditions],
            "coverage": here / failures,
            "lift": here / size / (failures / summary.total),
            "raw_p": best.raw_p,
            "fields_tried": fields_tried,
            "sampled": summary.sample is not None,
        },
        also=tuple(also),
        seen=universe.failed if len(universe.failed) < failures else None,
    )
