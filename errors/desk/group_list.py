"""The desk's list of error groups: a page of those that the filter meets, those of which most items fail now first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.utils.safestring import SafeString

from batches.addresses import address
from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.pages.markup import pill
from batches.wording import number_agrees
from errors.desk.addresses import group_url, records_url
from errors.desk.charts import Spark, spark
from errors.desk.paging import Keyset, Pager, integer, pager
from errors.detectors.findings import percent
from errors.filters.ageing import AGEING_MEANS
from errors.filters.error_filter import ErrorFilter
from errors.findings.timeline import Extent, TimeBins
from errors.grouping import failing_now
from errors.models import BatchGroup, ErrorGroup

ROWS = 25
ACTS = ("acknowledge", "resolve", "ignore", "assign", "reopen")
BY_ITEMS = Keyset(
    (
        integer("failing", descending=True),
        integer("items", descending=True),
        integer("errors", descending=True),
        integer("pk"),
    )
)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of the batch."""

    rollup: BatchGroup
    share: str
    """Its share of the batch's errors."""
    matching_errors: int | None
    """How many of its errors the filter meets; None where that is all of them."""
    spark: Spark | None
    """Its trend; None while the errors of a large batch are being counted."""

    @property
    def group(self) -> ErrorGroup:
        return self.rollup.group

    @property
    def pill(self) -> SafeString:
        return pill(self.group.state, self.group.state)

    @property
    def ageing(self) -> str:
        """Why it should be looked at, if nobody has for too long; empty otherwise."""
        return AGEING_MEANS if self.rollup.ageing else ""  # type: ignore[attr-defined]

    @property
    def errors_text(self) -> str:
        if self.matching_errors is None:
            return self.share
        return f"{self.matching_errors:,} {number_agrees(self.matching_errors, 'matches', 'match')}"

    @property
    def url(self) -> str:
        return group_url(self.rollup.batch_id, self.group.fingerprint)

    @property
    def has_recovered(self) -> bool:
        """Whether nobody has to do anything about it any more, and it is open still."""
        rollup = self.rollup
        return not (rollup.failing or rollup.set_aside or rollup.waiting) and self.group.state in ErrorGroup.OPEN

    @property
    def failing_url(self) -> str:
        return group_url(self.rollup.batch_id, self.group.fingerprint, tab="items", now="failed")

    @property
    def resolve_url(self) -> str:
        return address("admin:errors_group_act", self.rollup.batch_id, self.group.fingerprint, "resolve")

    @property
    def retry_url(self) -> str:
        return address("admin:errors_group_retry", self.rollup.batch_id, self.group.fingerprint)

    @property
    def errors_url(self) -> str:
        return records_url(self.rollup.batch_id, group=self.group.fingerprint)


@dataclass(frozen=True, slots=True)
class GroupList:
    """One page of the list."""

    rows: list[GroupRow]
    matching: int
    """How many groups the filter meets."""
    pager: Pager
    problem: str = ""
    """Why the filter cannot be used; empty if it can."""

    @property
    def acts(self) -> list[tuple[str, str]]:
        """Verbs upon all groups that the filter meets, and their labels."""
        return [(verb, f"{verb.capitalize()}…") for verb in ACTS]


def group_list(
    batch: Batch, error_filter: ErrorFilter, after: str, extent: Extent, times: TimeBins | None
) -> GroupList:
    """The page behind the token `after`."""
    failing_now.refresh(batch)
    try:
        groups = error_filter.groups(batch)
        page, following = BY_ITEMS.page(groups, after, ROWS)
        matching = groups.count() if page or after else 0
        matching_errors = count_matching_errors(batch, error_filter, page) if page else {}
    except InvalidInput as error:
        return GroupList([], 0, pager("groups", "", "", ""), str(error))
    rows = [
        GroupRow(
            rollup=rollup,
            share=percent(rollup.errors / extent.errors) if extent.errors else "",
            matching_errors=matching_errors.get(rollup.group_id),
            spark=spark(times.groups.get(rollup.group_id, ())) if times else None,
        )
        for rollup in page
    ]
    way = pager("groups", error_filter.query_string, after, following, anchor="#groups", shown=(len(rows), matching))
    return GroupList(rows, matching, way)


def count_matching_errors(batch: Batch, error_filter: ErrorFilter, page: Sequence[BatchGroup]) -> dict[int, int]:
    """group -> errors that the filter meets; empty where it meets groups as a whole."""
    if not error_filter.needs_records:
        return {}
    records = error_filter.records(batch).filter(group__in=[rollup.group_id for rollup in page]).order_by()
    return dict(records.values_list("group").annotate(n=Count("pk")))
