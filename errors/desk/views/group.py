"""One error group within one batch, and the verbs upon it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from batches.exceptions import BatchError
from batches.models import Batch
from batches.moments import moment
from errors.desk.group_forms import FORMS
from errors.desk.group_forms.base import GroupForm
from errors.desk.group_page.history_tab import deed
from errors.desk.group_page.page import group_page
from errors.desk.group_page.state_reason import last_change
from errors.desk.group_verb_page import GroupVerbPage
from errors.desk.views.access import Route, render, require_rights, viewable_batch
from errors.filters import scopes
from errors.groups import LEGAL_STATES
from errors.models import BatchGroup, ErrorGroup
from errors.rights import TRIAGE


def show_group(request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
    """One group within one batch; a group that was merged or split is where its errors count now."""
    batch = viewable_batch(request, batch_id)
    rollup = rollup_of(batch, fingerprint)
    if rollup is None:
        return redirect_from_split(request, batch, fingerprint)
    if rollup.group.fingerprint != fingerprint:
        messages.info(request, "That group was merged into this one.")
        return redirect("admin:errors_group", batch.pk, rollup.group.fingerprint)
    title = str(rollup.group)
    return render(request, "group.html", group_page(rollup, request.GET), title=title)


def redirect_from_split(request: HttpRequest, batch: Batch, fingerprint: str) -> HttpResponse:
    split_groups = ErrorGroup.objects.filter(processor=batch.processor, by_place=True)
    if "\x00" in fingerprint or not split_groups.filter(fingerprint=fingerprint).exists():
        raise Http404(f"Batch {batch.pk} has no error group {fingerprint}.")
    messages.info(request, "That group was split by place in the code; its parts are among these.")
    return redirect("admin:errors_desk", batch.pk)


def act_on_group(request: HttpRequest, batch_id: str, fingerprint: str, verb: str) -> HttpResponse:
    """GET says what a verb will do and asks how; POST does it."""
    batch = viewable_batch(request, batch_id)
    require_rights(request, TRIAGE)
    rollup = rollup_of(batch, fingerprint)
    if rollup is None or verb not in FORMS:
        raise Http404
    form = FORMS[verb](rollup, request.POST if request.method == "POST" else None)
    if form.is_stale or rollup.group.state not in LEGAL_STATES.get(verb, (rollup.group.state,)):
        messages.warning(request, too_late(rollup.group))
        return to_group(rollup)
    if request.method == "POST" and form.is_valid() and carry_out(request, form):
        return to_group(rollup_of(batch, fingerprint) or rollup)
    return render(request, "group/act.html", GroupVerbPage(form), title=form.question)


def carry_out(request: HttpRequest, form: GroupForm) -> bool:
    """Do it and say so, with the way back; what is refused stands in the form."""
    try:
        message = form.act(request.user.get_username())
    except BatchError as error:
        form.refuse(error)
        return False
    if form.errors:
        return False
    if form.undo:
        back = reverse("admin:errors_group_act", args=[form.rollup.batch_id, form.group.fingerprint, form.undo])
        messages.success(request, format_html('{} <a href="{}">Undo: {}</a>', message, back, form.undo))
    else:
        messages.success(request, message)
    return True


def too_late(group: ErrorGroup) -> str:
    """What happened meanwhile, in one sentence."""
    last = group.changes.exclude(verb="note").order_by("-pk").first() or last_change(group)
    what = f" ({last.actor or 'the portal'} {deed(last)}, {moment(last.at, seconds=False)})" if last else ""
    return f"Nothing was done: by now the group is {group.state}{what}."


def to_group(rollup: BatchGroup) -> HttpResponse:
    return redirect("admin:errors_group", rollup.batch_id, rollup.group.fingerprint)


def rollup_of(batch: Batch, fingerprint: str) -> BatchGroup | None:
    if "\x00" in fingerprint:
        return None
    rollups = BatchGroup.objects.select_related("batch", "group__assignee", "group__clean_after")
    return rollups.filter(batch=batch, group=scopes.group_in(batch, fingerprint)).first()


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/group/<str:fingerprint>/", show_group, "errors_group"),
    ("desk/<str:batch_id>/group/<str:fingerprint>/<str:verb>/", act_on_group, "errors_group_act"),
)
