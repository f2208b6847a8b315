"""Fix and resubmit: download the failing rows, upload them corrected, look at the difference, apply it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect

from batches import operations
from batches.exceptions import BatchError
from batches.models import Batch, Fix
from batches.rights import OPERATE
from batches.wording import quantity, quantity_are
from errors.desk.fix_difference import fix_difference
from errors.desk.fix_forms import ApplyForm, UploadForm
from errors.desk.fix_steps import fix_steps
from errors.desk.views.access import Route, or_404, render, require_rights, viewable_batch
from errors.filters.error_filter import ErrorFilter


def upload_fix(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The three steps; POST checks an upload and shows what it would change."""
    batch = viewable_batch(request, batch_id)
    form = UploadForm(batch)
    if request.method == "POST":
        require_rights(request, OPERATE)
        form = UploadForm(batch, request.POST, request.FILES)
        if fix := form.check_file(request.user.get_username()):
            if fix.state == Fix.State.APPLIED:
                messages.info(request, "This very file was applied before: this is what it changed.")
            for note in fix.notes:
                messages.info(request, note)
            return redirect("admin:errors_fix", batch.pk, fix.number)
    page = fix_steps(batch, ErrorFilter.from_query(request.GET), form)
    return render(request, "fixes.html", page, title="Fix and resubmit")


def show_fix(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """GET shows the difference; POST applies it, whole or not at all."""
    batch = viewable_batch(request, batch_id)
    fix: Fix = or_404(lambda: operations.get_fix(batch.pk, number))
    form = ApplyForm(fix)
    if request.method == "POST":
        require_rights(request, OPERATE)
        form = ApplyForm(fix, request.POST)
        if form.is_valid() and (applied := apply_fix(request, batch, fix, form)):
            return applied
        fix.refresh_from_db()
        form.describe_choices(fix)
    page = fix_difference(fix, form, request.GET.get("show", ""), request.GET.get("page", ""))
    return render(request, "fix.html", page, title=f"Fix {number} of {batch}")


def apply_fix(request: HttpRequest, batch: Batch, fix: Fix, form: ApplyForm) -> HttpResponseRedirect | None:
    """To the retry it started; None when it was refused, with the reason in the form."""
    try:
        applied = operations.apply_fix(batch.pk, fix.number, actor=request.user.get_username(), **form.options())
    except BatchError as error:
        form.add_error(None, str(error))
        return None
    assert applied.retry is not None
    messages.success(
        request,
        f"{quantity(applied.changed, 'row')} corrected, {quantity_are(applied.retry.items, 'item')} tried again.",
    )
    return redirect("admin:errors_retry", batch.pk, applied.retry.number)


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/fixes/", upload_fix, "errors_fixes"),
    ("desk/<str:batch_id>/fixes/<int:number>/", show_fix, "errors_fix"),
)
