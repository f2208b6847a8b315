"""False alarms in ten families of clean batches: `python -m tests.bench.triage_families [--seed N] [--batches N]`.

A false alarm is a finding that is not marked as possible chance. Besides: batches that are looked at four times while
they run, and large ones, of which the portal reads a sample.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from datetime import timedelta

from errors.detectors import Finding, Stream, Summary, find
from errors.detectors.conditions import slim
from errors.detectors.periods import USUAL_SIZES
from tests.bench.triage_batches import (
    BEGIN,
    FAMILIES,
    SAMPLE,
    Course,
    Run,
    circumstances,
    kinds_of,
    log_uniform,
    ran,
    rows_of,
    timeouts,
    usual,
)

LEAST_FAILED = 5
LOOKS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=4_711)
    parser.add_argument("--batches", type=int, default=100)
    names = [*(family.__name__ for family in FAMILIES), *LARGER]
    parser.add_argument("--families", nargs="+", choices=names, default=names)
    arguments = parser.parse_args()
    chance, batches = random.Random(arguments.seed), arguments.batches
    families = [family for family in FAMILIES if family.__name__ in arguments.families]
    alarms = sum(report(family.__name__, batches, looked_at_once, family, chance) for family in families)
    whole = batches * len(families)
    if whole:
        print(f"false alarms in all: {alarms} of {whole:,} ({100 * alarms / whole:.2f} %; at most 1 %)")
    for name in (name for name in LARGER if name in arguments.families):
        title, share, look, make = LARGER[name]
        report(title, max(1, round(batches * share)), look, make, chance)


Make = Callable[[random.Random], Run]
Look = Callable[[Run, random.Random, str], list[Finding]]


def report(name: str, batches: int, look: Look, make: Make, chance: random.Random) -> int:
    alarms: list[Finding] = []
    for _ in range(batches):
        category = "timeout" if make is timeouts else ""
        alarms += look(make(chance), chance, category)[:1]
    print(f"false alarms, {name.replace('_', ' ')}: {len(alarms)} of {batches:,}", flush=True)
    for finding in alarms[:5]:
        print(f"  {finding.detector}, {finding.confidence}, p = {finding.p:.1e}: {finding.sentence}", flush=True)
    return len(alarms)


def sized(least: int, most: int) -> Make:
    def make(chance: random.Random) -> Run:
        run = usual(chance)
        run.total, run.rate = chance.randint(least, most), log_uniform(0.005, 0.3, chance)
        run.speeds = [1.0] * chance.randint(1, 8)
        return run

    return make


def alarms_in(summary: Summary) -> list[Finding]:
    return [finding for finding in find(summary) if not finding.by_chance]


def looked_at_once(run: Run, chance: random.Random, category: str) -> list[Finding]:
    course = ran(run, chance)
    return alarms_in(summary_of(run, course, kinds_of(course.failed, chance, category), chance))


def looked_at_often(run: Run, chance: random.Random, category: str) -> list[Finding]:
    """After each quarter of the time, and at the end: one alarm at any of them is one."""
    course = ran(run, chance)
    whole = summary_of(run, course, kinds_of(course.failed, chance, category), chance)
    over = sorted(course.ended)
    alarms: list[Finding] = []
    for peek in range(1, LOOKS + 1):
        until = over[len(over) * peek // LOOKS - 1]
        alarms += alarms_in(part_of(whole, [n for n in range(run.total) if course.ended[n] <= until], peek))
    return alarms


def part_of(whole: Summary, settled: list[int], peek: int) -> Summary:
    """The batch as it looks while only these have an outcome."""
    inside = frozenset(settled)
    streams = [Stream(each.name, [n for n in each.failed if n in inside]) for each in whole.streams]
    return Summary(
        total=len(settled),
        streams=[stream for stream in streams if len(stream.failed) >= LEAST_FAILED],
        order=None if whole.order is None else [n for n in whole.order if n in inside],
        rows={n: whole.rows[n] for n in settled},
        sizes=whole.sizes,
        peek=peek,
        started={n: whole.started[n] for n in settled},
        ended={n: at for n, at in whole.ended.items() if n in inside},
        positions=settled,
    )


def summary_of(run: Run, course: Course, kinds: dict[str, list[int]], chance: random.Random) -> Summary:
    """As the portal reads a batch that is over: of a large one the payloads of a sample, and of what failed."""
    streams = [Stream(name, failed) for name, failed in kinds.items() if len(failed) >= LEAST_FAILED]
    distinct = {tuple(stream.failed): stream for stream in reversed(streams)}
    order = sorted(range(run.total), key=lambda n: (course.started[n], n))
    sample = frozenset(chance.sample(range(run.total), SAMPLE)) if run.total > SAMPLE else None
    rows = rows_of(run.total, chance, 30 if sample is None else 12)
    if sample is not None:
        read = sample | course.failed if len(course.failed) <= SAMPLE else sample
        rows = {n: rows[n] for n in sorted(read)}
    return Summary(
        total=run.total,
        streams=list(reversed(distinct.values())),
        order=None if order == list(range(run.total)) else order,
        rows={n: {**slim(row), **circumstances(n, course, run)} for n, row in rows.items()},
        sample=sample,
        sizes=sorted({run.every, *USUAL_SIZES}),
        started={n: BEGIN + timedelta(seconds=at) for n, at in enumerate(course.started)},
        ended={n: BEGIN + timedelta(seconds=course.ended[n]) for n in course.failed_first},
    )


LARGER: dict[str, tuple[str, float, Look, Make]] = {
    "looks": ("looked at 4 times while running", 0.15, looked_at_often, usual),
    "large": ("20,000 to 80,000 items", 0.024, looked_at_once, sized(20_000, 80_000)),
    "largest": ("120,000 to 200,000 items", 0.01, looked_at_once, sized(120_000, 200_000)),
}
"""Title, batches for each of a family, how it is looked at, and what makes a batch."""


if __name__ == "__main__":
    main()
