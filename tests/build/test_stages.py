"""The order of the stages, where they stop, and the line that closes them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from tests.build import browser, stages

GREEN = {"passed": 10, "failed": 0, "full": 2, "skipped": {}}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What a stage does, by name: an exit code, and the counts that its pytest writes. Others pass ten tests each."""
    results: dict[str, dict[str, Any]] = {}

    def make(stage: str, environment: Mapping[str, str], output: int | None) -> subprocess.CompletedProcess[str]:
        assert (output is None) == (stage in stages.SEEN)
        result = results.setdefault(stage, {})
        if counts := result.get("counts", GREEN):
            with open(environment["PORTAL_COUNTS"], "a") as lines:
                lines.write(json.dumps(counts) + "\n")
        result["seed"] = environment["PORTAL_SEED"]
        return subprocess.CompletedProcess([], result.get("code", 0), output and f"output of {stage}")

    monkeypatch.setattr(stages, "made", make)
    monkeypatch.setattr(browser, "main", lambda: 0)
    monkeypatch.setenv("PORTAL_SEED", "4711")
    for (stage,) in stages.EVERYTHING[0]:
        results[stage] = {"counts": None}
    return results


def closing(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1].rpartition(";")[0]


def test_it_closes_with_all_counts_and_the_seed(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made["browser"] = {"counts": {"passed": 0, "failed": 0, "full": 0, "skipped": {browser.MISSING: 23}}}
    assert stages.main("test") == 0
    assert closing(capsys) == (
        f"make test: 30 passed, 0 failed, 23 skipped (23 {browser.MISSING}); "
        "of make full a tenth, 6 tests, PORTAL_SEED=4711"
    )
    assert {result["seed"] for result in made.values()} == {"4711"}


def test_it_begins_nothing_after_a_step_that_failed(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made["types"]["code"] = 2
    assert stages.main("test") == 1
    assert closing(capsys) == (
        "make test: 0 passed, 0 failed, 0 skipped; failed in types; not begun: unit, unit-postgresql, browser, fire; "
        "of make full a tenth, 0 tests, PORTAL_SEED=4711"
    )
    assert set(made) == {"lint", "types", "engine-alone"}


def test_it_begins_nothing_after_a_stage_that_failed(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made["unit"] = {"code": 1}
    assert stages.main("test") == 1
    assert "failed in unit; not begun: unit-postgresql" in closing(capsys)
    assert "unit-postgresql" not in made


def test_it_shows_what_each_stage_said_that_was_not_seen_while_it_ran(
    made: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stages.main("test")
    shown = capsys.readouterr().out
    assert all(f"== {stage}\n" in shown for stage in made)
    assert {stage for stage in made if f"== {stage}\noutput of {stage}" not in shown} == set(stages.SEEN)


def test_it_draws_a_seed_of_its_own_unless_one_is_given(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTAL_SEED")
    stages.main("test")
    assert made["unit"]["seed"].isdigit()


def test_it_takes_all_of_the_long_ones_in_make_full(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main("full") == 0
    assert closing(capsys) == "make full: 40 passed, 0 failed, 0 skipped"
    assert made["unit"]["seed"] == ""


def test_it_stops_at_the_start_where_ci_has_no_browser(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "main", lambda: 1)
    assert stages.main("test") == 1
    assert "seed" not in made["lint"]


def test_it_needs_no_browser_for_make_quick(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "main", lambda: pytest.fail("quick runs no browser"))
    assert stages.main("quick") == 0
    assert "seed" in made["changed"]
    assert "unit" not in made
