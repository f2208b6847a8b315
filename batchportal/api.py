"""What went wrong, as HTTP says it: RFC 9457 problem documents, one table for all routes."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions as rest
from rest_framework.response import Response
from rest_framework.views import set_rollback

from batches import exceptions as batch

STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (batch.UnknownBatch, 404, "Not found"),
    (batch.InvalidTransition, 409, "Not possible in the present status"),
    (batch.BatchConflict, 409, "The id is taken"),
    (batch.OperationInProgress, 409, "In progress"),
    (batch.IdempotencyConflict, 422, "The idempotency key was used for something else"),
    (batch.InvalidInput, 400, "Invalid input"),
    (Http404, 404, "Not found"),
    (PermissionDenied, 403, "Forbidden"),
    (RecursionError, 400, "Nested too deeply"),
    (OperationalError, 503, "Database unavailable"),
    (InterfaceError, 503, "Database unavailable"),
)
TITLES = {400: "Invalid input", 401: "Not signed in", 403: "Forbidden", 404: "Not found", 405: "Method not allowed"}
TITLES |= {406: "Not acceptable", 413: "Content too large", 415: "Unsupported media type", 429: "Too many requests"}


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler; None lets an unknown error become a 500."""
    document = problem_of(error)
    if document is None:
        return None
    set_rollback()
    headers = {}
    if isinstance(error, rest.APIException) and getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    return Response(document, status=document["status"], headers=headers, content_type="application/problem+json")


def problem_of(error: Exception) -> dict[str, Any] | None:
    """The problem document of an error in the table, or of one of DRF's own."""
    if isinstance(error, rest.APIException):
        return problem_of_rest(error)
    for kind, status, title in STATUS:
        if isinstance(error, kind):
            detail = "The database does not answer; try again shortly." if status == 503 else str(error) or title
            document: dict[str, Any] = problem(status, detail, title=title)
            if isinstance(error, batch.InvalidInput):
                document["errors"] = error.errors
            if isinstance(error, batch.InvalidTransition):
                document["current_status"] = error.status.upper()
            return document
    return None


def problem_of_rest(error: rest.APIException) -> dict[str, Any]:
    detail = error.detail
    if isinstance(error, rest.ValidationError):
        fields = detail if isinstance(detail, dict) else {"non_field_errors": detail}
        errors = {name: [str(m) for m in (said if isinstance(said, list) else [said])] for name, said in fields.items()}
        name, messages = next(iter(errors.items()), ("", ["Invalid input."]))
        return problem(400, f"{name}: {messages[0]}") | {"errors": errors}
    return problem(error.status_code, str(detail))


def problem(status: int, detail: str, *, title: str = "") -> dict[str, Any]:
    return {"type": "about:blank", "title": title or TITLES.get(status, "Error"), "status": status, "detail": detail}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith("/api/"):
        return plain_problem(404, "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return plain_problem(500, "The portal broke while answering; its log says why.")
    return defaults.server_error(request)


def plain_problem(status: int, detail: str) -> JsonResponse:
    return JsonResponse(problem(status, detail), status=status, content_type="application/problem+json")
