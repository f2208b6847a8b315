"""What a person asks for by an address, and the answer: a file while it is made, or one that a worker has made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from batches.exceptions import InvalidInput
from batches.models import Batch
from errors import exports
from errors.exports.request import Wanted
from errors.exports.streams import Download, turns
from errors.filters.error_filter import ErrorFilter
from errors.filters.rest_filter import ErrorFilterSet
from errors.models import ErrorRecord, Export

HEAVY = 10_000
"""Downloads of more rows are made one a person at a time."""


class RecordFilterSet(ErrorFilterSet):
    """The filter of pages and lists, as a form."""

    class Meta:
        model = ErrorRecord
        fields: tuple[str, ...] = ()


def asked_for(request: Any, batch: Batch, file_format: str) -> Wanted:
    """What the query says; refused if it cannot be meant, or not by this person."""
    query, error_filter = request.GET, filter_of(request.GET)
    raw = query.get("raw", "0")
    if raw not in ("0", "1"):
        raise InvalidInput("raw: write 1 or 0.", {"raw": ["Write 1 or 0."]})
    wanted = Wanted(
        batch, kind=query.get("kind", "detail"), format=file_format, error_filter=error_filter, raw=raw == "1"
    )
    refuse_unguarded(wanted, request.user)
    return wanted


def filter_of(query: Mapping[str, Any]) -> ErrorFilter:
    form = RecordFilterSet(query, queryset=ErrorRecord.objects.none()).form
    if form.is_valid():
        return ErrorFilter.from_query(form.cleaned_data)
    errors = {field: [str(words) for words in said] for field, said in form.errors.items()}
    field, said = next(iter(errors.items()))
    raise InvalidInput(f"{field}: {said[0]}", errors)


def refuse_unguarded(wanted: Wanted, user: Any) -> None:
    if wanted.only_for_admins and not user.is_superuser:
        raise PermissionDenied(
            "Raw cells, which a spreadsheet may run, are for admins; json and ndjson are always raw."
        )


def streamed(request: Any, wanted: Wanted) -> Download:
    """The file while it is made, and a line on record."""
    user, heavy = request.user, wanted.rows > HEAVY
    if heavy and turns.is_busy(user.pk):
        raise exports.ExportUnderWay("Another large export of yours is being downloaded: one at a time.")
    asks_only = request.method == "HEAD"
    if not asks_only:
        exports.record(wanted, actor=user.get_username(), user=user)
    blocks = iter(()) if asks_only else wanted.blocks()
    blocks = turns.taking(user.pk, blocks) if heavy and not asks_only else blocks
    return as_download(request, blocks, wanted, wanted.rows)


def handed_out(request: HttpRequest, made: Export) -> Download:
    """The file of an export that is ready."""
    wanted = exports.wanted_of(made)
    refuse_unguarded(wanted, request.user)
    answer = as_download(request, exports.opened(made), wanted, made.done)
    answer.headers["Content-Length"] = str(made.written)
    return answer


def as_download(request: HttpRequest, blocks: Iterator[bytes], wanted: Wanted, rows: int) -> Download:
    return Download(request, blocks, content_type=wanted.content_type, filename=wanted.filename, rows=rows)


def refuse_strangers(made: Export, user: Any) -> None:
    """Whose export it is, or an admin."""
    if made.user_id != user.pk and not user.is_superuser:
        raise PermissionDenied("It is another person's export: only an admin may cancel it.")
