"""One error group within one batch, and the verbs upon it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from batches.exceptions import BatchError
from batches.models import Batch
from batches.rights import TRIAGE
from errors import group_page, groups, scopes
from errors.models import BatchGroup
from errors.pages.door import Page, must, reason_of, render, viewed


def group(request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
    """One group within one batch."""
    batch = viewed(request, batch_id)
    found = rollup(batch, fingerprint).group
    after = request.GET.get("after", "0")
    context = group_page.group_page(batch, found, int(after) if after.isdecimal() and len(after) < 19 else 0)
    return render(request, "group.html", context, title=found.title or found.error_type)


def act(request: HttpRequest, batch_id: str, fingerprint: str, verb: str) -> HttpResponse:
    """One of the verbs upon a group."""
    batch = viewed(request, batch_id)
    must(request, TRIAGE)
    found = rollup(batch, fingerprint)
    if verb not in (*group_page.LEGAL, "assign", "note"):
        raise Http404
    if request.method == "POST":
        try:
            act_on(request, found.group_id, verb)
        except BatchError as error:
            messages.warning(request, str(error))
    return redirect("admin:errors_group", batch_id, found.group.fingerprint)


def act_on(request: HttpRequest, group_id: int, verb: str) -> None:
    actor, reason = request.user.get_username(), reason_of(request)
    if verb == "assign":
        whom = None if request.POST.get("nobody") else request.user
        groups.assign(group_id, whom, actor=actor, reason=reason)  # type: ignore[arg-type]
    elif verb == "note":
        groups.note(group_id, reason, actor=actor)
    else:
        getattr(groups, verb)(group_id, actor=actor, reason=reason)


def rollup(batch: Batch, fingerprint: str) -> BatchGroup:
    return get_object_or_404(BatchGroup, batch=batch, group=scopes.group_in(batch, fingerprint))


PAGES: tuple[Page, ...] = (
    ("desk/<str:batch_id>/group/<str:fingerprint>/", group, "errors_group"),
    ("desk/<str:batch_id>/group/<str:fingerprint>/<str:verb>/", act, "errors_group_act"),
)
