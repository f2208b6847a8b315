"""What an exception is over REST: one table, answered as RFC 9457 problem documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from batches.engine.database_errors import is_not_migrated, sqlstate_of
from batches.exceptions import (
    BatchConflict,
    BatchError,
    IdempotencyConflict,
    InputRefused,
    InvalidInput,
    InvalidTransition,
    OperationInProgress,
    TooManyRequests,
    UnknownBatch,
    UnknownToken,
)
from batches.extensions import registered
from batches.no_room import has_no_room, refusals, what_to_free

CONTENT_TYPE = "application/problem+json"
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (UnknownBatch, 404),
    (UnknownToken, 404),
    (TooManyRequests, 429),
    (InvalidTransition, 409),
    (BatchConflict, 409),
    (OperationInProgress, 409),
    (IdempotencyConflict, 422),
    (InvalidInput, 400),
    (BatchError, 400),
    (RequestDataTooBig, 413),
    (SuspiciousOperation, 400),
    (OperationalError, 503),
    (InterfaceError, 503),
)
"""The first kind that fits decides, those of extensions before these."""
UNAVAILABLE = "The database does not answer at this moment; ask again shortly."
NOT_MIGRATED = "The database is not set up for this version of the portal: manage.py migrate has yet to run."
TOOK_TOO_LONG = "This took the database longer than PORTAL_READ_SECONDS allows: ask for less, by a narrower filter."
QUERY_CANCELED = "57014"
TOO_LARGE = "The request is larger than this portal accepts (PORTAL_MAX_UPLOAD_MB)."


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The problem document of an exception a view raised; None for a fault of our own."""
    error = as_api_exception(error)
    if isinstance(error, APIException):
        document, headers = api_problem(error), api_headers(error)
    else:
        status = status_of(error)
        if status is None:
            return None
        document, headers = portal_problem(error, status), retry_headers(error, status)
    request = context["request"]
    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), CONTENT_TYPE
    return Response(document, document["status"], headers=headers, content_type=CONTENT_TYPE)


def status_of(error: Exception) -> int | None:
    """The HTTP status of a refusal; None for a fault of our own."""
    if has_no_room(error):
        refusals.note(error)
        return 507
    if is_not_migrated(error):
        return 503
    added = (pair for extension in registered() for pair in extension.http_statuses.items())
    return next((status for kind, status in (*added, *STATUSES) if isinstance(error, kind)), None)


def as_api_exception(error: Exception) -> Exception:
    """Django's own refusals as DRF's."""
    if isinstance(error, Http404):
        return NotFound()
    return Forbidden(str(error) or None) if isinstance(error, PermissionDenied) else error


def problem(status: int, detail: str, kind: str = "about:blank", **members: Any) -> dict[str, Any]:
    return {"type": kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}


def portal_problem(error: Exception, status: int) -> dict[str, Any]:
    """A refusal of the portal's own, with what its kind adds."""
    members: dict[str, Any] = {}
    if isinstance(error, InvalidTransition):
        members["current_status"] = error.status.upper()
    if isinstance(error, InvalidInput):
        members["errors"] = error.errors or {"request": [str(error)]}
    if isinstance(error, InputRefused):
        place = {"row": error.row, "line": error.line, "column": error.column}
        members |= {name: value for name, value in place.items() if value is not None}
        members["errors"] = error.errors or {f"row {error.row}" if error.row else "file": [str(error)]}
    detail = {413: TOO_LARGE, 503: unavailable_text(error)}.get(status) or str(error)
    if status == 507:
        return problem(status, what_to_free(), "urn:batchportal:no-room")
    return problem(status, detail, f"urn:batchportal:{hyphenated(type(error).__name__)}", **members)


def unavailable_text(error: Exception) -> str:
    if is_not_migrated(error):
        return NOT_MIGRATED
    return TOOK_TOO_LONG if sqlstate_of(error) == QUERY_CANCELED else UNAVAILABLE


def hyphenated(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def retry_headers(error: Exception, status: int) -> dict[str, str]:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.wait)}
    return {"Retry-After": "1"} if status in (429, 503) or isinstance(error, OperationInProgress) else {}


def api_problem(error: APIException) -> dict[str, Any]:
    """What DRF refused; its nested messages by field."""
    if not isinstance(error, ValidationError):
        return problem(error.status_code, str(error.detail))
    errors = dict(by_field(error.detail))
    field, messages = next(iter(errors.items()))
    detail = messages[0] if field == "request" else f"{field}: {messages[0]}"
    return problem(error.status_code, detail, "urn:batchportal:invalid-input", errors=errors)


def by_field(detail: Any, path: str = "") -> list[tuple[str, list[str]]]:
    """(field, messages) of DRF's nested detail; a field within another is `outer.inner`."""
    if isinstance(detail, Mapping):
        inner = ((f"{path}.{name}" if path else str(name), value) for name, value in detail.items())
        return [pair for name, value in inner for pair in by_field(value, name.removesuffix("non_field_errors"))]
    messages = detail if isinstance(detail, list) else [detail]
    return [(path.rstrip(".") or "request", [str(message) for message in messages])]


def api_headers(error: APIException) -> dict[str, str]:
    """How to sign in, and when to ask again."""
    challenge, wait = getattr(error, "auth_header", ""), getattr(error, "wait", None)
    return ({"WWW-Authenticate": challenge} if challenge else {}) | ({"Retry-After": str(wait)} if wait else {})
