"""Advice and the plan, acted upon: GET says exactly what will happen, POST does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect

from batches import operations
from batches.models import Batch, Retry
from batches.page_acts import say_not_done
from batches.pages.forms import BudgetForm
from errors.desk.addresses import desk_url
from errors.desk.advice_confirmation import advice_confirmation
from errors.desk.confirm_form import ConfirmForm, ThenForm
from errors.desk.plan_card import PlanConfirmation, plan_card
from errors.desk.views import quarantine, retries
from errors.desk.views.access import Route, or_404, reason_of, recoverable_batch, refusals_shown, render
from errors.desk.views.confirming import answers_of, carry_out
from errors.models import PlanStep, Recommendation
from errors.recovery import plan_runs, plans, recommendations
from errors.recovery.actions import scope_of

Apply = Callable[..., Recommendation | PlanStep]
"""Carries advice out: as whom, why, and how carefully a person wants it done."""


def apply_advice(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """One piece of advice."""
    batch = recoverable_batch(request, batch_id)
    recommendation = or_404(lambda: recommendations.get(batch_id, number))
    advice = recommendations.as_dict(recommendation, {})
    apply = partial(recommendations.apply, batch.pk, number)
    return decide(request, batch, advice, apply, f"Applied: {recommendation.title}")


def apply_step(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """One step of the plan."""
    batch = recoverable_batch(request, batch_id)
    step = next((step for step in plans.steps_of(batch_id) if step["step"] == number), None)
    if step is None:
        raise Http404
    apply = partial(plans.apply, batch.pk, number)
    return decide(request, batch, step, apply, f"Step {number} is applied: {step['title']}")


def decide(request: HttpRequest, batch: Batch, advice: Mapping[str, Any], apply: Apply, message: str) -> HttpResponse:
    """On the page of its kind: a retry, items set aside, or a change that is none of them."""
    if begun := retries.begun_before(request, batch):
        return begun
    if advice["state"] != "open":
        messages.warning(request, f"It is {advice['state'].replace('_', ' ')} already: {advice['title']}")
        return redirect("admin:errors_desk", batch.pk)
    verb, scope = advice["action"].get("verb"), scope_of(advice["action"].get("params", {}))
    actor = request.user.get_username()
    if verb == "retry" and scope:

        def begin(options: dict[str, Any]) -> Retry:
            applied = apply(actor=actor, reason=options["reason"], carefulness=options)
            return operations.get_retry(batch.pk, applied.retry or 0)

        return retries.confirm(request, batch, scope, begin=begin)
    if verb == "hold" and scope:
        return quarantine.confirm(request, batch, scope, begin=partial(apply, actor=actor))
    return change(request, batch, advice, apply, message)


def change(request: HttpRequest, batch: Batch, advice: Mapping[str, Any], apply: Apply, message: str) -> HttpResponse:
    """What is confirmed by a word: a pause, other settings, an assignment, a note."""
    may_retry = "retry" in advice["action"].get("params", {})
    form = (ThenForm if may_retry else ConfirmForm)(0, answers_of(request))

    def act() -> HttpResponse:
        options = {"retry": form.cleaned_data["then"] == "retry"} if may_retry else None
        apply(actor=request.user.get_username(), reason=form.cleaned_data["reason"], carefulness=options)
        messages.success(request, message)
        return redirect("admin:errors_desk", batch.pk)

    outcome = carry_out(form, act)
    if isinstance(outcome, HttpResponse):
        return outcome
    page = advice_confirmation(batch, advice, form)
    return render(request, "act_confirm.html", page, title=page.question)


def dismiss_advice(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """It comes back only if its evidence doubles, or if somebody wants to see it again."""
    batch = recoverable_batch(request, batch_id)
    advice = or_404(lambda: recommendations.get(batch_id, number))
    act = partial(recommendations.dismiss, batch_id, number)
    return act_and_return(request, batch, act, f"Dismissed: {advice.title}", "advice")


def undo_advice(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Show it again, or take back what it has done."""
    batch = recoverable_batch(request, batch_id)
    advice = or_404(lambda: recommendations.get(batch_id, number))
    act = partial(recommendations.undo, batch_id, number)
    return act_and_return(request, batch, act, f"Open again: {advice.title}", "advice")


def make_plan(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Work the recovery plan out anew; nothing is done to any item."""
    batch = recoverable_batch(request, batch_id)

    def make(actor: str, reason: str) -> None:
        plans.make(batch.pk, actor=actor)

    return act_and_return(request, batch, make, "", "plan")


def run_plan(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The whole plan: what it will do, step by step, then let it go on by itself."""
    batch = recoverable_batch(request, batch_id)
    form = BudgetForm(batch, budget_answers(request)) if operations.holding_reason(batch) else None
    if request.method == "POST" and (form is None or form.is_valid()):
        message = "The plan runs: it goes on by itself whenever the batch is at rest."
        return act_and_return(request, batch, partial(run_with_budget, batch.pk, form), message, "plan")
    plan = plan_card(batch)
    if not plan.can_run:
        messages.warning(request, "There is no open step to run: work out a plan first.")
        return redirect("admin:errors_desk", batch.pk)
    return render(request, "plan_confirm.html", PlanConfirmation(batch, plan, form), title="Run the recovery plan?")


def budget_answers(request: HttpRequest) -> QueryDict | None:
    """What the confirmation says of the error budget; None for one of an older page, which did not ask."""
    return request.POST if any(name in request.POST for name in operations.BUDGETS) else None


def run_with_budget(batch_id: str, form: BudgetForm | None, *, actor: str, reason: str) -> None:
    """Run the plan; with the error budget that was answered, so that the batch is not halted again at once."""
    with transaction.atomic():
        if form is not None:
            operations.adjust(batch_id, actor=actor, reason=reason, **form.budget())
        plan_runs.run(batch_id, actor=actor, reason=reason)


def steer_plan(request: HttpRequest, batch_id: str, verb: str) -> HttpResponse:
    """Pause or cancel the run."""
    batch = recoverable_batch(request, batch_id)
    if verb not in ("pause", "cancel"):
        raise Http404
    return act_and_return(request, batch, partial(plan_runs.VERBS[verb], batch.pk), "", "plan")


def act_and_return(
    request: HttpRequest, batch: Batch, act: Callable[..., Any], message: str, section: str
) -> HttpResponse:
    """POST does it and says what came of it; either way back to a section of the desk."""
    if request.method == "POST":
        with refusals_shown(request):
            act(actor=request.user.get_username(), reason=reason_of(request))
            if message:
                messages.success(request, message)
    else:
        say_not_done(request, "It")
    return redirect(desk_url(batch.pk, section=section))


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/advice/<int:number>/", apply_advice, "errors_advice"),
    ("desk/<str:batch_id>/advice/<int:number>/dismiss/", dismiss_advice, "errors_advice_dismiss"),
    ("desk/<str:batch_id>/advice/<int:number>/undo/", undo_advice, "errors_advice_undo"),
    ("desk/<str:batch_id>/plan/", make_plan, "errors_plan"),
    ("desk/<str:batch_id>/plan/run/", run_plan, "errors_plan_run"),
    ("desk/<str:batch_id>/plan/<int:number>/", apply_step, "errors_step"),
    ("desk/<str:batch_id>/plan/<str:verb>/", steer_plan, "errors_plan_act"),
)
