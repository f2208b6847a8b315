"""The menu of downloads: what a row is, by format, of the errors that a page's filter meets."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.urls import reverse
from django.utils.http import urlencode

from batches.models import Batch
from errors.filters.error_filter import ErrorFilter

KIND_NAMES = {"summary": "Groups", "detail": "Errors", "items": "Failed items", "fix": "Rows to correct"}
KIND_HINTS = {
    "summary": "a row for each cause",
    "detail": "a row for each failed attempt",
    "items": "what keeps failing, and how",
    "fix": "as they came; correct and upload them",
}
FORMATS = {
    "csv": ("CSV", "CSV"),
    "semicolon": ("CSV ;", "text with semicolons"),
    "xlsx": ("Excel", "Excel workbook"),
    "json": ("JSON", "JSON"),
    "ndjson": ("NDJSON", "NDJSON, an object a line"),
}
"""The name of a format, short and in full."""


@dataclass(frozen=True, slots=True)
class Download:
    """One file; `full_name` says what a screen reader has to know of it."""

    name: str
    full_name: str
    url: str


@dataclass(frozen=True, slots=True)
class MenuRow:
    """One kind of export in every format."""

    name: str
    hint: str
    downloads: list[Download]


@dataclass(frozen=True, slots=True)
class ExportMenu:
    """The downloads of a batch's errors."""

    batch: Batch
    error_filter: ErrorFilter = field(default_factory=ErrorFilter)

    @property
    def caption(self) -> str:
        if self.error_filter.query_string:
            return "Only what the filter of this page meets"
        return "Everything that failed in this batch"

    @property
    def rows(self) -> list[MenuRow]:
        return [
            MenuRow(name, KIND_HINTS[kind], downloads(self.batch, kind, name, self.error_filter))
            for kind, name in KIND_NAMES.items()
        ]

    @property
    def exports_url(self) -> str:
        return reverse("admin:errors_exports", args=[self.batch.pk])


def downloads(batch: Batch, kind: str, name: str, error_filter: ErrorFilter) -> list[Download]:
    """A kind of export, called `name`, in every format."""
    query = urlencode({"kind": kind, **error_filter.as_dict()})
    return [
        Download(short, f"{name} as {full}", f"{reverse('admin:errors_export', args=[batch.pk, format_])}?{query}")
        for format_, (short, full) in FORMATS.items()
    ]
