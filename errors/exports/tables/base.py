"""What all kinds of exports share: named columns, and rows by keyset page up to a frozen end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from batches.models import Batch
from errors.filters.error_filter import ErrorFilter
from errors.models import ErrorRecord

AT_ONCE = 2_000
"""Rows a page: no database cursor stays open between pages, which would pin SQLite's log."""
Row = Sequence[Any]
Page = tuple[Any, list[Row]]
"""Where the next page begins (JSON), and the rows up to there."""
Copied = tuple[Any, list[bytes], Callable[[], list[Row]]]
"""Where the next page begins, the rows as lines of CSV, and how to get them as rows."""
TRUTH = {True: "true", False: "false", None: None}


class Missing:
    """What stands in a row for a field that its item has not got: no cell, no JSON."""


MISSING = Missing()


class Table(ABC):
    """One kind of export of one batch.

    Cells are text, numbers or None; those of `nested` columns are any JSON. `free` columns hold text from outside,
    which may be anything; the others hold what this portal writes.
    """

    kind: ClassVar[str]
    list_name: ClassVar[str] = "rows"
    columns: Sequence[str]
    free: Sequence[str]
    truths: Sequence[str] = ()
    nested: Sequence[str] = ()

    def __init__(self, batch: Batch, error_filter: ErrorFilter, frozen_to: int) -> None:
        self.batch, self.error_filter, self.frozen_to = batch, error_filter, frozen_to

    @abstractmethod
    def count(self) -> int:
        """How many rows there are now; refuses what cannot be meant by the filter."""

    @abstractmethod
    def pages(self, after: Any = None) -> Iterator[Page]:
        """All pages, or those after the one that ended there."""

    def copied(self, after: Any = None) -> Iterator[Copied] | None:
        """The same pages as the database writes them in CSV, if it can. Nobody has looked at what stands in them."""
        return None

    def as_object(self, row: Row) -> dict[str, Any]:
        """A row as JSON has it."""
        made = dict(zip(self.columns, row, strict=True))
        for name in self.truths:
            made[name] = None if made[name] is None else made[name] == "true"
        return made


def last_record(batch: Batch) -> int:
    """Where the errors of a batch end at this moment."""
    return ErrorRecord.objects.filter(batch=batch).order_by("-pk").values_list("pk", flat=True).first() or 0


def iso(at: datetime | None) -> str | None:
    """ISO 8601 in UTC; every time comes from the database in UTC."""
    return None if at is None else f"{at.isoformat()[:-6]}Z"
