"""Acts on the desk: what they say beforehand, what they do, and for whom there is a button."""

from __future__ import annotations

import pytest
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item, Retry
from errors.models import ErrorGroup, PlanStep, Recommendation, RecoveryPlan
from errors.recovery import plan_runs, plans
from tests.helpers.batches import modes, ran
from tests.helpers.pages import form_answers, page
from tests.helpers.people import UserOf, signed_in
from tests.helpers.retries import now_do

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def outage() -> Batch:
    """Thirty items in a row failed because the other side was away."""
    return ran(modes(*["ok"] * 40, *["network"] * 30, *["ok"] * 130), max_attempts=1, batch_id="outage")


def desk(batch: Batch) -> str:
    return reverse("admin:errors_desk", args=[batch.pk])


def advised(batch: Batch) -> Recommendation:
    return Recommendation.objects.filter(batch=batch, state="open", action__verb="retry").earliest("number")


def test_it_says_what_the_failures_have_in_common_and_what_to_do(user_of: UserOf) -> None:
    shown = page(signed_in(user_of("operator")), desk(outage()))
    assert "30 of the 30 items" in shown
    assert "What to do" in shown
    assert "Expected back" in shown
    assert ">Try 20 first<" in shown
    assert ">Retry 30<" in shown


def test_it_shows_a_viewer_the_advice_without_its_buttons(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("viewer"))
    shown = page(client, desk(batch))
    assert "What to do" in shown
    assert "Try 20 first" not in shown
    assert "Dismiss" not in shown
    number = advised(batch).number
    for address in (
        reverse("admin:errors_advice", args=[batch.pk, number]),
        reverse("admin:errors_advice_dismiss", args=[batch.pk, number]),
        reverse("admin:errors_plan", args=[batch.pk]),
        reverse("admin:errors_step", args=[batch.pk, 1]),
        group_act("acknowledge"),
    ):
        assert client.post(address).status_code == 403
    assert not Retry.objects.exists()


def test_it_says_exactly_what_will_happen_then_does_it_and_measures_it(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    page(client, desk(batch))
    found = advised(batch)
    address = reverse("admin:errors_advice", args=[batch.pk, found.number])
    asked = page(client, address)
    assert "Retry 30 items" in asked
    assert found.predicted["basis"] in asked
    assert not Retry.objects.exists()
    now_do(batch, "ok")
    answer = client.post(address, form_answers(client, address, reason="it is back"))
    assert answer.headers["Location"] == reverse("admin:errors_retry", args=[batch.pk, 1])
    made = Retry.objects.get()
    assert (made.predicted["low"], made.reason) == (found.predicted["low"], "it is back")
    runner.work_until_idle(batch.pk)
    shown = page(client, desk(batch))
    assert "30 recovered" in shown
    assert "the prediction" not in shown  # nothing was known before
    assert operations.verify(batch.pk) == []


def test_a_button_sets_how_many_go_first(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    page(client, desk(batch))
    address = reverse("admin:errors_advice", args=[batch.pk, advised(batch).number])
    assert form_answers(client, f"{address}?canary=0&needed=0")["canary"] == 0
    assert form_answers(client, f"{address}?canary=20")["canary"] == 20


@pytest.mark.full
def test_it_is_applied_once_and_says_so(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    page(client, desk(batch))
    address = reverse("admin:errors_advice", args=[batch.pk, advised(batch).number])
    said = form_answers(client, address)
    for _ in range(2):
        assert client.post(address, said).status_code == 302
    assert "It is applied already" in client.get(address, follow=True).content.decode()
    assert Retry.objects.count() == 1


@pytest.mark.full
def test_what_was_dismissed_is_hidden_until_somebody_wants_to_see_it_again(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    page(client, desk(batch))
    found = advised(batch)
    client.post(reverse("admin:errors_advice_dismiss", args=[batch.pk, found.number]))
    assert "Dismissed" in page(client, desk(batch))
    shown = page(client, desk(batch))
    assert "1 dismissed" in shown
    assert f"advice/{found.number}/?canary" not in shown
    client.post(reverse("admin:errors_advice_undo", args=[batch.pk, found.number]))
    assert f"advice/{found.number}/?canary" in page(client, desk(batch))
    again = client.post(reverse("admin:errors_advice_undo", args=[batch.pk, found.number]), follow=True)
    assert "Cannot undo" in again.content.decode()


def slice_of_one_country() -> Batch:
    wanted = ["invalid" if n % 4 == 0 else "network" if n in (5, 77) else "ok" for n in range(160)]
    rows = [{"mode": mode, "country": "DE" if n % 4 == 0 else "FR"} for n, mode in enumerate(wanted)]
    return ran(rows, max_attempts=1, batch_id="outage")


@pytest.mark.full
def test_keep_aside_sets_the_slice_aside_and_can_be_taken_back(user_of: UserOf) -> None:
    batch, client = slice_of_one_country(), signed_in(user_of("operator"))
    assert ">Keep aside<" in page(client, desk(batch))
    found = Recommendation.objects.get(batch=batch, rule="attribute")
    address = reverse("admin:errors_advice", args=[batch.pk, found.number])
    assert "No run and no retry touches them" in page(client, address)
    client.post(address, form_answers(client, address, reason="wait for the fix"))
    aside = Item.objects.filter(batch=batch, status="QUARANTINED").count()
    assert aside >= 40
    shown = page(client, desk(batch))
    assert f"{aside} items set aside" in shown
    assert "wait for the fix" in shown
    assert operations.verify(batch.pk) == []
    client.post(reverse("admin:errors_advice_undo", args=[batch.pk, found.number]))
    assert not Item.objects.filter(batch=batch, status="QUARANTINED").exists()
    found.refresh_from_db()
    assert found.state == "open"
    assert operations.verify(batch.pk) == []


@pytest.mark.full
def test_taking_it_on_can_be_given_back(user_of: UserOf) -> None:
    for n in range(3):
        ran(modes("network"), max_attempts=1, batch_id=f"before-{n}")
    batch, operator = outage(), user_of("operator")
    client = signed_in(operator)
    page(client, desk(batch))
    found = Recommendation.objects.get(batch=batch, rule="recurring")
    address = reverse("admin:errors_advice", args=[batch.pk, found.number])
    client.post(address, form_answers(client, address))
    assert ErrorGroup.objects.get().assignee == operator
    client.post(reverse("admin:errors_advice_undo", args=[batch.pk, found.number]))
    assert ErrorGroup.objects.get().assignee is None


def test_it_works_out_a_plan_and_does_it_step_by_step(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    client.post(reverse("admin:errors_plan", args=[batch.pk]))
    shown = page(client, desk(batch))
    assert "30 failed: " in shown
    assert "Do step 1…" in shown
    address = reverse("admin:errors_step", args=[batch.pk, 1])
    client.post(address, form_answers(client, address))
    assert "Do step 1…" not in page(client, desk(batch))
    assert Retry.objects.get().predicted == PlanStep.objects.get(step=1).predicted
    assert client.get(reverse("admin:errors_step", args=[batch.pk, 99])).status_code == 404


def two_causes() -> Batch:
    """Network trouble that is over, an error that stays, and rows that have to be corrected."""
    batch = ran(
        modes(*["ok"] * 40, *["network"] * 30, *["error"] * 24, *["invalid"] * 5), max_attempts=1, batch_id="outage"
    )
    now_do(batch, "ok", 40, 69)
    now_do(batch, "error", 0, 39)  # what their payloads say now tells nobody which of them failed
    return batch


def test_the_plan_runs_by_itself_and_says_what_it_holds_and_why(user_of: UserOf) -> None:
    batch, client = two_causes(), signed_in(user_of("operator"))
    client.post(reverse("admin:errors_plan", args=[batch.pk]))
    run = reverse("admin:errors_plan_run", args=[batch.pk])
    assert "It goes on by itself" in page(client, run)
    assert not Retry.objects.exists()
    client.post(run)
    client.post(run)
    assert Retry.objects.count() == 1
    runner.work_until_idle(batch.pk)
    assert [step.state for step in PlanStep.objects.all()] == ["applied", "held", "held", "applied"]
    assert RecoveryPlan.objects.get().state == "done"
    shown = page(client, desk(batch))
    assert "30 recovered so far." in shown
    assert "0 of the 20 items of the canary recovered" in shown
    assert "It needs corrected rows" in shown
    assert operations.verify(batch.pk) == []


@pytest.mark.full
def test_a_plan_that_is_paused_begins_nothing_and_one_that_is_cancelled_leaves_the_rest_out(user_of: UserOf) -> None:
    batch, client = two_causes(), signed_in(user_of("operator"))
    client.post(reverse("admin:errors_plan", args=[batch.pk]))
    client.post(reverse("admin:errors_plan_run", args=[batch.pk]))
    client.post(reverse("admin:errors_plan_act", args=[batch.pk, "pause"]))
    runner.work_until_idle(batch.pk)
    assert Retry.objects.count() == 1
    client.post(reverse("admin:errors_plan_act", args=[batch.pk, "cancel"]))
    assert [step.state for step in PlanStep.objects.all()] == ["applied", "left_out", "left_out", "left_out"]
    assert "Cancelled by operator." in page(client, desk(batch))
    client.post(reverse("admin:errors_plan", args=[batch.pk]))
    assert RecoveryPlan.objects.get().state == "open"


@pytest.mark.full
def test_a_cancelled_retry_pauses_the_plan(user_of: UserOf) -> None:
    batch = two_causes()
    plans.make(batch.pk)
    plan_runs.run(batch.pk, actor="ana")
    operations.cancel_retry(batch.pk, 1)
    runner.work_until_idle(batch.pk)
    made = RecoveryPlan.objects.get()
    assert (made.state, PlanStep.objects.earliest("step").state) == ("paused", "held")
    assert "Retry 1 was cancelled" in made.note
    plan_runs.run(batch.pk, actor="ana")
    runner.work_until_idle(batch.pk)
    assert RecoveryPlan.objects.get().state == "done"


def group_act(verb: str) -> str:
    return reverse("admin:errors_group_act", args=["outage", ErrorGroup.objects.get().fingerprint, verb])
