"""What all kinds of exports share: named columns, and rows by keyset page up to a frozen end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from django.db.models import QuerySet

from batches import keyset
from batches.clock import iso_utc
from batches.models import Batch
from errors.filters.error_filter import ErrorFilter
from errors.models import ErrorRecord

ROWS_PER_PAGE = 2_000

Row = Sequence[Any]
"""Cells: text, numbers or None; in the table of rows to correct, any JSON."""
BOOLEAN_TEXT = {True: "true", False: "false", None: None}


class Page(NamedTuple):
    """Some rows, and the place behind them, where the next page begins; a place is JSON."""

    place: Any
    rows: list[Row]


class CopiedPage(NamedTuple):
    """A page as lines of CSV, and how to read the same page as rows."""

    place: Any
    lines: list[bytes]
    rows: Callable[[], list[Row]]


class Missing:
    """Stands in a row for a field that its item has not got: an empty cell, no name in JSON."""


MISSING = Missing()


class Table(ABC):
    """One kind of export of one batch, as far as the error whose id is `frozen_to`."""

    kind: ClassVar[str]
    list_name: ClassVar[str] = "rows"
    """Name of the rows in a JSON document."""
    columns: Sequence[str]
    untrusted: Sequence[str]
    """Columns of text from outside; the others hold only what this portal writes."""
    booleans: Sequence[str] = ()

    def __init__(self, batch: Batch, error_filter: ErrorFilter, frozen_to: int) -> None:
        self.batch, self.error_filter, self.frozen_to = batch, error_filter, frozen_to

    @abstractmethod
    def count(self) -> int:
        """How many rows there are now. Raises `InvalidInput` for a filter that cannot be meant."""

    @abstractmethod
    def pages(self, after: Any = None) -> Iterator[Page]:
        """All pages, or those behind the page that ended at the place `after`."""

    def copied_pages(self, after: Any = None) -> Iterator[CopiedPage] | None:
        """The same pages as CSV written by the database, unguarded; None where the database cannot."""
        return None

    def as_object(self, row: Row) -> dict[str, Any]:
        """A row as JSON has it."""
        cells = dict(zip(self.columns, row, strict=True))
        for name in self.booleans:
            cells[name] = None if cells[name] is None else cells[name] == "true"
        return cells


def keyset_pages(rows: QuerySet[Any], *columns: str, after: Any) -> Iterator[list[Any]]:
    return keyset.pages(rows, *columns, after=after, size=ROWS_PER_PAGE)


def last_record(batch: Batch) -> int:
    """The id of the batch's last error at this moment; 0 if it has none."""
    return ErrorRecord.objects.filter(batch=batch).order_by("-pk").values_list("pk", flat=True).first() or 0


def iso(at: datetime | None) -> str | None:
    """The time in ISO 8601; None where there is none."""
    return None if at is None else iso_utc(at)
