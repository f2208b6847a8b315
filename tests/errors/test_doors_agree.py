"""The report, the command, REST, the desk and the files say the same of one batch: nobody is told another story."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from batches.models import Batch
from errors import error_analyzer
from errors.desk.addresses import desk_url
from errors.desk.predictions import expectation_text
from errors.recovery import plans, recommendations
from tests.helpers.command_line import batch_command
from tests.helpers.outages import outage
from tests.helpers.pages import page
from tests.helpers.people import UserOf, client, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]
URL = "/api/batches/outage/errors"


@pytest.fixture
def batch() -> Batch:
    """From some item on all failed, for two causes, and there is advice and a plan for both."""
    batch = outage(down=40, invalid=9)
    recommendations.refresh(batch)
    plans.make(batch.pk)
    return batch


@pytest.fixture
def report(batch: Batch) -> dict[str, Any]:
    """What a script is told."""
    report: dict[str, Any] = json.loads(json.dumps(error_analyzer.aggregate_errors(batch.pk).to_dict()))
    for part in ("groups", "findings", "advice", "recovery_plan", "recommendations"):
        assert len(report[part]) >= 2 or part == "findings", part
    assert report["findings"]
    return report


def words_of(markup: str) -> str:
    """A page's text as it is read, without what scripts read."""
    markup = re.sub(r"<script.*?</script>", "", markup, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup)))


def test_rest_says_what_a_script_is_told(report: dict[str, Any]) -> None:
    api = client("viewer")
    assert {name: api.get(URL).json()[name] for name in report} == report
    assert api.get(f"{URL}/findings").json() == report["findings"]
    assert api.get(f"{URL}/recommendations").json() == report["advice"]
    assert api.get(f"{URL}/plan").json()["steps"] == report["recovery_plan"]
    rows = {row["fingerprint"]: row for row in api.get(f"{URL}/groups").json()["results"]}
    for group in report["groups"]:
        assert {name: rows[group["fingerprint"]][name] for name in group} == group


def test_the_command_says_what_a_script_is_told(report: dict[str, Any]) -> None:
    _, text, _ = batch_command("errors", "outage")
    assert f"{report['total_errors']} errors, {report['error_rate']:g} for every 100 items" in text
    for words in sentences_of(report):
        assert words in text
    for advice in report["advice"]:
        assert advice["predicted"]["basis"] in text


def test_the_desk_says_what_a_script_is_told(report: dict[str, Any], user_of: UserOf) -> None:
    text = words_of(page(signed_in(user_of("viewer")), desk_url("outage")))
    for words in sentences_of(report):
        assert words in text
    for advice in report["advice"]:
        assert advice["predicted"]["basis"] in text
    for step in report["recovery_plan"]:
        assert expectation_text(step["predicted"]) in text
    for finding in report["findings"]:
        assert f"{finding['failed']} of {finding['size']}" in text
        assert all(words in text for words in finding["also"])
        assert f"{finding['others_failed']} of {finding['others']}" in text
    assert "&" not in text
    assert f"{report['total_errors']} errors (attempts)" in text
    for group in report["groups"]:
        assert f"{group['failing']} {group['items']} {group['errors']}" in text


def test_the_files_say_what_a_script_is_told(report: dict[str, Any]) -> None:
    api = client("viewer")
    exported = json.loads(b"".join(api.get(f"{URL}/export/json").streaming_content))
    assert exported["findings"] == report["findings"]
    assert exported["recommendations"] == report["advice"]
    assert exported["totals"]["errors"] == report["total_errors"]
    assert exported["totals"]["rate"] == report["error_rate"]
    for group, row in zip(report["groups"], exported["groups"], strict=True):
        names = {"fingerprint": "fingerprint", "title": "title", "error_code": "code", "errors": "errors"}
        names |= {"items": "items", "failing_now": "failing", "first_seen": "first_seen", "last_seen": "last_seen"}
        assert {name: row[name] for name in names} == {name: group[name_] for name, name_ in names.items()}


def sentences_of(report: dict[str, Any]) -> list[str]:
    """Everything that is said of it in words."""
    return [
        *(group["title"] for group in report["groups"]),
        *(finding["sentence"] for finding in report["findings"]),
        *(words for advice in report["advice"] for words in (advice["title"], advice["why"])),
        *(step["title"] for step in report["recovery_plan"]),
    ]
