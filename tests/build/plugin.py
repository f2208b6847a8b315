"""What `make test`, `make full` and `make quick` ask of pytest: a share of the long tests, counts, an end in time.

PORTAL_SEED  a tenth of the tests marked `full` runs, drawn by this seed; without it all of them run
PORTAL_COUNTS  the file that each run appends its counts to, as one line of JSON
--seconds  tests that begin so long after the first one are skipped
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARE = 10
OUT_OF_TIME = "no time left in make quick"
RED = ("failed", "error")
FIRST_TEST = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seconds", type=float, help="skip the tests that begin so long after the first")


def pytest_collection_finish() -> None:
    """What tests and modules are made of stays until the end; looking through it again and again, as the collector of
    garbage does, takes a tenth of a run's processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = os.environ.get("PORTAL_SEED")
    full = [item for item in items if item.get_closest_marker("full")]
    if not seed or not full:
        return
    kept = tenth(seed, [item.nodeid for item in full])
    left_out = [item for item in full if item.nodeid not in kept]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def tenth(seed: str, names: Iterable[str]) -> set[str]:
    """A tenth of them, rounded up: the same for the same seed, in whatever order they come."""
    drawn = sorted(set(names), key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    return set(drawn[: -(-len(drawn) // SHARE)])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    seconds = item.config.getoption("--seconds")
    if seconds is None:
        return
    now = time.monotonic()
    if now - item.session.stash.setdefault(FIRST_TEST, now) > seconds:
        pytest.skip(OUT_OF_TIME)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if (file := os.environ.get("PORTAL_COUNTS")) and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(file).open("a") as lines:
            lines.write(json.dumps(counts(terminalreporter.stats)) + "\n")


def counts(stats: dict[str, list[Any]]) -> dict[str, Any]:
    """How many passed, how many failed, how many of `make full` ran, and how many were skipped for which reason."""
    red = [report for kind in RED for report in stats.get(kind, [])]
    green = stats.get("passed", [])
    return {
        "passed": len(green),
        "failed": len(red),
        "full": sum("full" in report.keywords for report in [*green, *red]),
        "skipped": Counter(reason(report) for report in stats.get("skipped", [])),
    }


def reason(report: Any) -> str:
    return str(report.longrepr[2]).removeprefix("Skipped: ")
