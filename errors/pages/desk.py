"""The desk of one batch, and the one over all batches."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from batches.rights import VIEW
from errors import advice_desk
from errors import desk as desks
from errors.asked import Asked
from errors.pages.door import Page, must, render, viewed


def overview(request: HttpRequest) -> HttpResponse:
    """What needs attention now, over all batches."""
    must(request, VIEW)
    return render(request, "overview.html", desks.overview(), title="Triage")


def desk(request: HttpRequest, batch_id: str) -> HttpResponse:
    """One batch's desk."""
    batch = viewed(request, batch_id)
    context = desks.desk_of(batch, Asked.of(request.GET)) | advice_desk.said_about(batch)
    return render(request, "desk.html", context, title=f"Triage: {batch}")


PAGES: tuple[Page, ...] = (
    ("desk/", overview, "errors_overview"),
    ("desk/<str:batch_id>/", desk, "errors_desk"),
)
