"""A seeded tenth of the long tests, counts for the closing line, an end in time: pytest run on a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.build import plugin
from tests.servers.plugin import is_full_on

TESTS = """
import pytest

@pytest.mark.full
@pytest.mark.parametrize("n", range(40))
def test_long(n): pass

def test_short(): pass

@pytest.mark.skip(reason="not here")
def test_skipped(): pass

def test_red(): assert False

@pytest.fixture
def broken(): raise OSError

def test_broken(broken): pass
"""


@pytest.fixture
def ran(tmp_path: Path) -> Any:
    """Run the tests above with these settings and arguments: the counts, and what pytest printed."""
    (tmp_path / "test_all.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = full\n")

    def run(*arguments: str, seed: str = "") -> tuple[dict[str, Any], str]:
        counts = tmp_path / "counts"
        counts.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PORTAL_"))}
        environment |= {"PORTAL_COUNTS": str(counts), "PORTAL_SEED": seed, "PYTHONPATH": str(plugin.ROOT)}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        command = [sys.executable, "-m", "pytest", "-p", "tests.build.plugin", "-p", "no:cacheprovider", "-rA"]
        text = subprocess.run([*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)
        return json.loads(counts.read_text()), text.stdout

    return run


def long_ones(text: str) -> set[str]:
    return {line for line in text.splitlines() if line.startswith("PASSED") and "test_long" in line}


@pytest.mark.full
def test_it_runs_the_same_tenth_for_the_same_seed(ran: Any) -> None:
    counts, text = ran(seed="7")
    assert counts == {"passed": 5, "failed": 2, "full": 4, "skipped": {"not here": 1}}
    assert long_ones(text) == long_ones(ran(seed="7")[1])
    assert long_ones(text) != long_ones(ran(seed="8")[1])


@pytest.mark.full
def test_it_draws_the_same_tenth_in_every_worker(ran: Any) -> None:
    counts, text = ran("-p", "xdist", "-n", "2", seed="7")
    assert counts == {"passed": 5, "failed": 2, "full": 4, "skipped": {"not here": 1}}
    assert len(long_ones(text)) == 4


def test_it_runs_all_without_a_seed(ran: Any) -> None:
    assert ran()[0]["full"] == 40


def test_it_skips_what_begins_too_late(ran: Any) -> None:
    counts, _ = ran("--seconds", "0")
    assert counts == {"passed": 1, "failed": 0, "full": 1, "skipped": {plugin.OUT_OF_TIME: 43}}


@pytest.mark.parametrize(("many", "kept"), [(0, 0), (1, 1), (10, 1), (11, 2), (100, 10)])
def test_it_rounds_a_tenth_up(many: int, kept: int) -> None:
    assert len(plugin.tenth("7", map(str, range(many)))) == kept


@pytest.mark.parametrize(
    ("on", "alone", "long"),
    [
        ("postgresql", False, {"postgresql"}),
        ("sqlite", False, {"sqlite"}),
        ("sqlite", True, set()),
        ("", False, set()),
    ],
)
def test_it_is_long_on_the_database_that_is_named_unless_it_runs_nowhere_else(
    on: str, alone: bool, long: set[str]
) -> None:
    marks = {
        "full_on": on and pytest.mark.full_on(on).mark,
        "any_database": pytest.mark.any_database if alone else None,
    }
    item: Any = SimpleNamespace(get_closest_marker=lambda name: marks[name] or None)
    assert {database for database in ("sqlite", "postgresql") if is_full_on(item, database)} == long
