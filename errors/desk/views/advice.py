"""Advice and the plan, acted upon: GET says exactly what will happen, POST does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from batches import operations
from batches.exceptions import BatchError
from batches.models import Batch, Retry
from errors.desk import advice_cards, advice_page
from errors.desk.forms import ConfirmForm, ThenForm
from errors.desk.views import asides, retries
from errors.desk.views.access import Route, or_404, reason_of, recoverable_batch, render
from errors.models import PlanStep, Recommendation
from errors.recovery import plan_runs, plans, recommendations
from errors.recovery.actions import scope_of

Apply = Callable[..., Recommendation | PlanStep]


def apply_advice(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """One piece of advice."""
    batch = recoverable_batch(request, batch_id)
    found = or_404(lambda: recommendations.get(batch_id, number))
    one = recommendations.as_dict(found, {})
    return decide(request, batch, one, partial(recommendations.apply, batch.pk, number), f"Applied: {found.title}")


def step(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """One step of the plan."""
    batch = recoverable_batch(request, batch_id)
    one = next((one for one in plans.steps_of(batch_id) if one["step"] == number), None)
    if one is None:
        raise Http404
    apply = partial(plans.apply, batch.pk, number)
    return decide(request, batch, one, apply, f"Step {number} is applied: {one['title']}")


def decide(request: HttpRequest, batch: Batch, one: Mapping[str, Any], apply: Apply, said: str) -> HttpResponse:
    """On the page of its kind: a retry, items set aside, or a change that is none of them."""
    if done := retries.begun_before(request, batch):
        return done
    if one["state"] != "open":
        messages.warning(request, f"It is {one['state'].replace('_', ' ')} already: {one['title']}")
        return redirect("admin:errors_desk", batch.pk)
    verb, scope = one["action"].get("verb"), scope_of(one["action"].get("params", {}))
    actor = request.user.get_username()
    if verb == "retry" and scope:

        def begin(asked: dict[str, Any]) -> Retry:
            made = apply(actor=actor, reason=asked["reason"], carefulness=asked)
            return operations.get_retry(batch.pk, made.retry or 0)

        return retries.confirm(request, batch, scope, begin=begin)
    if verb == "hold" and scope:
        return asides.confirm(request, batch, scope, begin=partial(apply, actor=actor))
    return change(request, batch, one, apply, said)


def change(request: HttpRequest, batch: Batch, one: Mapping[str, Any], apply: Apply, said: str) -> HttpResponse:
    """What is confirmed by a word: a pause, other settings, an assignment, a note."""
    kind = ThenForm if "retry" in one["action"].get("params", {}) else ConfirmForm
    answered = request.method == "POST" and "token" in request.POST
    form = kind(0, request.POST if answered else None)
    if answered and form.is_valid():
        asked = {"retry": form.cleaned_data.get("then") == "retry"} if kind is ThenForm else None
        try:
            apply(actor=request.user.get_username(), reason=form.cleaned_data["reason"], carefulness=asked)
            messages.success(request, said)
            return redirect("admin:errors_desk", batch.pk)
        except BatchError as error:
            form.add_error(None, str(error))
    shown = {
        "batch": batch,
        **advice_cards.confirmation(batch, one),
        "form": form,
        "answers": [form["then"]] if "then" in form.fields else [],
        "items": 1,
        "back": reverse("admin:errors_desk", args=[batch.pk]),
        "crumb": "Advice",
    }
    return render(request, "act_confirm.html", shown, title=shown["question"])


def dismiss(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """It comes back only if its evidence doubles, or if somebody wants to see it again."""
    batch = recoverable_batch(request, batch_id)
    found = or_404(lambda: recommendations.get(batch_id, number))
    act = partial(recommendations.dismiss, batch_id, number)
    return posted(request, batch, act, f"Dismissed: {found.title}", "advice")


def undo(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Show it again, or take back what it has done."""
    batch = recoverable_batch(request, batch_id)
    found = or_404(lambda: recommendations.get(batch_id, number))
    return posted(
        request, batch, partial(recommendations.undo, batch_id, number), f"Open again: {found.title}", "advice"
    )


def plan(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Work the recovery plan out anew; nothing is done to any item."""
    batch = recoverable_batch(request, batch_id)

    def make(actor: str, reason: str) -> None:
        plans.make(batch.pk, actor=actor)

    return posted(request, batch, make, "", "plan")


def run_plan(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The whole plan: what it will do, step by step, then let it go on by itself."""
    batch = recoverable_batch(request, batch_id)
    if request.method == "POST":
        said = "The plan runs: it goes on by itself whenever the batch is at rest."
        return posted(request, batch, partial(plan_runs.run, batch.pk), said, "plan")
    shown = advice_page.plan_of(batch)
    if not shown["may_run"] or "run" not in shown["verbs"]:
        messages.warning(request, "There is no open step to run: work out a plan first.")
        return redirect("admin:errors_desk", batch.pk)
    return render(request, "plan_confirm.html", {"batch": batch, "plan": shown}, title="Run the recovery plan?")


def plan_act(request: HttpRequest, batch_id: str, verb: str) -> HttpResponse:
    """Pause or cancel the run."""
    batch = recoverable_batch(request, batch_id)
    if verb not in ("pause", "cancel"):
        raise Http404
    return posted(request, batch, partial(plan_runs.VERBS[verb], batch.pk), "", "plan")


def posted(request: HttpRequest, batch: Batch, act: Callable[..., Any], said: str, part: str) -> HttpResponse:
    """POST does it and says what came of it; either way back to the desk."""
    if request.method == "POST":
        try:
            act(actor=request.user.get_username(), reason=reason_of(request))
            if said:
                messages.success(request, said)
        except BatchError as error:
            messages.warning(request, str(error))
    return redirect(f"{reverse('admin:errors_desk', args=[batch.pk])}#{part}")


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/advice/<int:number>/", apply_advice, "errors_advice"),
    ("desk/<str:batch_id>/advice/<int:number>/dismiss/", dismiss, "errors_advice_dismiss"),
    ("desk/<str:batch_id>/advice/<int:number>/undo/", undo, "errors_advice_undo"),
    ("desk/<str:batch_id>/plan/", plan, "errors_plan"),
    ("desk/<str:batch_id>/plan/run/", run_plan, "errors_plan_run"),
    ("desk/<str:batch_id>/plan/<int:number>/", step, "errors_step"),
    ("desk/<str:batch_id>/plan/<str:verb>/", plan_act, "errors_plan_act"),
)
