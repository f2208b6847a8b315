"""False alarms by family, and one finding a cause: `python -m tests.bench.triage_causes [--seed N] [--batches N]`.

Batches are made here, from one seed; nothing of the engine is used to make them. A cause is found if a finding holds
half of its failed items or more (Jaccard), and exactly one finding may be said of it.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from typing import Any

from errors.detectors import Finding, Stream, Summary, find

LEAST_FAILED = 12
"""Of a cause in a mixture: others may have failed its items before it, and of fewer nobody could be sure."""
PARTS = ("clean", "causes", "mixtures")
Plant = tuple[str, set[int], list[int] | None]
"""The kind of error, the items it is about that failed, and the order of starts if that is not the input's."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=51_117)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    for family in FAMILIES if "clean" in arguments.parts else ():
        report_family(family, arguments.batches, chance)
    for cause in CAUSES if "causes" in arguments.parts else ():
        report_cause(cause, arguments.batches, chance)
    if "mixtures" in arguments.parts:
        report_mixtures(arguments.batches, chance)


# -- clean batches -----------------------------------------------------------------------------------------------------


def rows_of(total: int, chance: random.Random) -> dict[int, dict[str, Any]]:
    customers = [f"C{chance.randrange(40):03}" for _ in range(total)]
    rows: dict[int, dict[str, Any]] = {
        n: {
            "order": f"A-{n:06}",
            "country": chance.choice(("DE", "FR", "IT", "ES", "PL")),
            "customer": customers[n],
            "amount": round(chance.lognormvariate(4, 1), 2),
            "note": "x" * chance.randint(0, 30),
            "attempt's worker": f"w{n // 10 * 7 % 4}:1",
            "attempt's chunk": str(n // 10),
        }
        for n in range(total)
    }
    for n in rows:
        if chance.random() < 0.1:
            del rows[n]["note"]
    return rows


def summary(total: int, kinds: dict[str, set[int]], rows: Any, order: list[int] | None) -> Summary:
    every = set[int]().union(*kinds.values())
    streams = [Stream(name, sorted(failed)) for name, failed in [("any", every), *kinds.items()] if len(failed) >= 5]
    distinct = {tuple(stream.failed): stream for stream in reversed(streams)}
    return Summary(
        total, list(reversed(distinct.values())), order=order, rows=rows, sizes=[10, 100, 128, 250, 256, 500]
    )


def at_random(total: int, share: float, chance: random.Random) -> dict[str, set[int]]:
    kinds: dict[str, set[int]] = {}
    for n in range(total):
        if chance.random() < share:
            kinds.setdefault(chance.choice("abc"), set()).add(n)
    return kinds


def steady(chance: random.Random) -> Summary:
    total = chance.randint(50, 1_500)
    return summary(total, at_random(total, chance.uniform(0.01, 0.2), chance), rows_of(total, chance), None)


def lanes(chance: random.Random) -> Summary:
    total = chance.randint(100, 1_500)
    order = sorted(range(total), key=lambda n: n + chance.randrange(200))
    return summary(total, at_random(total, chance.uniform(0.01, 0.3), chance), rows_of(total, chance), order)


def most_fail(chance: random.Random) -> Summary:
    total = chance.randint(50, 1_500)
    return summary(total, at_random(total, chance.uniform(0.3, 0.6), chance), rows_of(total, chance), None)


def few_fail(chance: random.Random) -> Summary:
    total = chance.randint(500, 2_000)
    return summary(total, at_random(total, chance.uniform(0.005, 0.02), chance), rows_of(total, chance), None)


def sorted_by_amount(chance: random.Random) -> Summary:
    total = chance.randint(200, 1_500)
    rows = dict(enumerate(sorted(rows_of(total, chance).values(), key=lambda row: row["amount"])))
    return summary(total, at_random(total, chance.uniform(0.01, 0.3), chance), rows, None)


FAMILIES: tuple[Callable[[random.Random], Summary], ...] = (steady, lanes, most_fail, few_fail, sorted_by_amount)


def said(batch: Summary) -> list[Finding]:
    """What stands as a finding, not as something that may be chance."""
    return [finding for finding in find(batch) if not finding.by_chance]


def report_family(family: Callable[[random.Random], Summary], batches: int, chance: random.Random) -> None:
    alarms = sum(bool(said(family(chance))) for _ in range(5 * batches))
    print(f"false alarms, {family.__name__.replace('_', ' ')}: {alarms} of {5 * batches}")


# -- causes ------------------------------------------------------------------------------------------------------------


def some(items: Any, share: float, chance: random.Random) -> set[int]:
    return {n for n in items if chance.random() < share}


def a_range(total: int, rows: Any, chance: random.Random) -> Plant:
    start, size = chance.randrange(total - 160), chance.randint(30, 150)
    return "range", some(range(start, start + size), chance.uniform(0.5, 1), chance), None


def a_burst(total: int, rows: Any, chance: random.Random) -> Plant:
    order = sorted(range(total), key=lambda n: n + chance.randrange(300))
    start = chance.randrange(total - 120)
    return "burst", some(order[start : start + 100], chance.uniform(0.5, 1), chance), order


def a_value(total: int, rows: Any, chance: random.Random) -> Plant:
    return "value", some([n for n in rows if rows[n]["country"] == "DE"], chance.uniform(0.3, 1), chance), None


def a_threshold(total: int, rows: Any, chance: random.Random) -> Plant:
    cut = chance.uniform(100, 200)
    return "threshold", some([n for n in rows if rows[n]["amount"] > cut], chance.uniform(0.4, 1), chance), None


def an_absence(total: int, rows: Any, chance: random.Random) -> Plant:
    return "missing", some([n for n in rows if "note" not in rows[n]], chance.uniform(0.4, 1), chance), None


def a_worker(total: int, rows: Any, chance: random.Random) -> Plant:
    return (
        "worker",
        some([n for n in rows if rows[n]["attempt's worker"] == "w1:1"], chance.uniform(0.3, 1), chance),
        None,
    )


def a_period(total: int, rows: Any, chance: random.Random) -> Plant:
    period = chance.randint(7, 40)
    return "period", some(range(chance.randrange(period), total, period), chance.uniform(0.6, 1), chance), None


def from_a_moment_on(total: int, rows: Any, chance: random.Random) -> Plant:
    return "moment", some(range(round(total * chance.uniform(0.4, 0.8)), total), chance.uniform(0.4, 1), chance), None


CAUSES = (a_range, a_burst, a_value, a_threshold, an_absence, a_worker, a_period, from_a_moment_on)


def planted(causes: Any, chance: random.Random) -> tuple[list[Finding], list[set[int]]]:
    total = chance.randint(800, 1_600)
    rows = rows_of(total, chance)
    plants = [cause(total, rows, chance) for cause in causes]
    kinds = at_random(total, chance.uniform(0.002, 0.03), chance)
    gone: set[int] = set()
    for name, failed, _ in plants:
        kinds[name] = failed - gone
        gone |= failed
    kinds = {name: failed - (gone if name in "abc" else set()) for name, failed in kinds.items()}
    order = next((order for _, _, order in plants if order), None)
    return said(summary(total, kinds, rows, order)), [kinds[name] for name, _, _ in plants]


def overlap(finding: Finding, failed: set[int]) -> float:
    return len(finding.items & failed) / len(finding.items | failed)


def report_cause(cause: Any, batches: int, chance: random.Random) -> None:
    found = single = 0
    for _ in range(batches):
        findings, (failed,) = planted([cause], chance)
        found += any(overlap(finding, failed) >= 0.5 for finding in findings)
        single += len(findings) == 1
    print(f"{cause.__name__.replace('_', ' ')}: {found} of {batches} found, {single} with exactly one finding")


def report_mixtures(batches: int, chance: random.Random) -> None:
    exact = swallowed = causes = 0
    for _ in range(batches):
        mixed = chance.sample(CAUSES, chance.choice((2, 3)))
        findings, plants = planted(mixed, chance)
        plants = [failed for failed in plants if len(failed) >= LEAST_FAILED]
        hits = [any(overlap(finding, failed) >= 0.5 for finding in findings) for failed in plants]
        causes, swallowed = causes + len(plants), swallowed + hits.count(False)
        exact += all(hits) and len(findings) == len(plants)
    print(f"mixtures: {exact} of {batches} with one finding a cause; {swallowed} of {causes} causes swallowed")


if __name__ == "__main__":
    main()
