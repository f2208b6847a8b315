"""`make test`, `make full` and `make quick`: their stages in order, and one closing line for all of them.

What fails fast runs first. The stages of a step run side by side, one that waits much beside one that computes much;
after a step that failed nothing is begun.
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
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.build import browser

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = (("lint", "types", "engine-alone"), ("unit", "browser"), ("unit-postgresql", "fire"))
SEEN = ("unit", "unit-postgresql")
"""The long ones: their output is seen while they run; that of the others is printed in one piece when they have ended."""
PLANS = {"test": EVERYTHING, "full": EVERYTHING, "quick": (("lint", "types", "changed"),)}


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
        failed, steps = [], list(PLANS[plan])
        while steps and not failed:
            failed = failed_of(steps.pop(0), environment)
        lines = counts.read_text().splitlines() if counts.exists() else []
    not_begun = [stage for step in steps for stage in step]
    return Run(plan, failed, not_begun, [json.loads(line) for line in lines], seed, time.monotonic() - began)


def seed_of(plan: str) -> str:
    """What draws the tenth of `make full` that `make test` runs; PORTAL_SEED draws the same tenth again."""
    return (os.environ.get("PORTAL_SEED") or str(random.SystemRandom().randrange(100_000))) if plan == "test" else ""


def failed_of(step: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The stages of the step that failed."""
    with ThreadPoolExecutor(len(step)) as pool:
        running = {pool.submit(begun, stage, environment): stage for stage in step}
        failed = []
        for ended in as_completed(running):
            if ended.result().stdout is not None:
                print(f"\n== {running[ended]}\n{ended.result().stdout}", flush=True)
            failed += [running[ended]] if ended.result().returncode else []
    return failed


def begun(stage: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    if stage not in SEEN:
        return made(stage, environment, subprocess.PIPE)
    print(f"== {stage}", flush=True)
    return made(stage, environment, None)


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
