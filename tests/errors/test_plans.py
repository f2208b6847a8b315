"""A recovery plan: worked out once, applied step by step, and resolved by what its retries left clean."""

from __future__ import annotations

import pytest

from batches.engine import runner
from batches.exceptions import InvalidTransition
from batches.models import Batch, Item
from errors.desk.retry_form import RetryForm
from errors.models import ErrorGroup, PlanStep
from errors.recovery import plans
from errors.recovery.forecast import forecast
from tests.helpers.batches import modes, ran
from tests.helpers.failures import all_failed, failure, report

pytestmark = pytest.mark.django_db


def test_it_keeps_a_plan_until_it_is_asked_for_another() -> None:
    all_failed()
    made = plans.make("b1", actor="ann")
    assert made.totals["line"].startswith("6 failed: how many recover by step 1 is not known yet (0-6)")
    plans.apply("b1", 1, actor="ann")
    step = PlanStep.objects.get(step=1)
    assert (step.state, step.by, step.retry) == ("applied", "ann", 1)
    with pytest.raises(InvalidTransition):
        plans.apply("b1", 1)
    assert plans.show("b1")["totals"] == made.totals


def test_it_applies_a_plan_as_far_as_it_goes() -> None:
    batch = all_failed(6)
    report(batch, [failure(batch, n, OSError("disk on fire"), 2) for n in (4, 5)])
    Item.objects.filter(position__in=(4, 5)).update(attempts=2)
    plans.make("b1")
    assert [step.state for step in plans.apply_all("b1")] == ["applied"]
    assert [step.state for step in PlanStep.objects.all()] == ["applied", "open", "open"]
    with pytest.raises(InvalidTransition):
        plans.apply_all("b1")
    Batch.objects.update(status=Batch.Status.COMPLETED)
    assert [step.step for step in plans.apply_all("b1")] == [2, 3]
    assert plans.apply_all("b1") == []


@pytest.mark.django_db(transaction=True)
def test_a_plans_last_step_resolves_what_its_retries_left_clean(engine: None) -> None:
    batch = ran(modes("network", "network"), max_attempts=1)
    plans.make(batch.pk)
    assert [step.kind for step in PlanStep.objects.order_by("step")][-2:] == ["retry", "resolve"]
    last = PlanStep.objects.latest("step").step
    with pytest.raises(InvalidTransition, match="retry"):
        plans.apply(batch.pk, last)
    for item in batch.items.all():
        batch.items.filter(pk=item.pk).update(payload=item.payload | {"mode": "ok"})
    plans.apply(batch.pk, last - 1, actor="ana")
    runner.work_until_idle(batch.pk)
    plans.apply(batch.pk, last, actor="ana")
    assert ErrorGroup.objects.get().state == "resolved"


@pytest.mark.django_db(transaction=True)
def test_a_plans_canary_asks_what_the_form_asks(engine: None) -> None:
    batch = ran(modes(*["network"] * 30), max_attempts=1)
    plans.make(batch.pk)
    form = RetryForm(batch, forecast(batch, {"all_failed": True}))
    plans.apply(batch.pk, PlanStep.objects.filter(kind="retry").earliest("step").step)
    retry = batch.retries.get()
    assert (retry.canary, retry.needed) == (form.fields["canary"].initial, form.fields["needed"].initial) != (20, 1)
