"""The pages of exports: one too long for a download is confirmed, and all that were made are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from batches.models import Batch
from batches.wording import quantity
from errors.desk.addresses import desk_url
from errors.desk.export_menu import KIND_NAMES, ExportMenu
from errors.exports.request import ExportRequest
from errors.models import Export

ROWS = 100


@dataclass(frozen=True, slots=True)
class ExportConfirmation:
    """An export that a worker has to make."""

    export_request: ExportRequest

    @property
    def batch(self) -> Batch:
        return self.export_request.batch

    @property
    def title(self) -> str:
        return f"Export of {quantity(self.export_request.row_count, 'row')}"

    @property
    def what(self) -> str:
        """What is in the file."""
        filtered = ", only what the filter meets" if self.export_request.error_filter.query_string else ""
        kind, format_ = KIND_NAMES[self.export_request.kind], self.export_request.format.upper()
        return f"{kind} of {self.batch}, as {format_}{filtered}."

    @property
    def desk_url(self) -> str:
        return desk_url(self.batch.pk, self.export_request.error_filter.query_string)


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One export of the list; `may_cancel` is for the person who looks at it."""

    export: Export
    may_cancel: bool

    @property
    def what(self) -> str:
        raw = ", raw" if self.export.raw else ""
        return f"{KIND_NAMES[self.export.kind]} as {self.export.format.upper()}{raw}"

    @property
    def filter_text(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.export.filters.items()) or "everything"

    @property
    def is_open(self) -> bool:
        return self.export.state in Export.OPEN

    @property
    def is_ready(self) -> bool:
        return self.export.state == Export.State.READY


@dataclass(frozen=True, slots=True)
class ExportList:
    """A batch's exports, the latest first."""

    batch: Batch
    files: list[ExportRow]
    """Those that a worker made, or makes."""
    streamed: list[ExportRow]

    @property
    def is_making(self) -> bool:
        return any(row.is_open for row in self.files)

    @property
    def sentence(self) -> str:
        if self.is_making:
            return "A file is being made; you can leave this page meanwhile."
        if self.files:
            return "Files can be downloaded for a day after they were made."
        return "No file was made in the background."

    @property
    def export_menu(self) -> ExportMenu:
        return ExportMenu(self.batch)


def export_list(batch: Batch, user: Any) -> ExportList:
    rows = [ExportRow(export, may_cancel(export, user)) for export in batch.exports.order_by("-number")[:ROWS]]
    by_worker = [row for row in rows if row.export.state != Export.State.STREAMED]
    return ExportList(batch, by_worker, [row for row in rows if row.export.state == Export.State.STREAMED])


def may_cancel(export: Export, user: Any) -> bool:
    """The person who began it and admins may, until it is over."""
    return export.state in Export.OPEN and (export.user_id == user.pk or user.is_superuser)
