"""`make test`, `make full` and `make quick`: their stages in order, and one closing line for all of them.

What fails fast runs first. The rows of a step run side by side, and the stages of a row one after the other; after one
that failed nothing is begun.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.build import browser

ROOT = Path(__file__).resolve().parents[2]
Step = tuple[tuple[str, ...], ...]
EVERYTHING: tuple[Step, ...] = (
    (("lint",), ("types",), ("engine-alone",)),
    (("unit", "unit-postgresql"), ("browser", "fire")),  # what computes much, and what waits much
)
QUICK: tuple[Step, ...] = ((("lint",), ("types",), ("changed",)),)
PLANS = {"test": EVERYTHING, "full": EVERYTHING, "quick": QUICK}
SEEN = ("unit", "unit-postgresql")
"""The long ones: their output is seen while they run; that of the others is printed in one piece at their end."""


@dataclass(frozen=True)
class Run:
    """How a plan went: stages that failed and that were not begun, and the counts of each pytest run in it."""

    plan: str
    failed: list[str]
    not_begun: list[str]
    counts: list[dict[str, Any]]
    seed: str
    seconds: float


def main(plan: str) -> int:
    if plan != "quick" and browser.main():
        return 1
    ran = run(plan)
    print(closing_line(ran))
    return 1 if ran.failed else 0


def run(plan: str) -> Run:
    began, seed = time.monotonic(), seed_of(plan)
    with tempfile.TemporaryDirectory() as place:
        counts = Path(place) / "counts"
        environment = os.environ | {"PORTAL_SEED": seed, "PORTAL_COUNTS": str(counts)}
        passed: dict[str, bool] = {}
        for step in PLANS[plan]:
            if all(passed.values()):
                take(step, environment, passed)
        lines = counts.read_text().splitlines() if counts.exists() else []
    failed = [stage for stage, well in passed.items() if not well]
    not_begun = [stage for step in PLANS[plan] for row in step for stage in row if stage not in passed]
    return Run(plan, failed, not_begun, [json.loads(line) for line in lines], seed, time.monotonic() - began)


def seed_of(plan: str) -> str:
    """What draws the tenth of `make full` that `make test` runs; PORTAL_SEED draws the same tenth again."""
    return (os.environ.get("PORTAL_SEED") or str(random.SystemRandom().randrange(100_000))) if plan == "test" else ""


def take(step: Step, environment: Mapping[str, str], passed: dict[str, bool]) -> None:
    """Its rows side by side; adds to `passed` each stage that was begun, and whether it went well."""

    def take_row(row: Sequence[str]) -> None:
        for stage in row:
            if stage == row[0] or all(list(passed.values())):
                passed[stage] = True
                passed[stage] = goes_well(stage, environment)

    with ThreadPoolExecutor(len(step)) as pool:
        list(pool.map(take_row, step))


def goes_well(stage: str, environment: Mapping[str, str]) -> bool:
    if stage in SEEN:
        print(f"\n== {stage}\n", end="", flush=True)
        return made(stage, environment, None).returncode == 0
    ended = made(stage, environment, subprocess.PIPE)
    print(f"\n== {stage}\n{ended.stdout}\n", end="", flush=True)
    return ended.returncode == 0


def made(stage: str, environment: Mapping[str, str], output: int | None) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", stage]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
    return subprocess.run(command, cwd=ROOT, env=environment, text=True, check=False, **pipes)


def closing_line(ran: Run) -> str:
    passed, failed, full = (sum(each[name] for each in ran.counts) for name in ("passed", "failed", "full"))
    skipped = sum((Counter(each["skipped"]) for each in ran.counts), Counter())
    reasons = f" ({', '.join(f'{n} {reason}' for reason, n in skipped.most_common())})" if skipped else ""
    parts = [f"{passed} passed, {failed} failed, {skipped.total()} skipped{reasons}"]
    parts += [f"failed in {', '.join(ran.failed)}"] if ran.failed else []
    parts += [f"not begun: {', '.join(ran.not_begun)}"] if ran.not_begun else []
    parts += [f"of make full a tenth, {full} tests, PORTAL_SEED={ran.seed}"] if ran.seed else []
    return f"make {ran.plan}: {'; '.join(parts)}; {ran.seconds / 60:.0f}:{ran.seconds % 60:02.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
