"""Advice and the plan, acted upon: GET says exactly what will happen, POST does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from batches.exceptions import BatchError
from batches.models import Batch
from errors import advice_desk, plans, recommendations
from errors.pages.door import Page, acted_on, known, reason_of, render


def advice(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """What one piece of advice will do."""
    batch = acted_on(request, batch_id)
    found = known(lambda: recommendations.get(batch_id, number))
    if request.method != "POST":
        shown = advice_desk.confirmation(batch, recommendations.as_dict(found, {}))
        return render(request, "confirm.html", {"batch": batch, **shown}, title=shown["question"])
    return done(request, batch, lambda **who: recommendations.apply(batch_id, number, **who), f"Applied: {found.title}")


def dismiss(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """It comes back only if its evidence doubles."""
    batch = acted_on(request, batch_id)
    found = known(lambda: recommendations.get(batch_id, number))
    if request.method != "POST":
        return redirect("admin:errors_desk", batch_id)
    return done(
        request, batch, lambda **who: recommendations.dismiss(batch_id, number, **who), f"Dismissed: {found.title}"
    )


def plan(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Work the recovery plan out anew; nothing is done to any item."""
    batch = acted_on(request, batch_id)
    if request.method == "POST":
        plans.make(batch.pk, actor=request.user.get_username())
    return redirect(f"{reverse('admin:errors_desk', args=[batch_id])}#plan")


def step(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """One step of the plan."""
    batch = acted_on(request, batch_id)
    found = next((one for one in plans.steps_of(batch_id) if one["step"] == number), None)
    if found is None:
        raise Http404
    if request.method != "POST":
        shown = advice_desk.confirmation(batch, found)
        return render(request, "confirm.html", {"batch": batch, **shown}, title=shown["question"])
    return done(
        request,
        batch,
        lambda **who: plans.apply(batch_id, number, **who),
        f"Step {number} is applied: {found['title']}",
    )


def done(request: HttpRequest, batch: Batch, act: Callable[..., Any], said: str) -> HttpResponse:
    """Do it, say what came of it, and go back to the desk."""
    try:
        act(actor=request.user.get_username(), reason=reason_of(request))
        messages.success(request, said)
    except BatchError as error:
        messages.warning(request, str(error))
    return redirect("admin:errors_desk", batch.pk)


PAGES: tuple[Page, ...] = (
    ("desk/<str:batch_id>/advice/<int:number>/", advice, "errors_advice"),
    ("desk/<str:batch_id>/advice/<int:number>/dismiss/", dismiss, "errors_advice_dismiss"),
    ("desk/<str:batch_id>/plan/", plan, "errors_plan"),
    ("desk/<str:batch_id>/plan/<int:number>/", step, "errors_step"),
)
