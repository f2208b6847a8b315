"""The desk of one batch, its errors one by one, and the desk over all batches."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from batches.rights import VIEW
from errors.desk.desk_page import desk_page
from errors.desk.overview import overview
from errors.desk.prediction_page import prediction_page
from errors.desk.record_page import record_page
from errors.desk.views.access import Route, render, require_rights, viewable_batch
from errors.filters.error_filter import ErrorFilter
from errors.findings import is_due, looks, timeline


def show_overview(request: HttpRequest) -> HttpResponse:
    """What needs attention now, over all batches."""
    require_rights(request, VIEW)
    return render(request, "overview.html", overview(request.GET), title="Triage")


def show_predictions(request: HttpRequest) -> HttpResponse:
    """How often predictions held, of one processor or of all."""
    require_rights(request, VIEW)
    page = prediction_page(request.GET.get("processor", "").replace("\x00", ""))
    return render(request, "predictions.html", page, title="Predictions")


def show_desk(request: HttpRequest, batch_id: str) -> HttpResponse:
    """One batch's desk."""
    batch, query = viewable_batch(request, batch_id), request.GET
    user: Any = request.user
    page = desk_page(batch, ErrorFilter.from_query(query), user, query.get("after", ""), draw=query.get("draw") == "1")
    return render(request, "desk.html", page, title=f"Triage: {batch}")


def list_records(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The errors that the filter meets, one by one."""
    batch = viewable_batch(request, batch_id)
    page = record_page(batch, ErrorFilter.from_query(request.GET), request.GET.get("after", ""))
    return render(request, "records.html", page, title=f"Errors of {batch}")


def prepare(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Count what the page of a large batch did not wait for, and have a worker look for patterns."""
    batch = viewable_batch(request, batch_id)
    timeline.current_bins(batch)
    looking = is_due(batch)
    if looking:
        looks.ask_for_look(batch.pk)
    return JsonResponse({"looking": looking})


ROUTES: tuple[Route, ...] = (
    ("desk/", show_overview, "errors_overview"),
    ("predictions/", show_predictions, "errors_predictions"),
    ("desk/<str:batch_id>/", show_desk, "errors_desk"),
    ("desk/<str:batch_id>/records/", list_records, "errors_records"),
    ("desk/<str:batch_id>/ready/", prepare, "errors_ready"),
)
