"""What is to be exported: which rows of which batch, in which format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial

from django.utils import timezone

from batches.exceptions import BatchError, InvalidInput
from batches.models import Batch
from errors.exports.envelope import envelope
from errors.exports.exporters import EXPORTERS, Exporter
from errors.exports.tables import KINDS, Table
from errors.exports.tables.base import last_record
from errors.filters.error_filter import ErrorFilter
from errors.models import Export


class UnknownFormat(BatchError):
    """There is no export in that format."""


@dataclass
class ExportRequest:
    """A kind of table, its format and its filter. Errors recorded after the id `frozen_to` are not part of it.

    Raises `UnknownFormat`, and `InvalidInput` for an unknown kind.
    """

    batch: Batch
    kind: str = "detail"
    format: str = "csv"
    error_filter: ErrorFilter = field(default_factory=ErrorFilter)
    raw: bool = False
    frozen_to: int = -1
    """-1: the batch's last error at this moment."""
    requested_at: datetime = field(default_factory=timezone.now)

    def __post_init__(self) -> None:
        if self.format not in EXPORTERS:
            raise UnknownFormat(f"There is no export as {self.format!r}: choose one of {', '.join(EXPORTERS)}.")
        if self.kind not in KINDS:
            choices = f"Choose one of {', '.join(KINDS)}."
            raise InvalidInput(f"kind: there is no {self.kind!r}.", {"kind": [choices]})
        if self.frozen_to < 0:
            self.frozen_to = last_record(self.batch)

    @classmethod
    def of(cls, export: Export) -> ExportRequest:
        """The request that an export on record came from."""
        return cls(
            batch=export.batch,
            kind=export.kind,
            format=export.format,
            error_filter=ErrorFilter.from_query(export.filters),
            raw=export.raw,
            frozen_to=export.frozen_to,
            requested_at=export.created_at,
        )

    def asks_for(self, export: Export) -> bool:
        """Whether the export on record is of the same batch, kind, format and filter; of whichever moment."""
        own = (self.batch.pk, self.kind, self.format, self.raw, self.error_filter.as_dict())
        return own == (export.batch_id, export.kind, export.format, export.raw, export.filters)

    @cached_property
    def table(self) -> Table:
        return KINDS[self.kind](self.batch, self.error_filter, self.frozen_to)

    @cached_property
    def row_count(self) -> int:
        """Counted by a query when it is first read."""
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
        suffix = EXPORTERS[self.format].suffix or self.format
        return f"batch-{self.batch.pk}-errors-{self.requested_at:%Y%m%dT%H%M%SZ}.{suffix}"

    def exporter(self) -> Exporter:
        return EXPORTERS[self.format](self.table, partial(envelope, self.table, self.requested_at), raw=self.raw)

    def blocks(self) -> Iterator[bytes]:
        """The whole file; empty blocks between pages tell that it goes on."""
        exporter, row_count = self.exporter(), 0
        try:
            yield exporter.head()
            for block in exporter.blocks():
                yield block.content
                row_count += block.row_count
            yield from exporter.tail(row_count)
        finally:
            exporter.close()
