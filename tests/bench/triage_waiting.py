"""Findings while items wait for their next try: `python -m tests.bench.triage_waiting [--seed N] [--batches N]`.

Each clean batch is looked at as a whole, and as it looked while some of its items waited; so is each batch with a
planted cause, beside a batch of only the items that were done. Waiting is allowed no alarm more and no cause less.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from errors.detectors import Stream, Summary
from tests.bench.triage import a_burst, a_period, a_range, an_attribute, overlap, rows_of, seen, shuffled, summary

LEAST_HIT = 15
"""Failures of the cause among what is done, below which nothing can be asked of a look."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=7_313)
    parser.add_argument("--batches", type=int, default=200)
    arguments = parser.parse_args()
    false_alarms(arguments.batches, random.Random(arguments.seed))
    recall(arguments.batches, random.Random(arguments.seed))


def the_thirteenth(total: int, chance: random.Random) -> set[int]:
    return {13}


def a_fifth_at_random(total: int, chance: random.Random) -> set[int]:
    return {n for n in range(total) if chance.random() < 0.2}


def a_stretch(total: int, chance: random.Random) -> set[int]:
    start = chance.randrange(total - total // 4)
    return set(range(start, start + total // 4))


def the_last_third(total: int, chance: random.Random) -> set[int]:
    return set(range(total - total // 3, total))


def every_second(total: int, chance: random.Random) -> set[int]:
    return set(range(0, total, 2))


WAITING: Sequence[Callable[[int, random.Random], set[int]]] = (
    the_thirteenth,
    a_fifth_at_random,
    a_stretch,
    the_last_third,
    every_second,
)


def without(whole: Summary, waiting: set[int]) -> Summary:
    """The batch as it looks while these wait: as if they were not there, under the numbers that the others have."""
    done = [n for n in range(whole.total) if n not in waiting]
    streams = [replace(stream, failed=[n for n in stream.failed if n not in waiting]) for stream in whole.streams]
    return replace(
        whole,
        total=len(done),
        streams=[stream for stream in streams if len(stream.failed) >= 5],
        order=None if whole.order is None else [n for n in whole.order if n not in waiting],
        rows={n: row for n, row in whole.rows.items() if n not in waiting},
        positions=done,
    )


def alone(part: Summary) -> Summary:
    """A batch of only the items that were done, numbered anew."""
    rank: Mapping[int, int] = {n: at for at, n in enumerate(part.positions or ())}
    return replace(
        part,
        streams=[Stream(stream.name, [rank[n] for n in stream.failed]) for stream in part.streams],
        order=None if part.order is None else [rank[n] for n in part.order],
        rows={rank[n]: row for n, row in part.rows.items()},
        positions=None,
    )


def false_alarms(batches: int, chance: random.Random) -> None:
    alarms: dict[str, int] = dict.fromkeys(["nothing", *(way.__name__ for way in WAITING)], 0)
    for _ in range(batches):
        total, rate = chance.randint(100, 3_000), chance.choice((0.005, 0.02, 0.05, 0.1, 0.3))
        failed = {n for n in range(total) if chance.random() < rate}
        whole = summary(total, failed, rows_of(total, chance), shuffled(total, chance), chance)
        alarms["nothing"] += bool(seen(whole))
        for way in WAITING:
            alarms[way.__name__] += bool(seen(without(whole, way(total, chance))))
    for name, count in alarms.items():
        print(f"false alarms, {name.replace('_', ' ')} waiting: {count} of {batches} clean batches")


def recall(batches: int, chance: random.Random) -> None:
    for plant in (a_range, a_period, an_attribute, a_burst):
        counts = {way.__name__: [0, 0, 0] for way in WAITING}
        for _ in range(max(1, batches // 10)):
            total = chance.randint(1_500, 4_000)
            rows, base = rows_of(total, chance), {n for n in range(total) if chance.random() < 0.01}
            failed, order, hit = plant(total, rows, base, chance)
            whole = summary(total, failed, rows, order or shuffled(total, chance), chance)
            for way in WAITING:
                tally(counts[way.__name__], whole, way(total, chance), hit & failed)
        name = plant.__name__.replace("_", " ")
        for way_name, (asked, found, beside) in counts.items():
            beside_it = f"{beside} in a batch of the rest"
            print(f"recall, {name}, {way_name.replace('_', ' ')} waiting: {found} of {asked}; {beside_it}")


def tally(counts: list[int], whole: Summary, waiting: set[int], hit: set[int]) -> None:
    part, left = without(whole, waiting), hit - waiting
    if len(left) < LEAST_HIT:
        return
    counts[0] += 1
    counts[1] += any(overlap(finding.items, left) >= 0.5 for finding in seen(part))
    rank: dict[int, int] = {n: at for at, n in enumerate(part.positions or ())}
    counts[2] += any(overlap(finding.items, {rank[n] for n in left}) >= 0.5 for finding in seen(alone(part)))


if __name__ == "__main__":
    main()
