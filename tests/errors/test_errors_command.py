"""`manage.py batch errors`."""

from __future__ import annotations

import json

import pytest

from errors import error_analyzer
from errors.recovery import plans
from errors.terminal.report_text import finding_line
from tests.helpers.check_rows import BAD, GOOD, committed, finished, submitted
from tests.helpers.command_line import batch_command

pytestmark = pytest.mark.django_db


@committed
def test_it_says_what_failed_and_what_to_do() -> None:
    finished(items=(GOOD, BAD, BAD, BAD))
    plans.make("b1")
    code, text, _ = batch_command("errors", "b1")
    assert code == 0
    for words in ("b1: 3 errors, 75 for every 100 items", "VALIDATION_FAILED", "Advice:", "Plan:", "Correct 3 rows"):
        assert words in text


@committed
def test_it_prints_the_report_as_json() -> None:
    finished(items=(GOOD, BAD))
    code, text, _ = batch_command("errors", "b1", "--json")
    assert (code, json.loads(text)) == (0, error_analyzer.aggregate_errors("b1").to_dict())


def test_it_marks_what_may_be_chance_and_says_which_failures_it_counts() -> None:
    finding = {"sentence": "4 of the 4 items in a row from 7 failed.", "confidence": "chance", "stream": "f1"}
    assert finding_line(finding, {"f1": "no such sku"}).endswith("failed. [may be chance, only “no such sku”]")
    assert finding_line({**finding, "confidence": "strong", "stream": "any"}, {}).endswith("failed. [strong]")


def test_it_says_when_nothing_failed() -> None:
    submitted()
    assert batch_command("errors", "b1") == (0, "b1: no errors.\n", "")


def test_it_knows_no_such_batch() -> None:
    code, _, err = batch_command("errors", "nobody")
    assert code == 2
    assert "nobody" in err
