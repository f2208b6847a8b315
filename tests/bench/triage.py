"""The triage engine: false alarms, what it finds of what was planted, and what recording and reading errors costs.

`python -m tests.bench.triage [--seed N]`. Batches are made here, from one seed; nothing of the engine is used to make
them. A false alarm is any finding in a batch whose failures were drawn at random.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from time import perf_counter
from typing import Any

from errors.detectors import Finding, Stream, Summary, find

CLEAN, PLANTED = 1_000, 100
RECORDED, ROUNDS = 5_000, 3
RECORDS = 1_000_000
Planted = tuple[set[int], list[int] | None, set[int]]
"""The failed items, the order in which the items finished, and the items that the finding should be about."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=20_260)
    chance = random.Random(parser.parse_args().seed)
    false_alarms(chance)
    recall(chance)
    large(chance)
    on_postgresql("recording")
    on_postgresql("report")


# -- the batches -------------------------------------------------------------------------------------------------------


def rows_of(total: int, chance: random.Random) -> dict[int, dict[str, Any]]:
    """Payloads that have nothing to do with what fails."""
    countries, names = ["DE", "FR", "IT", "ES", "PL", "NL", "AT"], "abcdefghijklmnopqrstuvwxyz"
    return {
        n: {
            "country": chance.choice(countries),
            "amount": round(chance.lognormvariate(4, 1), 2),
            "email": None if chance.random() < 0.1 else f"a{n}@example.com",
            "name": names[: chance.randint(2, 26)],
            "line": n,
            "express": chance.random() < 0.3,
        }
        for n in range(total)
    }


def shuffled(total: int, chance: random.Random) -> list[int]:
    order = list(range(total))
    for start in range(0, total, 40):  # four lanes are never far apart
        part = order[start : start + 40]
        chance.shuffle(part)
        order[start : start + 40] = part
    return order


def summary(total: int, failed: set[int], rows: Any, order: list[int] | None, chance: random.Random) -> Summary:
    """All failures, and those of each of three kinds if there are enough of them."""
    kinds: dict[str, list[int]] = {"any": sorted(failed)}
    for index in sorted(failed):
        kinds.setdefault(chance.choice(("network", "validation", "timeout")), []).append(index)
    streams = [Stream(kind, indices) for kind, indices in kinds.items() if len(indices) >= 5]
    return Summary(total, streams, order=order, rows=rows, sizes=[10])


def false_alarms(chance: random.Random) -> None:
    wrong = []
    for number in range(CLEAN):
        total, rate = chance.randint(100, 3_000), chance.choice((0.005, 0.02, 0.05, 0.1, 0.3))
        failed = {n for n in range(total) if chance.random() < rate}
        found = seen(summary(total, failed, rows_of(total, chance), shuffled(total, chance), chance))
        wrong += [(number, one.sentence) for one in found[:1]]
    print(f"false alarms: {len(wrong)} of {CLEAN:,} clean batches ({100 * len(wrong) / CLEAN:.1f} %; at most 1 %)")
    for number, sentence in wrong[:5]:
        print(f"  batch {number}: {sentence}")


def seen(batch: Summary) -> list[Finding]:
    """What would be said as a finding, not as something that may be chance."""
    return [found for found in find(batch) if not found.by_chance]


def a_range(total: int, rows: Any, base: set[int], chance: random.Random) -> Planted:
    start = chance.randrange(total - 60)
    return base | {n for n in range(start, start + 60) if chance.random() < 0.6}, None, set(range(start, start + 60))


def a_period(total: int, rows: Any, base: set[int], chance: random.Random) -> Planted:
    period = chance.randint(3, 50)
    residue = chance.randrange(period)
    hit = set(range(residue, total, period))
    return base | {n for n in hit if chance.random() < 0.5}, None, hit


def an_attribute(total: int, rows: Any, base: set[int], chance: random.Random) -> Planted:
    field, tests = chance.choice(ATTRIBUTES)
    hit = {n for n in range(total) if tests(rows[n][field])}
    return base | {n for n in hit if chance.random() < 0.5}, None, hit


ATTRIBUTES: list[tuple[str, Callable[[Any], bool]]] = [
    ("country", lambda value: value == "DE"),
    ("email", lambda value: value is None),
    ("amount", lambda value: value > 200),
    ("name", lambda value: len(value) > 22),
]


def a_burst(total: int, rows: Any, base: set[int], chance: random.Random) -> Planted:
    """Fifty items that happened to run one after the other, wherever they stand in the input."""
    order = list(range(total))
    chance.shuffle(order)
    start = chance.randrange(total - 50)
    hit = set(order[start : start + 50])
    return base | {n for n in hit if chance.random() < 0.7}, order, hit


def recall(chance: random.Random) -> None:
    for plant in (a_range, a_period, an_attribute, a_burst):
        found, first = 0, 0
        for _ in range(PLANTED):
            total = chance.randint(1_500, 4_000)
            rows, base = rows_of(total, chance), {n for n in range(total) if chance.random() < 0.01}
            failed, order, hit = plant(total, rows, base, chance)
            said = seen(summary(total, failed, rows, order or shuffled(total, chance), chance))
            right = [overlap(one.items, hit & failed) >= 0.5 for one in said]
            found, first = found + any(right), first + bool(right and right[0])
        name = plant.__name__.replace("_", " ")
        print(f"recall, {name}: {found} of {PLANTED} found, {first} of them as the first finding (at least 95 %)")


def overlap(one: frozenset[int], other: set[int]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def large(chance: random.Random) -> None:
    """200,000 items, as the portal reads them: payloads of 20,000 and of what failed."""
    total = 200_000
    base = {n for n in range(total) if chance.random() < 0.02}
    failed = base | set(range(50_000, 50_400))
    drawn = frozenset(chance.sample(range(total), 20_000))
    some = rows_of(total, chance)
    rows = {n: some[n] for n in sorted(drawn | failed)}
    del some
    one = summary(total, failed, rows, shuffled(total, chance), chance)
    one = Summary(total, one.streams, order=one.order, rows=rows, sample=drawn, sizes=[10])
    began = perf_counter()
    found = seen(one)
    seconds = perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = f"{seconds:.1f} s, peak {peak:.0f} MB, {len(found)} findings"
    print(f"detectors: {total:,} items in {figures} (at most 5 s, 300 MB)")


# -- the database ------------------------------------------------------------------------------------------------------


def on_postgresql(what: str) -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    end_in_order()
    server = PostgreSQL(settings=("fsync=on", "synchronous_commit=on")).start()
    try:
        with tempfile.TemporaryDirectory() as var:
            chosen = {"PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings", "LOG_LEVEL": "ERROR"}
            chosen |= {"DATABASE_URL": server.create("bench"), "CELERY_BROKER_URL": "memory://"}
            command = [sys.executable, "-m", "tests.bench.triage_tables", what]
            subprocess.run(command, env=os.environ | chosen, check=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
