"""What is read for a page or a GET takes PostgreSQL a bounded time; what takes longer is answered 503."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from batches.conf import settings
from batches.no_room import has_no_room, refusals
from batchportal.api import page_unavailable, page_without_room, status_of


class ReadLimit:
    """Middleware: no statement of a GET runs for longer than PORTAL_READ_SECONDS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        milliseconds = int(settings.PORTAL_READ_SECONDS * 1000)
        if request.method not in ("GET", "HEAD") or not milliseconds or connection.vendor != "postgresql":
            return self.get_response(request)
        with statements_limited_to(milliseconds):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if has_no_room(exception):
            refusals.note(exception)
            return page_without_room(request)
        return page_unavailable(request, exception) if status_of(exception) == 503 else None


@contextmanager
def statements_limited_to(milliseconds: int) -> Iterator[None]:
    """Statements on this thread's connection, until the block ends."""
    limit = StatementLimit(milliseconds)
    try:
        with connection.execute_wrapper(limit):
            yield
    finally:
        if limit.is_set and connection.connection is not None:
            with suppress(DatabaseError), connection.wrap_database_errors:
                send(connection.connection, "RESET statement_timeout")


class StatementLimit:
    """Goes before the first statement; behind a pooler before each one, as each may have another session."""

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self.is_set = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if settings.PORTAL_POOLED_IDLE_MS:
            return execute(f"SET LOCAL statement_timeout = {self.milliseconds}; {sql}", params, many, context)
        if not self.is_set:
            send(context["connection"].connection, f"SET statement_timeout = {self.milliseconds}")
            self.is_set = True
        return execute(sql, params, many, context)


def send(session: Any, sql: str) -> None:
    """By the driver itself: no query of the page, so it counts as none."""
    with session.cursor() as cursor:
        cursor.execute(sql)
