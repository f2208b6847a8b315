"""The desk of one batch, its errors one by one, and the desk over all batches."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse

from batches.rights import VIEW
from errors import desk as desks
from errors import tasks
from errors.desk import advice_page
from errors.desk import overview as overviews
from errors.desk.record_page import record_page
from errors.desk.views.access import Route, render, require_rights, viewable_batch
from errors.filters.error_filter import ErrorFilter
from errors.findings import is_due, timeline


def overview(request: HttpRequest) -> HttpResponse:
    """What needs attention now, over all batches."""
    require_rights(request, VIEW)
    return render(request, "overview.html", overviews.overview(request.GET), title="Triage")


def desk(request: HttpRequest, batch_id: str) -> HttpResponse:
    """One batch's desk."""
    batch = viewable_batch(request, batch_id)
    draw, after = request.GET.get("draw") == "1", request.GET.get("after", "")
    error_filter = ErrorFilter.from_query(request.GET)
    context = desks.desk_of(batch, error_filter, after, draw=draw) | advice_page.said_about(batch)
    return render(request, "desk.html", context, title=f"Triage: {batch}")


def records(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The errors that are asked for."""
    batch = viewable_batch(request, batch_id)
    context = record_page(batch, ErrorFilter.from_query(request.GET), request.GET.get("after", ""))
    return render(request, "records.html", context, title=f"Errors of {batch}")


def ready(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Count what the page of a large batch did not wait for, and have a worker look for patterns."""
    batch = viewable_batch(request, batch_id)
    timeline.current_bins(batch)
    looking = is_due(batch)
    if looking:
        tasks.ask_for_look(batch.pk)
    return JsonResponse({"looking": looking})


ROUTES: tuple[Route, ...] = (
    ("desk/", overview, "errors_overview"),
    ("desk/<str:batch_id>/", desk, "errors_desk"),
    ("desk/<str:batch_id>/records/", records, "errors_records"),
    ("desk/<str:batch_id>/ready/", ready, "errors_ready"),
)
