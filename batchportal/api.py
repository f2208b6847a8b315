"""The pages for what went wrong: problem documents below /api/, Django's pages elsewhere."""

from __future__ import annotations

import json
import sys

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from batches.no_room import has_no_room, refusals, what_to_free
from batches.rest.problems import CONTENT_TYPE, problem, problem_response, status_of, unavailable_text

__all__ = [
    "bad_request",
    "not_found",
    "page_unavailable",
    "page_without_room",
    "problem_response",
    "server_error",
    "status_of",
]


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: a problem document below /api/, Django's page elsewhere."""
    if request.path.startswith("/api/"):
        return page_problem(404, "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a problem document below /api/, Django's page elsewhere; 507 where the disk is full."""
    error = sys.exc_info()[1]
    if has_no_room(error):
        refusals.note(error)
        return page_without_room(request)
    if request.path.startswith("/api/"):
        return page_problem(500, "The portal could not answer this request. What went wrong is in its log.")
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a problem document below /api/, Django's page elsewhere."""
    if request.path.startswith("/api/"):
        return page_problem(400, "The request cannot be read.")
    return defaults.bad_request(request, exception)


def page_unavailable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """503: a problem document below /api/, a page elsewhere."""
    answer = page_refused(request, 503, "Not available now (503)", unavailable_text(exception))
    answer.headers["Retry-After"] = "1"
    return answer


def page_without_room(request: HttpRequest) -> HttpResponse:
    """507: what to free."""
    return page_refused(request, 507, "No room (507)", what_to_free())


def page_refused(request: HttpRequest, status: int, title: str, detail: str) -> HttpResponse:
    """A problem document below /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        return page_problem(status, detail)
    return HttpResponse(defaults.ERROR_PAGE_TEMPLATE % {"title": title, "details": detail}, status=status)


def page_problem(status: int, detail: str) -> HttpResponse:
    return HttpResponse(json.dumps(problem(status, detail)), status=status, content_type=CONTENT_TYPE)
