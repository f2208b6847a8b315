"""Verbs upon every group that the desk's filter meets: confirmed, done, told one by one, and undone."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from batches.exceptions import BatchError, InvalidInput, ScopeChanged
from batches.models import Batch
from errors.desk.bulk_form import BulkForm
from errors.desk.forms import page_key
from errors.desk.views.access import Route, or_404, reason_of, render, require_rights, viewable_batch
from errors.filters.error_filter import ErrorFilter
from errors.groups import LEGAL_STATES, bulk
from errors.models import ErrorGroup
from errors.rights import TRIAGE

PAST = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "ignore": "ignored",
    "reopen": "reopened",
    "assign": "assigned",
}
SHOWN = 20


def act(request: HttpRequest, batch_id: str, verb: str) -> HttpResponse:
    """GET says which groups are meant and which cannot be changed; POST does it."""
    batch = viewable_batch(request, batch_id)
    require_rights(request, TRIAGE)
    if verb not in bulk.VERBS:
        raise Http404
    error_filter = ErrorFilter.from_query(request.GET)
    token = request.POST.get("token", "")
    if done := token and batch.bulk_acts.filter(key=page_key(token)).first():  # type: ignore[attr-defined]
        return redirect("admin:errors_bulk", batch.pk, done.number)
    items = counted(batch, error_filter)
    form = BulkForm(verb, items, request.user, request.POST if token else None)
    notice = ""
    if token and form.is_valid():
        try:
            said = {"count": form.confirmed, "reason": form.cleaned_data["reason"], **form.said()}
            actor = request.user.get_username()
            made = bulk.act(batch.pk, verb, error_filter, key=page_key(token), actor=actor, **said)
            return redirect("admin:errors_bulk", batch.pk, made.number)
        except ScopeChanged as changed:
            notice = f"Meanwhile this changed: {changed.found:,} groups match now, not {changed.confirmed:,}. "
            notice += "Nothing was done."
            form = BulkForm(verb, changed.found, request.user)
        except BatchError as error:
            form.add_error(None, str(error))
    context = shown(batch, verb, error_filter, items, form) | {"notice": notice}
    answer = render(request, "act_confirm.html", context, title=context["question"])
    answer.status_code = 409 if notice else 200
    return answer


def counted(batch: Batch, error_filter: ErrorFilter) -> int:
    try:
        return len(bulk.matching_groups(batch, error_filter))
    except InvalidInput as error:
        raise Http404(str(error)) from None


def groups_of(n: int) -> str:
    return f"{n:,} error {'group' if n == 1 else 'groups'}"


def shown(batch: Batch, verb: str, error_filter: ErrorFilter, items: int, form: BulkForm) -> dict[str, Any]:
    rows = error_filter.groups(batch).order_by("-items", "-errors", "pk")
    states = dict(rows.order_by().values_list("group__state").annotate(n=Count("pk")))
    cannot = {state: n for state, n in states.items() if state not in LEGAL_STATES[verb]}
    able = items - sum(cannot.values())
    fields = error_filter.as_dict()
    filtered = f" that match {', '.join(f'{name} “{value}”' for name, value in fields.items())}" if fields else ""
    effects = [f"{groups_of(able)} {'is' if able == 1 else 'are'} {PAST[verb]}, in every batch of {batch.processor}."]
    if cannot:
        which = ", ".join(f"{n:,} {'is' if n == 1 else 'are'} {state}" for state, n in sorted(cannot.items()))
        effects.append(f"{groups_of(sum(cannot.values()))} cannot be: {which}. They stay as they are, and are named.")
    effects.append("No item is retried or touched. It can be undone for every group that nobody has changed since.")
    titles = rows.values_list("group__title", "group__state", "items")[:SHOWN]
    return {
        "batch": batch,
        "question": f"{verb.capitalize()} {groups_of(items)}{filtered}?",
        "effects": effects,
        "named": [f"{title or 'no message'} ({state}, {n:,} items here)" for title, state, n in titles],
        "named_title": f"The {min(SHOWN, items):,} that touch most items" if items > SHOWN else "Which they are",
        "button": f"{verb.capitalize()} {groups_of(able)}",
        "items": able,
        "form": form,
        "answers": form.asks,
        "back": f"{reverse('admin:errors_desk', args=[batch.pk])}?{error_filter.query_string}#groups",
        "crumb": verb.capitalize(),
    }


def result(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """What it changed, and what it could not and why."""
    batch = viewable_batch(request, batch_id)
    found = or_404(lambda: bulk.get(batch.pk, number))
    back = f"{reverse('admin:errors_desk', args=[batch.pk])}?{ErrorFilter.from_query(found.filter).query_string}#groups"
    rows = [{**one, "change": change_of(one)} for one in found.changed]
    context = {"batch": batch, "act": found, "past": PAST[found.verb], "rows": rows, "back": back}
    return render(request, "bulk.html", context, title=f"{groups_of(len(found.changed))} {PAST[found.verb]}")


def change_of(one: dict[str, Any]) -> str:
    before, after = one["before"]["state"], one["after"]["state"]
    return f"{before} → {after}" if before != after else ErrorGroup.State(after).value


def undo(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Put back those that are still as it left them."""
    batch = viewable_batch(request, batch_id)
    require_rights(request, TRIAGE)
    or_404(lambda: bulk.get(batch.pk, number))
    if request.method == "POST":
        try:
            found = bulk.undo(batch.pk, number, actor=request.user.get_username(), reason=reason_of(request))
            back = len(found.changed) - len(found.undone["left"])
            messages.success(request, f"{groups_of(back)} put back as {'it was' if back == 1 else 'they were'}.")
        except BatchError as error:
            messages.warning(request, str(error))
    return redirect("admin:errors_bulk", batch.pk, number)


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/groups/<str:verb>/", act, "errors_groups_act"),
    ("desk/<str:batch_id>/acts/<int:number>/", result, "errors_bulk"),
    ("desk/<str:batch_id>/acts/<int:number>/undo/", undo, "errors_bulk_undo"),
)
