"""What one look of the detectors costs: `python -m tests.bench.triage_costs [--seed N]`.

Sixteen kinds of failures, fourteen fields, each size in a process of its own. Seconds are of processor time; beside
them stands how long ten million additions took, since a busy machine makes both longer. Reading the batch from the
database is not in it.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
from time import process_time
from typing import Any

from errors.detectors import DETECTORS, Stream, Summary
from errors.detectors.merging import explained_by_windows, merge
from errors.detectors.periods import USUAL_SIZES

SIZES = ((20_000, 0.1, 1, 0), (200_000, 0.07, 5, 300), (1_250_000, 0.62, 20, 400))
"""Items, share that fails, and at most so many seconds and MB; 0: any."""
KINDS = 15
SAMPLE = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1_618)
    parser.add_argument("--size", type=int, default=-1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.size >= 0:
        measure(*SIZES[arguments.size], random.Random(arguments.seed))
        return
    for number in range(len(SIZES)):
        command = [sys.executable, "-m", "tests.bench.triage_costs", "--seed", str(arguments.seed)]
        subprocess.run([*command, "--size", str(number)], check=True)


def row_of(n: int, chance: random.Random) -> dict[str, Any]:
    return {
        "country": chance.choice(("DE", "FR", "IT", "ES", "PL")),
        "customer": f"C{chance.randrange(400):03}",
        "sku": f"S{chance.randrange(5_000):05}",
        "order": f"A-{n:07}",
        "amount": str(round(chance.lognormvariate(4, 1), 2)),
        "quantity": chance.randint(1, 9),
        "day": f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        "email": f"a{n}@example.com" if chance.random() > 0.1 else None,
        "name": "x" * chance.randint(2, 26),
        "express": chance.random() < 0.3,
        "zip": f"{chance.randrange(100_000):05}",
        "weight": chance.random() * 30,
        "attempt's worker": f"host:{n // 10 * 7 % 4}",
        "attempt's host": f"host{n // 10 * 7 % 2}",
    }


def summary_of(total: int, share: float, chance: random.Random) -> Summary:
    """As the portal reads it: of a large batch the payloads of a sample, and of what failed, unless that is more."""
    sample = frozenset(chance.sample(range(total), SAMPLE)) if total > SAMPLE else None
    failed = [n for n in range(total) if chance.random() < share]
    kinds: dict[str, list[int]] = {"any": failed}
    for n in failed:
        kinds.setdefault(f"kind {chance.randrange(KINDS)}", []).append(n)
    wanted = range(total) if sample is None else sample.union(failed) if len(failed) <= SAMPLE else sample
    order = list(range(total))
    for start in range(0, total, 40):
        part = order[start : start + 40]
        chance.shuffle(part)
        order[start : start + 40] = part
    return Summary(
        total,
        [Stream(name, those) for name, those in kinds.items()],
        order=order,
        rows={n: row_of(n, chance) for n in sorted(wanted)},
        sample=sample,
        sizes=sorted({10, *USUAL_SIZES}),
    )


def measure(total: int, share: float, most_seconds: float, most_mb: int, chance: random.Random) -> None:
    summary = summary_of(total, share, chance)
    beside = additions()
    parts, findings = [], []
    began = process_time()
    for detect in DETECTORS:
        start = process_time()
        findings += detect(summary)
        parts.append(f"{detect.__name__.replace('_', ' ')} {process_time() - start:.1f}")
    explained_by_windows(merge(findings))
    seconds, peak = process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    limit = f"at most {most_seconds:g} s" + (f", {most_mb} MB" if most_mb else "")
    print(
        f"{total:,} items, {len(summary.failures):,} failures, {len(summary.streams)} streams: {seconds:.1f} s, "
        f"peak {peak:.0f} MB ({limit}; {', '.join(parts)}; ten million additions {beside:.2f} s)",
        flush=True,
    )


def additions() -> float:
    began, number = process_time(), 0
    for n in range(10_000_000):
        number += n
    return process_time() - began


if __name__ == "__main__":
    main()
