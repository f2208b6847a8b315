"""Batches in which nothing but chance decides what fails, as they run: input, lanes, calls side by side, retries.

For `bench.triage_families`. Nothing of the engine or of the detectors is used to make them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import exp, log
from typing import Any

from errors.detectors.conditions import CIRCUMSTANCE_PREFIX, Word

Column = Callable[[int], Any]
BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)
HOUR = 3_600.0
SAMPLE = 20_000
CATEGORIES = ("network", "validation", "timeout", "defect", "conflict", "upstream")


@dataclass(slots=True)
class Run:
    """How a batch runs: `speeds` a lane, `parallel` calls side by side in each, pauses as (item, seconds).

    `rate` of the items fail; `attempts` are made of each before it is given up; `seconds` draws how long an attempt
    takes, by whether it fails; one that takes longer than `limit` fails for that.
    """

    total: int
    rate: float
    speeds: Sequence[float] = (1.0,)
    hosts: int = 1
    parallel: int = 1
    attempts: int = 1
    limit: float | None = None
    pauses: dict[int, float] = field(default_factory=dict)
    every: int = 10
    seconds: Callable[[bool], float] = lambda fails: 0.05


@dataclass(slots=True)
class Course:
    """What came of a run: when first attempts began and ended, who made them, and which items failed finally."""

    started: list[float]
    ended: list[float]
    workers: list[str]
    failed: set[int]
    failed_first: set[int]


def log_uniform(low: float, high: float, chance: random.Random) -> float:
    return exp(chance.uniform(log(low), log(high)))


def ran(run: Run, chance: random.Random) -> Course:
    """Chunk by chunk, each taken by the lane that is free first; its calls side by side, as many as it may."""
    total = run.total
    course = Course([0.0] * total, [0.0] * total, [""] * total, set(), set())
    lanes = [(0.0, lane) for lane in range(len(run.speeds))]
    poison = {n for n in range(total) if chance.random() < run.rate} if run.attempts > 1 else set()
    for first in range(0, total, run.every):
        now, lane = heapq.heappop(lanes)
        now += run.pauses.get(first, 0.0)
        slots = [now] * run.parallel
        for n in range(first, min(first + run.every, total)):
            begin = heapq.heappop(slots)
            end = attempted(n, begin, run, lane, course, poison, chance)
            heapq.heappush(slots, end)
        heapq.heappush(lanes, (max(slots), lane))
    return course


def attempted(
    n: int, begin: float, run: Run, lane: int, course: Course, poison: set[int], chance: random.Random
) -> float:
    """The first attempt of an item; the others come later and change nothing but what becomes of it."""
    fails = n in poison or chance.random() < (run.rate if run.attempts == 1 else 0.3)
    seconds = run.seconds(fails) * run.speeds[lane]
    if run.limit is not None:
        fails, seconds = seconds > run.limit, min(seconds, run.limit)
    course.started[n], course.ended[n] = begin, begin + seconds
    course.workers[n] = f"host{lane % run.hosts}:{100 + lane}"
    if fails:
        course.failed_first.add(n)
        if n in poison or all(chance.random() < 0.3 for _ in range(run.attempts - 1)):
            course.failed.add(n)
    return begin + seconds


# -- the input ---------------------------------------------------------------------------------------------------------


def rows_of(total: int, chance: random.Random, most: int = 30) -> dict[int, dict[str, Any]]:
    """5 to 30 fields: names, numbers, dates, nested, missing, correlated, constant; some files are sorted by one."""
    columns = {f"f{number}": chance.choice(COLUMNS)(total, chance) for number in range(chance.randint(5, most))}
    source = chance.choice(sorted(columns))
    columns["twin"] = lambda n: f"{columns[source](n)}"[:2]
    as_text, gaps = chance.random() < 0.4, chance.choice(sorted(columns))
    rows = [{name: column(n) for name, column in columns.items()} for n in range(total)]
    for row in rows:
        if chance.random() < 0.08:
            del row[gaps]
        if as_text:
            row.update({name: "" if value is None else str(value) for name, value in row.items()})
    if chance.random() < 0.35:
        by = chance.choice(sorted(columns))
        rows.sort(key=lambda row: (str(type(row.get(by))), str(row.get(by))))
    return dict(enumerate(rows))


def chosen(values: Sequence[Any]) -> Column:
    return values.__getitem__


def categories(total: int, chance: random.Random) -> Column:
    names = [f"v{n}" for n in range(round(log_uniform(2, 60, chance)))]
    weights = [chance.expovariate(1) for _ in names]
    return chosen(chance.choices(names, weights, k=total))


def amounts(total: int, chance: random.Random) -> Column:
    return chosen([round(chance.lognormvariate(4, 1.2), 2) for _ in range(total)])


def identifiers(total: int, chance: random.Random) -> Column:
    return lambda n: f"A-{n:07}"


def days(total: int, chance: random.Random) -> Column:
    span = chance.randint(1, 400)
    return chosen([f"{BEGIN - timedelta(days=chance.randrange(span)):%Y-%m-%d}" for _ in range(total)])


def nested(total: int, chance: random.Random) -> Column:
    values = [{"zip": f"{chance.randrange(100_000):05}", "lines": chance.randint(1, 9)} for _ in range(total)]
    return chosen(values)


def lists(total: int, chance: random.Random) -> Column:
    return chosen([["x"] * chance.randint(0, 8) for _ in range(total)])


def flags(total: int, chance: random.Random) -> Column:
    share = chance.uniform(0.02, 0.5)
    return chosen([chance.random() < share for _ in range(total)])


def texts(total: int, chance: random.Random) -> Column:
    return chosen(["x" * chance.randint(0, 40) if chance.random() > 0.05 else None for _ in range(total)])


def constant(total: int, chance: random.Random) -> Column:
    return lambda n: "EUR"


COLUMNS = (categories, categories, amounts, amounts, identifiers, days, nested, lists, flags, texts, constant)


def circumstances(n: int, course: Course, run: Run) -> dict[str, Any]:
    """As the portal adds them to a payload."""
    worker = course.workers[n]
    values = {"host": worker.split(":")[0], "worker": worker}
    values["hour"] = f"{BEGIN + timedelta(seconds=course.started[n]):%H}:00 UTC"
    if run.total <= 200 * run.every:
        values["chunk"] = f"{n // run.every + 1:,}"
    return {CIRCUMSTANCE_PREFIX + name: Word(value) for name, value in values.items()}


def kinds_of(failed: set[int], chance: random.Random, one: str = "") -> dict[str, list[int]]:
    """The failures by category and by group, at random: one to six groups; `one` is the category of all."""
    groups = [(chance.choice(CATEGORIES), f"g{n}") for n in range(chance.randint(1, 6))]
    weights = [chance.expovariate(1) for _ in groups]
    kinds: dict[str, list[int]] = {"any": sorted(failed)}
    for n in sorted(failed):
        category, group = chance.choices(groups, weights)[0]
        kinds.setdefault(one or category, []).append(n)
        kinds.setdefault(group, []).append(n)
    return kinds


# -- the families ------------------------------------------------------------------------------------------------------


def usual(chance: random.Random) -> Run:
    total = round(log_uniform(50, 2_000, chance))
    return Run(total, log_uniform(0.001, 0.6, chance), every=chance.choice((10, 20, 50)))


def lanes_of(chance: random.Random, least: int = 2) -> dict[str, Any]:
    count = chance.randint(least, 8)
    return {"speeds": [chance.uniform(1, 12) for _ in range(count)], "hosts": chance.randint(1, 3)}


def steady(chance: random.Random) -> Run:
    return usual(chance)


def lanes_of_different_speed(chance: random.Random) -> Run:
    return replace(usual(chance), **lanes_of(chance), seconds=lambda fails: chance.uniform(0.01, 0.1))


def ramps_and_pauses(chance: random.Random) -> Run:
    run = replace(usual(chance), **lanes_of(chance, 1))
    chunks = range(0, run.total, run.every)
    pauses = {chance.choice(chunks): chance.uniform(1, 5) * HOUR for _ in range(3)}
    return replace(run, pauses={n: n / run.total for n in chunks} | pauses)


def retry_storms(chance: random.Random) -> Run:
    return replace(usual(chance), **lanes_of(chance, 1), attempts=chance.randint(3, 5))


def heavy_tailed_durations(chance: random.Random) -> Run:
    return replace(usual(chance), **lanes_of(chance, 1), seconds=lambda fails: 0.02 * chance.paretovariate(1.1))


def slow_or_fast_failures(chance: random.Random) -> Run:
    factor = chance.choice((0.01, chance.uniform(10, 60)))
    return replace(usual(chance), **lanes_of(chance, 1), seconds=lambda fails: 0.05 * (factor if fails else 1.0))


def timeouts(chance: random.Random) -> Run:
    run, side_by_side = usual(chance), chance.random() < 0.5
    more: dict[str, Any] = {"parallel": chance.randint(8, 16)} if side_by_side else {}
    more |= {} if side_by_side else {"speeds": [1.0] * chance.randint(1, 8)}
    limit = 0.05 * run.rate ** (-1 / 1.2)
    return replace(run, **more, limit=limit, seconds=lambda fails: 0.05 * chance.paretovariate(1.2))


def calls_side_by_side(chance: random.Random) -> Run:
    return replace(usual(chance), parallel=chance.randint(4, 32), seconds=lambda fails: chance.expovariate(4))


def most_fail(chance: random.Random) -> Run:
    return replace(usual(chance), **lanes_of(chance, 1), rate=chance.uniform(0.3, 0.6))


def few_fail(chance: random.Random) -> Run:
    return replace(usual(chance), **lanes_of(chance, 1), rate=log_uniform(0.001, 0.02, chance))


FAMILIES: tuple[Callable[[random.Random], Run], ...] = (
    steady,
    lanes_of_different_speed,
    ramps_and_pauses,
    retry_storms,
    heavy_tailed_durations,
    slow_or_fast_failures,
    timeouts,
    calls_side_by_side,
    most_fail,
    few_fail,
)
