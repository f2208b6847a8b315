"""Exports: the downloads of the desk's menu, and the page of what was and is being made."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from batches.exceptions import BatchError
from errors import exports
from errors.desk.export_pages import ExportConfirmation, export_list
from errors.desk.views.access import Route, or_404, refusals_shown, render, viewable_batch
from errors.exports.downloads import parse_request, refuse_strangers, serve_file, stream
from errors.exports.request import UnknownFormat
from errors.models import Export


def download(request: HttpRequest, batch_id: str, file_format: str) -> HttpResponseBase:
    """GET hands the file out, or says that it is too long for that; POST has it made in the background."""
    batch = viewable_batch(request, batch_id)
    try:
        export_request = parse_request(request, batch, file_format)
        if not exports.needs_background(export_request):
            return stream(request, export_request)
        if request.method != "POST":
            page = ExportConfirmation(export_request)
            return render(request, "export_confirm.html", page, title=page.title)
        exports.begin(export_request, actor=request.user.get_username(), user=request.user)
    except UnknownFormat as error:
        raise Http404(str(error)) from None
    except exports.ExportUnderWay as error:
        messages.warning(request, str(error))
    except BatchError as error:
        messages.warning(request, str(error))
        return redirect("admin:errors_desk", batch_id)
    return redirect("admin:errors_exports", batch_id)


def list_exports(request: HttpRequest, batch_id: str) -> HttpResponse:
    """What is being made, with progress and link; and who took what before."""
    batch = viewable_batch(request, batch_id)
    return render(request, "exports.html", export_list(batch, request.user), title=f"Exports: {batch}")


def file(request: HttpRequest, batch_id: str, number: int) -> HttpResponseBase:
    """A file that is ready; else why it is not."""
    with refusals_shown(request):
        return serve_file(request, requested(request, batch_id, number))
    return redirect("admin:errors_exports", batch_id)


def cancel(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    refuse_strangers(requested(request, batch_id, number), request.user)
    if request.method == "POST":
        exports.cancel(batch_id, number, actor=request.user.get_username())
    return redirect("admin:errors_exports", batch_id)


def requested(request: HttpRequest, batch_id: str, number: int) -> Export:
    batch = viewable_batch(request, batch_id)
    export: Export = or_404(lambda: exports.get(batch.pk, number))
    return export


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/export/<str:file_format>/", download, "errors_export"),
    ("desk/<str:batch_id>/exports/", list_exports, "errors_exports"),
    ("desk/<str:batch_id>/exports/<int:number>/file/", file, "errors_export_file"),
    ("desk/<str:batch_id>/exports/<int:number>/cancel/", cancel, "errors_export_cancel"),
)
