"""An export as it is asked for: which rows of which batch, as what; made block by block, wherever it is written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone

from batches import progress_tracker
from batches.exceptions import BatchError, InvalidInput
from batches.models import Batch
from batches.redaction import redact
from errors.detectors.statistics import wilson
from errors.exports.exporters import EXPORTERS, Exporter
from errors.exports.tables import KINDS, Table
from errors.exports.tables.base import iso, last_record
from errors.filters.error_filter import ErrorFilter
from errors.findings import IN_PAGE, findings
from errors.findings.failed import failed_of
from errors.recovery import recommendations

SCHEMA = "batchportal.error-report/1"


class UnknownFormat(BatchError):
    """There is no export in that format."""


@dataclass
class Wanted:
    """`frozen_to` is the last error it means: what fails while it is made is not in it."""

    batch: Batch
    kind: str = "detail"
    format: str = "csv"
    error_filter: ErrorFilter = field(default_factory=ErrorFilter)
    raw: bool = False
    frozen_to: int = -1
    at: datetime = field(default_factory=timezone.now)

    def __post_init__(self) -> None:
        if self.format not in EXPORTERS:
            raise UnknownFormat(f"There is no export as {self.format!r}: choose one of {', '.join(EXPORTERS)}.")
        if self.kind not in KINDS:
            known = ", ".join(KINDS)
            raise InvalidInput(f"kind: there is no {self.kind!r}.", {"kind": [f"Choose one of {known}."]})
        if self.frozen_to < 0:
            self.frozen_to = last_record(self.batch)

    @cached_property
    def table(self) -> Table:
        return KINDS[self.kind](self.batch, self.error_filter, self.frozen_to)

    @cached_property
    def rows(self) -> int:
        """Counted when it is first asked."""
        return self.table.count()

    @property
    def only_for_admins(self) -> bool:
        """Cells that a spreadsheet would run are handed to nobody else."""
        return self.raw and EXPORTERS[self.format].guards

    @property
    def content_type(self) -> str:
        return EXPORTERS[self.format].content_type

    @property
    def filename(self) -> str:
        return f"batch-{self.batch.pk}-errors-{self.at:%Y%m%dT%H%M%SZ}.{self.format}"

    def exporter(self) -> Exporter:
        return EXPORTERS[self.format](self.table, self.envelope, raw=self.raw)

    def blocks(self) -> Iterator[bytes]:
        """The whole file; empty blocks between pages tell that it goes on."""
        exporter, rows = self.exporter(), 0
        try:
            yield exporter.head()
            for _, count, block in exporter.blocks():
                yield block
                rows += count
            yield from exporter.tail(rows)
        finally:
            exporter.close()

    def envelope(self) -> dict[str, Any]:
        """What a document says beside its rows: of a large batch, what the worker found when it was over.

        To look now would take a web process more memory and time than the whole file.
        """
        groups = KINDS["summary"](self.batch, self.error_filter, self.frozen_to)
        said = recommendations.listed(self.batch, recommendations.errors_of(self.batch), large=False, most=IN_PAGE)
        return {
            "schema": SCHEMA,
            "generated_at": iso(self.at),
            "kind": self.kind,
            "batch": batch_of(self.batch),
            "filters": self.error_filter.as_dict(),
            "totals": totals_of(self.batch),
            "groups": [groups.as_object(row) for _, page in groups.pages() for row in page],
            "findings": findings(self.batch, large=False, most=IN_PAGE),
            "recommendations": said,
        }


def batch_of(batch: Batch) -> dict[str, Any]:
    names = ("id", "name", "processor", "status", "reason", "total_items")
    times = ("created_at", "started_at", "finished_at")
    outcome = progress_tracker.get_progress(batch.pk).outcome
    about: Mapping[str, Any] = {"outcome": outcome, "params": redact(batch.params)}
    return {name: getattr(batch, name) for name in names} | {n: iso(getattr(batch, n)) for n in times} | dict(about)


def totals_of(batch: Batch) -> dict[str, Any]:
    """`failed` items now of those done, in percent with Wilson's 95 % interval; `errors` are attempts."""
    failed = failed_of(batch)
    low, high = wilson(failed.affected, failed.done) if failed.done else (0.0, 0.0)
    return {
        "items": batch.total_items,
        "failed": failed.affected,
        "errors": recommendations.errors_of(batch),
        "rate": floored(failed.affected / failed.done) if failed.done else 0.0,
        "wilson95": [floored(low), floored(high)],
    }


def floored(part: float) -> float:
    """Percent with one decimal."""
    return int(part * 1000 + 1e-9) / 10
