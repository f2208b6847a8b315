"""Exports: the downloads of the desk's menu, and the page of what was and is being made."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from batches.exceptions import BatchError
from batches.models import Batch
from errors import exports
from errors.desk.views.access import Route, render, viewable_batch
from errors.exports.downloads import parse_request, refuse_strangers, serve_file, stream
from errors.exports.request import ExportRequest, UnknownFormat
from errors.models import Export

SHOWN = 100
KINDS = {
    "summary": "Groups",
    "detail": "Errors",
    "items": "Failed items",
    "fix": "Rows to correct",
}


def download(request: HttpRequest, batch_id: str, file_format: str) -> HttpResponseBase:
    """GET hands the file out, or says that it is too long for that; POST has it made in the background."""
    batch = viewable_batch(request, batch_id)
    try:
        export_request = parse_request(request, batch, file_format)
        if not exports.needs_background(export_request):
            return stream(request, export_request)
        if request.method != "POST":
            title = f"Export of {export_request.row_count:,} rows"
            return render(request, "export_long.html", confirmation(export_request), title=title)
        exports.begin(export_request, actor=request.user.get_username(), user=request.user)
    except UnknownFormat as error:
        raise Http404(str(error)) from None
    except exports.ExportUnderWay as error:
        messages.warning(request, str(error))
    except BatchError as error:
        messages.warning(request, str(error))
        return redirect("admin:errors_desk", batch_id)
    return redirect("admin:errors_exports", batch_id)


def confirmation(export_request: ExportRequest) -> dict[str, Any]:
    back = reverse("admin:errors_desk", args=[export_request.batch.pk])
    return {
        "batch": export_request.batch,
        "export_request": export_request,
        "what": KINDS[export_request.kind],
        "back": f"{back}?{export_request.error_filter.query_string}".rstrip("?"),
    }


def listing(request: HttpRequest, batch_id: str) -> HttpResponse:
    """What is being made, with progress and link; and who took what before."""
    batch = viewable_batch(request, batch_id)
    rows = [row_of(made, request.user) for made in batch.exports.order_by("-number")[:SHOWN]]
    context = {
        "batch": batch,
        "making": [row for row in rows if row["made"].state != Export.State.STREAMED],
        "streamed": [row for row in rows if row["made"].state == Export.State.STREAMED],
        "open": any(row["open"] for row in rows),
    }
    return render(request, "exports.html", context, title=f"Exports: {batch}")


def row_of(made: Export, user: Any) -> dict[str, Any]:
    return {
        "made": made,
        "what": KINDS[made.kind],
        "filter": ", ".join(f"{name} {value}" for name, value in made.filters.items()),
        "open": made.state in Export.OPEN,
        "may_cancel": made.state in Export.OPEN and (made.user_id == user.pk or user.is_superuser),
    }


def file(request: HttpRequest, batch_id: str, number: int) -> HttpResponseBase:
    """A file that is ready; else why it is not."""
    try:
        return serve_file(request, named(request, batch_id, number))
    except BatchError as error:
        messages.warning(request, str(error))
    return redirect("admin:errors_exports", batch_id)


def cancel(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    made = named(request, batch_id, number)
    refuse_strangers(made, request.user)
    if request.method == "POST":
        exports.cancel(batch_id, number, actor=request.user.get_username())
    return redirect("admin:errors_exports", batch_id)


def named(request: HttpRequest, batch_id: str, number: int) -> Export:
    batch: Batch = viewable_batch(request, batch_id)
    try:
        return exports.get(batch.pk, number)
    except exports.UnknownExport as error:
        raise Http404(str(error)) from None


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/export/<str:file_format>/", download, "errors_export"),
    ("desk/<str:batch_id>/exports/", listing, "errors_exports"),
    ("desk/<str:batch_id>/exports/<int:number>/file/", file, "errors_export_file"),
    ("desk/<str:batch_id>/exports/<int:number>/cancel/", cancel, "errors_export_cancel"),
)
