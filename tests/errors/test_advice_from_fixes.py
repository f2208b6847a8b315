"""Corrected rows: their outcome stands beside the prediction of the advice to correct them."""

from __future__ import annotations

from typing import Any

import pytest

from batches import operations
from batches.engine import runner
from batches.models import Retry
from errors.models import Recommendation
from errors.recovery import plans, recommendations
from tests.helpers.check_rows import BAD, GOOD, committed, finished

pytestmark = [committed, pytest.mark.full_on("postgresql")]
State = Recommendation.State


def corrected(*numbers: int, **more: Any) -> Retry:
    rows = [{"a": 1, "b": 1, "_item_key": str(number)} | more for number in numbers]
    made = operations.correct("b1", items=rows, actor="ana").retry
    runner.work_until_idle("b1")
    assert made is not None
    made.refresh_from_db()
    return made


def advice() -> list[Any]:
    return [one for one in recommendations.listed(operations.get_batch("b1"), 1) if one["rule"] == "validation"]


def test_the_advice_to_correct_is_applied_by_the_file_that_does() -> None:
    finished(items=(GOOD, *[BAD] * 8))
    (said,) = advice()
    plans.make("b1")
    corrected(*range(2, 8))
    found = Recommendation.objects.get(rule="validation", number=said["number"])
    assert (found.by, found.retry) == ("ana", 1)
    step = next(step for step in plans.steps_of("b1") if step["action"]["verb"] == "fix")
    assert (step["state"], step["by"], step["retry"]) == ("applied", "ana", 1)
    recommendations.refresh(operations.get_batch("b1"))
    found.refresh_from_db()
    assert (found.state, found.actual["recovered"], found.held) == (State.VERIFIED, 6, None)
    assert recommendations.track_records() == {}
    (again,) = [one for one in advice() if one["state"] == State.OPEN]
    assert again["cost"]["items"] == 2
    assert operations.verify("b1") == []


def test_advice_that_nobody_has_seen_is_worked_out_before_it_is_applied() -> None:
    finished(items=(GOOD, *[BAD] * 6))
    corrected(2)
    assert Recommendation.objects.get(rule="validation").retry == 1


def test_what_was_noted_only_gets_its_outcome_too() -> None:
    finished(items=(GOOD, *[BAD] * 6))
    (said,) = advice()
    recommendations.apply("b1", said["number"], actor="bob")
    corrected(2, 3)
    found = Recommendation.objects.get(rule="validation", number=said["number"])
    assert (found.retry, found.by) == (1, "ana")
