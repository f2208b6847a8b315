"""The desk's list of error groups: a page of those that the filter meets, those of which most items fail now first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Count

from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.rights import OPERATE
from errors.desk.charts import spark
from errors.desk.group_row import GroupRow
from errors.desk.paging import Keyset, Pager, integer, pager
from errors.detectors.findings import percent
from errors.filters.error_filter import ErrorFilter
from errors.findings.timeline import Extent, TimeBins
from errors.grouping import failing_now
from errors.models import BatchGroup
from errors.rights import TRIAGE

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
    batch: Batch, error_filter: ErrorFilter, after: str, extent: Extent, times: TimeBins | None, user: AbstractBaseUser
) -> GroupList:
    """The page behind the token `after`, for that person."""
    failing_now.refresh(batch)
    try:
        groups = error_filter.groups(batch)
        page, following = BY_ITEMS.page(groups, after, ROWS)
        matching = groups.count() if page or after else 0
        matching_errors = count_matching_errors(batch, error_filter, page) if page else {}
    except InvalidInput as error:
        return GroupList([], 0, pager("groups", "", "", ""), str(error))
    may_operate, may_triage = user.has_perm(OPERATE), user.has_perm(TRIAGE)  # type: ignore[attr-defined]
    rows = [
        GroupRow(
            rollup=rollup,
            share=percent(rollup.errors / extent.errors) if extent.errors else "",
            matching_errors=matching_errors.get(rollup.group_id),
            spark=spark(times.groups.get(rollup.group_id, ())) if times else None,
            may_operate=may_operate,
            may_triage=may_triage,
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
