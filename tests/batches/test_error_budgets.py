"""The error budget is a way out: what halts a batch, what does not, and how it goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.models import Batch
from errors.desk.addresses import desk_url
from errors.recovery import plan_runs, plans
from tests.helpers.batches import modes, ran, statuses
from tests.helpers.command_line import batch_command
from tests.helpers.people import signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("sqlite")]


@pytest.fixture
def operator(user_of: Any) -> Client:
    return signed_in(user_of("operator"))


def halted(*rest: str, mode: str = "error") -> Batch:
    """Six of six have failed with a budget of five; what is left is the rest."""
    batch = ran(modes(*[mode] * 6, *rest), max_errors=5, max_attempts=1, checkpoint_every=1)
    assert batch.status == "HALTED"
    return batch


def status_of(batch: Batch) -> str:
    return str(operations.get_batch(batch.pk).status)


def test_it_asks_for_another_budget_before_it_goes_on() -> None:
    batch = halted("ok", "ok", "error", "ok")
    with pytest.raises(InvalidInput, match="the budget is 5") as refused:
        operations.resume(batch.pk)
    assert list(refused.value.errors) == ["max_errors"]
    assert status_of(batch) == "HALTED"
    operations.resume(batch.pk, actor="ana", reason="we know", max_errors=7)
    runner.work_until_idle(batch.pk)
    assert status_of(batch) == "COMPLETED"
    assert batch.transitions.get(verb="adjust").reason == "max_errors 5 → 7. we know"


def test_it_goes_on_without_any_budget() -> None:
    batch = halted(*["error"] * 20)
    operations.resume(batch.pk, max_errors=None)
    runner.work_until_idle(batch.pk)
    assert status_of(batch) == "COMPLETED"


def test_it_asks_for_nothing_where_nothing_is_left_to_run() -> None:
    batch = halted()
    operations.resume(batch.pk)
    runner.work_until_idle(batch.pk)
    assert status_of(batch) == "COMPLETED"


def test_what_fails_again_in_a_retry_halts_nothing() -> None:
    batch = halted("ok", "ok", "ok")
    operations.retry(batch.pk, all_failed=True, canary=3, needed=0)
    runner.work_until_idle(batch.pk)
    assert status_of(batch) == "COMPLETED"
    assert batch.retries.get().outcome()["failed_again"] == 6


def test_a_new_failure_beside_a_retry_halts_it() -> None:
    batch = halted("ok", "error", "ok")
    operations.retry(batch.pk, all_failed=True)
    runner.work_until_idle(batch.pk)
    assert status_of(batch) == "HALTED"
    operations.retry(batch.pk, all_failed=True, budget={"max_errors": 20})
    runner.work_until_idle(batch.pk)
    assert status_of(batch) == "COMPLETED"


def test_rest_takes_the_new_budget(operator: Client) -> None:
    batch = halted("ok", "error")
    address = f"/api/batches/{batch.pk}/resume"
    refused = operator.post(address, {}, "application/json")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["max_errors"])
    answer = operator.post(address, {"max_errors": None}, "application/json")
    assert (answer.status_code, answer.json()["max_errors"], answer.json()["status"]) == (202, None, "QUEUED")


def test_rest_takes_the_new_budget_with_a_retry(operator: Client) -> None:
    batch = halted("ok", "error")
    body = {"all_failed": True, "max_errors": 50}
    assert operator.post(f"/api/batches/{batch.pk}/retry", body, "application/json").status_code == 202
    assert operations.get_batch(batch.pk).max_errors == 50


def test_the_command_line_takes_the_new_budget() -> None:
    batch = halted("ok", "error")
    code, _, complaint = batch_command("resume", batch.pk)
    assert (code, "the budget is 5" in complaint) == (2, True)
    code, out, _ = batch_command("resume", batch.pk, "--max-errors", "none", "--json")
    assert (code, json.loads(out)["status"]) == (0, "QUEUED")


def test_the_page_asks_for_the_new_budget(operator: Client) -> None:
    batch = halted("ok", "error")
    assert "Raise the budget and resume…" in operator.get(batch.get_absolute_url()).content.decode()
    assert "Raise the budget…" in operator.get("/admin/batches/batch/").content.decode()
    address = f"/admin/batches/batch/{batch.pk}/act/resume/"
    for page in (operator.get(address), operator.post(address)):  # a button of an older page asks for nothing
        assert 'name="max_errors" value="11"' in page.content.decode()
    assert status_of(batch) == "HALTED"
    assert "halts again" in operator.post(address, {"max_errors": "3", "reason": ""}).content.decode()
    operator.post(address, {"max_errors": "11", "reason": ""})
    assert (status_of(batch), operations.get_batch(batch.pk).max_errors) == ("QUEUED", 11)


def test_a_retry_offers_to_raise_the_budget(operator: Client) -> None:
    batch = halted("ok", "error")
    page = operator.get(f"{desk_url(batch.pk)}retry/").content.decode()
    assert "The batch was halted by its error budget: 6 items failed; the budget is 5." in page
    assert 'name="max_errors" value="11"' in page


def test_a_plan_says_that_the_budget_holds_it(operator: Client, user_of: Any) -> None:
    batch = halted("ok", "error", "ok", "ok", mode="network")
    plans.make(batch.pk)
    plan_runs.run(batch.pk, actor="ana")
    assert batch.retries.exists()
    runner.work_until_idle(batch.pk)
    assert status_of(batch) == "HALTED"
    chief = signed_in(user_of("admin"))
    plan = chief.get(desk_url(batch.pk)).content.decode().partition('id="plan"')[2]
    assert "held by the error budget since" in plan
    assert "Raise it and go on…" in plan


def test_the_confirmation_of_a_plan_offers_to_raise_the_budget(user_of: Any) -> None:
    batch, chief = halted("ok", "error", mode="network"), signed_in(user_of("admin"))
    plans.make(batch.pk)
    address = f"{desk_url(batch.pk)}plan/run/"
    assert 'name="max_errors" value="11"' in chief.get(address).content.decode()
    chief.post(address, {"max_errors": "40", "reason": ""})
    runner.work_until_idle(batch.pk)
    batch = operations.get_batch(batch.pk)
    assert (batch.max_errors, batch.status) == (40, "COMPLETED")
    assert statuses(batch)[6:] == ["SUCCEEDED", "FAILED"]
