"""Fix and resubmit: download the failing rows, upload them corrected, look at the difference, apply it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect

from batches import operations
from batches.exceptions import BatchError
from batches.models import Batch, Fix
from batches.rights import OPERATE
from errors.desk import fix_page
from errors.desk.views.access import Route, or_404, render, require_rights, viewable_batch
from errors.filters.error_filter import ErrorFilter


def fixes(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The three steps; POST checks an upload and shows what it would change."""
    batch = viewable_batch(request, batch_id)
    form = fix_page.UploadForm(batch)
    if request.method == "POST":
        require_rights(request, OPERATE)
        form = fix_page.UploadForm(batch, request.POST, request.FILES)
        if made := form.checked(request.user.get_username()):
            if made.state == Fix.State.APPLIED:
                messages.info(request, "This very file was applied before: this is what it changed.")
            return redirect("admin:errors_fix", batch.pk, made.number)
    context = fix_page.steps(batch, ErrorFilter.from_query(request.GET)) | {"form": form}
    return render(request, "fixes.html", context, title="Fix and resubmit")


def fix(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """GET shows the difference; POST applies it, whole or not at all."""
    batch = viewable_batch(request, batch_id)
    made: Fix = or_404(lambda: operations.get_fix(batch.pk, number))
    form = fix_page.ApplyForm(made)
    if request.method == "POST":
        require_rights(request, OPERATE)
        form = fix_page.ApplyForm(made, request.POST)
        if form.is_valid() and (done := applied(request, batch, made, form)):
            return done
        made.refresh_from_db()
        form.about(made)
    context = fix_page.difference(made, request.GET.get("show", ""), request.GET.get("page", "")) | {"form": form}
    return render(request, "fix.html", context, title=f"Fix {number} of {batch}")


def applied(request: HttpRequest, batch: Batch, made: Fix, form: Any) -> HttpResponseRedirect | None:
    """To the retry it started; None when it was refused, with the reason in the form."""
    actor = request.user.get_username()
    try:
        done = operations.apply_fix(batch.pk, made.number, actor=actor, **form.options())
    except BatchError as error:
        form.add_error(None, str(error))
        return None
    assert done.retry is not None
    messages.success(request, f"{done.changed:,} rows corrected, {done.retry.items:,} items are tried again.")
    return redirect("admin:errors_retry", batch.pk, done.retry.number)


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/fixes/", fixes, "errors_fixes"),
    ("desk/<str:batch_id>/fixes/<int:number>/", fix, "errors_fix"),
)
