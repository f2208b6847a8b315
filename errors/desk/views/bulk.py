"""Verbs upon every group that the desk's filter meets: confirmed, done, told one by one, and undone."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from batches.exceptions import ScopeChanged
from batches.wording import number_agrees, quantity
from errors.desk.bulk_form import BulkForm
from errors.desk.bulk_pages import BulkResult, bulk_confirmation, groups_text
from errors.desk.confirm_form import page_key
from errors.desk.views.access import Route, or_404, reason_of, refusals_shown, render, require_rights, viewable_batch
from errors.desk.views.confirming import answers_of, carry_out
from errors.filters.error_filter import ErrorFilter
from errors.groups import bulk
from errors.models import BulkAct
from errors.rights import TRIAGE


def act_on_groups(request: HttpRequest, batch_id: str, verb: str) -> HttpResponse:
    """GET says which groups are meant and which cannot be changed; POST does it, or shows it again (409)."""
    batch = viewable_batch(request, batch_id)
    require_rights(request, TRIAGE)
    if verb not in bulk.VERBS:
        raise Http404
    if done := BulkAct.objects.filter(batch=batch, key=page_key(request.POST.get("token", ""))).first():
        return redirect("admin:errors_bulk", batch.pk, done.number)
    error_filter = ErrorFilter.from_query(request.GET)
    groups = len(or_404(lambda: bulk.matching_groups(batch, error_filter)))
    form = BulkForm(verb, groups, request.user, answers_of(request))

    def act() -> HttpResponse:
        options = {"count": form.confirmed, "reason": form.cleaned_data["reason"], **form.verb_options()}
        actor = request.user.get_username()
        done = bulk.act(batch.pk, verb, error_filter, key=form.key, actor=actor, **options)
        return redirect("admin:errors_bulk", batch.pk, done.number)

    outcome, notice = carry_out(form, act), ""
    if isinstance(outcome, HttpResponse):
        return outcome
    if isinstance(outcome, ScopeChanged):
        notice = (
            f"Meanwhile this changed: {quantity(outcome.current, 'group')} "
            f"{number_agrees(outcome.current, 'matches', 'match')} now, not {outcome.confirmed:,}. "
        )
        notice += "Nothing was done."
        form = BulkForm(verb, outcome.current, request.user)
    page = bulk_confirmation(batch, verb, error_filter, form, notice=notice)
    return render(request, "act_confirm.html", page, title=page.question, status=409 if notice else 200)


def show_result(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """What it changed, and what it could not and why."""
    batch = viewable_batch(request, batch_id)
    page = BulkResult(batch, or_404(lambda: bulk.get(batch.pk, number)))
    return render(request, "bulk.html", page, title=page.title)


def undo(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Put back those that are still as it left them."""
    batch = viewable_batch(request, batch_id)
    require_rights(request, TRIAGE)
    or_404(lambda: bulk.get(batch.pk, number))
    if request.method == "POST":
        with refusals_shown(request):
            undone = bulk.undo(batch.pk, number, actor=request.user.get_username(), reason=reason_of(request))
            back = len(undone.changed) - len(undone.undone["left"])
            messages.success(request, f"{groups_text(back)} put back as {number_agrees(back, 'it was', 'they were')}.")
    return redirect("admin:errors_bulk", batch.pk, number)


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/groups/<str:verb>/", act_on_groups, "errors_groups_act"),
    ("desk/<str:batch_id>/acts/<int:number>/", show_result, "errors_bulk"),
    ("desk/<str:batch_id>/acts/<int:number>/undo/", undo, "errors_bulk_undo"),
)
