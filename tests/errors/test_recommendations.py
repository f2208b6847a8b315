"""Recommendations: worked out, decided upon, carried out, and compared with what came of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import F
from rest_framework.test import APIClient

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidTransition
from batches.models import Batch, Item
from batches.processors import ItemError
from errors import error_analyzer, groups
from errors.models import ErrorGroup, ErrorRecord, GroupChange, Recommendation
from errors.recovery import plans, recommendations
from errors.recovery.fact_queries import facts_of
from tests.helpers.check_rows import BAD, GOOD, committed, finished, submitted
from tests.helpers.failures import all_failed, fail_all, failed_before, failure, report
from tests.helpers.people import client, person
from tests.helpers.waiting import PATIENCE

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]
State = Recommendation.State
URL = "/api/batches/b1/errors"


def of_rule(rule: str) -> Recommendation:
    return Recommendation.objects.filter(rule=rule).latest("number")


def test_it_works_advice_out_once_and_keeps_its_numbers() -> None:
    batch = all_failed()
    recommendations.refresh(batch)
    before = list(Recommendation.objects.values())
    recommendations.refresh(batch)
    assert list(Recommendation.objects.values()) == before
    assert {row["rule"] for row in before} == {"high_rate", "network"}


def test_its_page_numbers_it_in_its_order_and_folds_away_what_has_nothing_left_to_retry() -> None:
    from errors.desk.advice_section import advice_section

    batch = all_failed()
    recommendations.refresh(batch)
    network = of_rule("network").title
    section = advice_section(batch)
    assert section.spent == []
    assert network in [card.advice["title"] for card in section.cards]
    batch.items.update(status=Item.Status.SUCCEEDED, failed_at=None)
    batch.lanes.update(failed=0, succeeded=6)
    recommendations.refresh(batch)
    section = advice_section(batch)
    assert [card.advice["title"] for card in section.spent] == [of_rule("network").title]
    assert of_rule("network").title not in [card.advice["title"] for card in section.cards]


def test_it_shows_advice_in_the_report() -> None:
    all_failed()
    found = error_analyzer.aggregate_errors("b1")
    assert {one["rule"] for one in found.advice} == {"high_rate", "network"}
    assert found.recovery_plan == []
    plans.make("b1")
    assert [step["kind"] for step in error_analyzer.aggregate_errors("b1").recovery_plan] == ["retry", "resolve"]


def test_it_retries_by_the_operation_and_only_once() -> None:
    recommendations.refresh(all_failed())
    number = of_rule("network").number
    done = recommendations.apply("b1", number, actor="ann", reason="it is back")
    assert (done.state, done.by, done.retry) == (State.APPLIED, "ann", 1)
    assert operations.get_batch("b1").status == Batch.Status.QUEUED
    with pytest.raises(InvalidTransition, match="applied"):
        recommendations.apply("b1", number)
    assert operations.get_batch("b1").retries.count() == 1


def test_what_the_operation_refuses_stays_open() -> None:
    batch = all_failed()
    recommendations.refresh(batch)
    Batch.objects.update(status=Batch.Status.RUNNING)
    with pytest.raises(InvalidTransition):
        recommendations.apply("b1", of_rule("network").number)
    assert of_rule("network").state == State.OPEN


@pytest.mark.parametrize(("worked", "state", "held"), [(6, "verified", True), (0, "no_effect", False)])
def test_it_puts_the_outcome_beside_the_prediction(worked: int, state: str, held: bool) -> None:
    batch = all_failed(6)
    recommendations.refresh(batch)
    Recommendation.objects.update(predicted={"low": 4, "mid": 5, "high": 6})
    recommendations.apply("b1", of_rule("network").number)
    first = [item.pk for item in batch.items.order_by("position")[:worked]]
    Item.objects.filter(batch=batch).update(status=Item.Status.FAILED)
    Item.objects.filter(pk__in=first).update(status=Item.Status.SUCCEEDED)
    recommendations.verify(batch.pk)
    found = of_rule("network")
    assert (found.state, found.held, found.actual["recovered"]) == (state, held, worked)
    assert recommendations.track_records() == {"network": {"measured": 1, "held": int(held)}}


def test_it_waits_for_a_retry_that_is_not_over() -> None:
    batch = all_failed()
    recommendations.refresh(batch)
    recommendations.apply("b1", of_rule("network").number)
    recommendations.verify(batch.pk)
    assert of_rule("network").state == State.APPLIED


def test_what_is_dismissed_comes_back_when_its_evidence_doubles() -> None:
    batch = all_failed()
    recommendations.refresh(batch)
    recommendations.dismiss("b1", of_rule("network").number, actor="ann", reason="known")
    recommendations.refresh(batch)
    assert of_rule("network").state == State.DISMISSED
    fail_all(batch, ConnectionError, attempt=2)
    recommendations.refresh(batch)
    again = of_rule("network")
    assert (again.state, again.weight) == (State.OPEN, 12)


def test_what_no_longer_holds_expires() -> None:
    batch = all_failed()
    recommendations.refresh(batch)
    Item.objects.update(failed_at=None, status=Item.Status.SUCCEEDED)
    batch.lanes.update(failed=0, succeeded=6)
    recommendations.refresh(batch)
    assert of_rule("high_rate").state == State.EXPIRED


def test_it_raises_the_limit_through_the_operation() -> None:
    batch = all_failed(6, TimeoutError, item_timeout=10.0)
    ErrorRecord.objects.update(started_at=F("finished_at") - timedelta(seconds=10))
    now = batch.created_at
    Item.objects.bulk_create(
        Item(
            batch=batch,
            position=100 + n,
            key=f"s{n}",
            payload={},
            status=Item.Status.SUCCEEDED,
            started_at=now,
            finished_at=now + timedelta(seconds=6 if n < 20 else 3),
        )
        for n in range(100)
    )
    batch.lanes.update(succeeded=100)
    recommendations.refresh(batch)
    found = of_rule("timeout")
    assert found.action["params"]["changes"] == {"item_timeout": 20.0}
    recommendations.apply("b1", found.number)
    assert operations.get_batch("b1").item_timeout == 20.0
    assert of_rule("timeout").retry == 1


@pytest.mark.parametrize(("actor", "verb"), [("operator", "assign"), ("command line", "note")])
def test_it_gives_what_recurs_to_whoever_takes_it_up(actor: str, verb: str) -> None:
    person("operator")
    failed_before()
    recommendations.refresh(all_failed())
    recommendations.apply("b1", of_rule("recurring").number, actor=actor)
    change = GroupChange.objects.get()
    assert (change.verb, change.actor) == (verb, actor)
    assert (ErrorGroup.objects.get().assignee is not None) == (verb == "assign")


@pytest.fixture
def advised() -> APIClient:
    """An operator, and a batch about which there are two pieces of advice."""
    finished(items=(GOOD, BAD, BAD, BAD))
    return client("operator")


@committed
def test_it_serves_advice_over_rest_and_no_longer_what_was_dismissed(advised: APIClient) -> None:
    listed = advised.get(f"{URL}/recommendations").json()
    assert [one["rule"] for one in listed] == ["validation", "high_rate"]
    dismissed = advised.post(f"{URL}/recommendations/1/dismiss", {"reason": "known"}, format="json")
    assert dismissed.json()["state"] == "dismissed"
    assert [one["rule"] for one in advised.get(f"{URL}/recommendations").json()] == ["validation"]


@committed
def test_it_applies_advice_over_rest_once(advised: APIClient) -> None:
    advised.get(f"{URL}/recommendations")
    assert advised.post(f"{URL}/recommendations/2/apply", {}, format="json").json()["state"] == "applied"
    again = advised.post(f"{URL}/recommendations/2/apply", {}, format="json")
    assert (again.status_code, again.headers["Content-Type"]) == (409, "application/problem+json")
    for number in (99, 10**20):
        assert advised.post(f"{URL}/recommendations/{number}/apply", {}, format="json").status_code == 404


@committed
def test_it_serves_a_plan_over_rest_and_applies_its_steps_once(advised: APIClient) -> None:
    assert advised.get(f"{URL}/plan").json()["steps"] == []
    made = advised.post(f"{URL}/plan", {}, format="json").json()
    assert (made["totals"]["corrected"], made["by"]) == (3, "operator")
    assert advised.post(f"{URL}/plan/1/apply", {}, format="json").json()["state"] == "applied"
    assert advised.post(f"{URL}/plan/1/apply", {}, format="json").status_code == 409
    assert advised.post(f"{URL}/plan/9/apply", {}, format="json").status_code == 404


@pytest.mark.parametrize("missing", ["operate_batch", "triage_error"])
def test_applying_needs_both_rights(missing: str) -> None:
    recommendations.refresh(all_failed())
    ann = client("operator")
    person("operator").user_permissions.remove(Permission.objects.get(codename=missing))
    for address in ("recommendations/1/apply", "plan/1/apply", "plan/apply"):
        assert ann.post(f"/api/batches/b1/errors/{address}", {}, format="json").status_code == 403
    assert not Recommendation.objects.exclude(state=State.OPEN).exists()


def test_it_has_no_advice_without_errors() -> None:
    submitted()
    assert recommendations.listed(operations.get_batch("b1"), 0) == []
    assert plans.make("b1").totals["line"] == "0 failed: none should recover by a retry, 0 unclear"


APPLY = """
import sys
from batches.exceptions import InvalidTransition
from errors.recovery import recommendations
try:
    recommendations.apply("b1", int(sys.argv[1]), actor=sys.argv[2])
    print("applied")
except InvalidTransition:
    print("refused")
"""


@pytest.mark.full_on("sqlite")
@committed
@pytest.mark.full_on("sqlite")
def test_of_two_people_one_applies(in_process: Callable[..., Any]) -> None:
    recommendations.refresh(all_failed())
    number = of_rule("network").number
    both = [in_process(APPLY, str(number), name) for name in ("ann", "bob")]
    said = sorted(one.communicate(timeout=PATIENCE)[0].strip() for one in both)
    assert said == ["applied", "refused"]
    assert operations.get_batch("b1").retries.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_is_measured_as_soon_as_the_retry_is_over(engine: None) -> None:
    """Nobody has to look for that."""
    submitted(items=(BAD, GOOD, GOOD))
    operations.start("b1")
    runner.work_until_idle("b1")
    recommendations.refresh(operations.get_batch("b1"))
    Recommendation.objects.update(action={"verb": "retry", "params": {"all_failed": True, "permanent": True}})
    applied = recommendations.apply("b1", Recommendation.objects.earliest("number").number)
    runner.work_until_idle("b1")
    applied.refresh_from_db()
    assert (applied.state, applied.actual["failed_again"]) == (State.NO_EFFECT, 1)


def test_it_knows_owner_note_fields_and_waits() -> None:
    batch = all_failed(3, KeyError)
    error = ItemError("shut", code="RATE", category="rate_limit", field="shop", after=90)
    named = ItemError("bad shop", category="validation", field="shop")
    report(batch, [failure(batch, 0, error, 2), failure(batch, 1, named, 2)])
    group = ErrorGroup.objects.get(category="rate_limit")
    groups.note(group.pk, "It is the feed.", actor="ana")
    groups.assign(group.pk, person("ana"), actor="ana")
    known = {one.category: one for one in facts_of(batch).groups if one.title != "'no answer'"}
    limited = known["rate_limit"]
    assert (limited.owner, limited.last_note, limited.asked_wait) == ("ana", "It is the feed.", 90.0)
    assert known["validation"].fields == ["shop"]
