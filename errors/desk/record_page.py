"""The errors of a batch one by one, oldest first, as far as the filter meets them."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.safestring import SafeString

from batches.exceptions import InvalidInput
from batches.models import Batch
from errors.desk.filter_bar import FilterBar, filter_bar
from errors.desk.paging import Keyset, Pager, integer, pager
from errors.desk.record_row import record_row
from errors.filters.error_filter import ErrorFilter
from errors.models import ErrorRecord

ROWS = 100
BY_AGE = Keyset((integer("pk"),))


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of failed attempts."""

    batch: Batch
    filter_bar: FilterBar
    records: list[ErrorRecord]
    matching: int
    """How many errors the filter meets."""
    pager: Pager
    problem: str = ""
    """Why the filter cannot be used; empty if it can."""

    @property
    def rows(self) -> list[SafeString]:
        return [record_row(record) for record in self.records]


def record_page(batch: Batch, error_filter: ErrorFilter, after: str = "") -> RecordPage:
    """The page behind the token `after`."""
    bar = filter_bar(batch, error_filter)
    try:
        records = error_filter.records(batch).select_related("group", "item").defer("item__payload", "item__result")
        page, following = BY_AGE.page(records, after, ROWS)
        matching = error_filter.count_records(batch)
    except InvalidInput as error:
        return RecordPage(batch, bar, [], 0, pager("errors", "", "", ""), str(error))
    return RecordPage(batch, bar, page, matching, pager("errors", error_filter.query_string, after, following))
