"""From the address of a download to its answer: a file while it is written, or one that a worker has written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from batches.exceptions import InvalidInput
from batches.models import Batch
from errors import exports
from errors.exports.request import ExportRequest
from errors.exports.streams import Download, download_slots
from errors.filters.error_filter import ErrorFilter
from errors.filters.rest_filter import ErrorFilterSet
from errors.models import ErrorRecord, Export

LARGE_DOWNLOAD_ROWS = 10_000
"""Downloads of more rows run one a person at a time."""


class RecordFilterSet(ErrorFilterSet):
    """The filter of pages and lists, as a form."""

    class Meta:
        model = ErrorRecord
        fields: tuple[str, ...] = ()


def parse_request(request: Any, batch: Batch, file_format: str) -> ExportRequest:
    """The export that a query string asks for.

    Raises `InvalidInput` if it means nothing, and `PermissionDenied` if it is not for this person.
    """
    query, error_filter = request.GET, parse_filter(request.GET)
    raw = query.get("raw", "0")
    if raw not in ("0", "1"):
        raise InvalidInput("raw: write 1 or 0.", {"raw": ["Write 1 or 0."]})
    kind = query.get("kind", "detail")
    export_request = ExportRequest(batch, kind=kind, format=file_format, error_filter=error_filter, raw=raw == "1")
    refuse_raw_cells(export_request, request.user)
    return export_request


def parse_filter(query: Mapping[str, Any]) -> ErrorFilter:
    form = RecordFilterSet(query, queryset=ErrorRecord.objects.none()).form
    if form.is_valid():
        return ErrorFilter.from_query(form.cleaned_data)
    errors = {field: [str(message) for message in messages] for field, messages in form.errors.items()}
    field, messages = next(iter(errors.items()))
    raise InvalidInput(f"{field}: {messages[0]}", errors)


def refuse_raw_cells(export_request: ExportRequest, user: Any) -> None:
    if export_request.only_for_admins and not user.is_superuser:
        raise PermissionDenied(
            "Raw cells, which a spreadsheet may run, are for admins; json and ndjson are always raw."
        )


def stream(request: Any, export_request: ExportRequest) -> Download:
    """The file while it is written, and its row on record; to HEAD only the headers.

    Raises `ExportUnderWay` while another large download of the same person runs.
    """
    user, is_large = request.user, export_request.row_count > LARGE_DOWNLOAD_ROWS
    if is_large and download_slots.is_taken(user.pk):
        raise exports.ExportUnderWay("Another large export of yours is being downloaded: one at a time.")
    if request.method == "HEAD":
        return as_download(request, iter(()), export_request, export_request.row_count)
    exports.record(export_request, actor=user.get_username(), user=user)
    blocks = export_request.blocks()
    if is_large:
        blocks = download_slots.held_by(user.pk, blocks)
    return as_download(request, blocks, export_request, export_request.row_count)


def serve_file(request: HttpRequest, export: Export) -> Download:
    """The file of an export that is ready. Raises `ExportNotReady`, `ExportGone`, `PermissionDenied`."""
    export_request = ExportRequest.of(export)
    refuse_raw_cells(export_request, request.user)
    answer = as_download(request, exports.file_blocks(export), export_request, export.done)
    answer.headers["Content-Length"] = str(export.written)
    return answer


def as_download(request: HttpRequest, blocks: Iterator[bytes], export_request: ExportRequest, rows: int) -> Download:
    return Download(
        request, blocks, content_type=export_request.content_type, filename=export_request.filename, rows=rows
    )


def refuse_strangers(export: Export, user: Any) -> None:
    """Only whose export it is, or an admin, may cancel it."""
    if export.user_id != user.pk and not user.is_superuser:
        raise PermissionDenied("It is another person's export: only an admin may cancel it.")
