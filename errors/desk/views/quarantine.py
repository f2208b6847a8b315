"""Items set aside: what would be taken, confirmed and done; what is aside; and bringing it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from batches import operations
from batches.exceptions import ScopeChanged
from batches.models import Batch
from batches.wording import quantity
from errors.desk.confirm_form import ConfirmForm
from errors.desk.quarantine_pages import count_to_take, items_to_take, quarantine_confirmation, quarantine_list
from errors.desk.views.access import Route, operable_batch, or_404, reason_of, refusals_shown, render, viewable_batch
from errors.desk.views.confirming import answers_of, carry_out
from errors.desk.views.retries import matching_scope


def quarantine_group(request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
    """The failed and waiting items of one group."""
    return confirm(request, operable_batch(request, batch_id), {"group": fingerprint})


def quarantine_matching(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Everything that the desk's filter meets."""
    return confirm(request, operable_batch(request, batch_id), matching_scope(request))


def confirm(
    request: HttpRequest, batch: Batch, scope: dict[str, Any], begin: Callable[..., Any] | None = None
) -> HttpResponse:
    """GET says exactly what will happen; POST does it, or shows it again (409) if it would be something else by now.

    Without `begin` the operation itself sets the items aside.
    """
    items = or_404(lambda: items_to_take(batch, scope))
    counted = count_to_take(items)
    form = ConfirmForm(counted.all, answers_of(request))

    def act() -> HttpResponse:
        confirmed: dict[str, Any] = {"count": form.confirmed, "key": form.key}
        actor, reason = request.user.get_username(), form.cleaned_data["reason"]
        if begin:
            begin(reason=reason, carefulness=confirmed)
        else:
            operations.quarantine(batch.pk, actor=actor, reason=reason, **confirmed, **scope)
        messages.success(request, f"{quantity(form.confirmed, 'item')} set aside. They can be brought back here.")
        return redirect("admin:errors_asides", batch.pk)

    outcome, notice = carry_out(form, act), ""
    if isinstance(outcome, HttpResponse):
        return outcome
    if isinstance(outcome, ScopeChanged):
        notice = str(outcome)
        counted = count_to_take(items)
        form = ConfirmForm(outcome.current, initial=form.answers())
    page = quarantine_confirmation(batch, scope, items, counted, form, notice)
    return render(request, "act_confirm.html", page, title=page.question, status=409 if notice else 200)


def list_quarantines(request: HttpRequest, batch_id: str) -> HttpResponse:
    """What people have set aside, the latest first."""
    batch = viewable_batch(request, batch_id)
    return render(request, "asides.html", quarantine_list(batch), title=f"Set aside in {batch}")


def release(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Undo it."""
    batch = operable_batch(request, batch_id)
    if request.method == "POST":
        with refusals_shown(request):
            actor = request.user.get_username()
            act = operations.release(batch.pk, number, actor=actor, reason=reason_of(request))
            messages.success(request, f"Brought back: each of the {quantity(act.items, 'item')} is as it was.")
    return redirect("admin:errors_asides", batch.pk)


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/group/<str:fingerprint>/aside/", quarantine_group, "errors_group_aside"),
    ("desk/<str:batch_id>/aside/", quarantine_matching, "errors_aside_matching"),
    ("desk/<str:batch_id>/asides/", list_quarantines, "errors_asides"),
    ("desk/<str:batch_id>/asides/<int:number>/back/", release, "errors_bring_back"),
)
