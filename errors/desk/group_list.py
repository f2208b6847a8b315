"""The desk's list of error groups: a page of those that the filter meets, those of which most items fail now first."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.base_user import AbstractBaseUser

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
        matching_errors = error_filter.errors_by_group(batch)
        groups = error_filter.groups(batch, having=matching_errors)
        page, following = BY_ITEMS.page(groups, after, ROWS)
        matching = groups.count() if page or after else 0
    except InvalidInput as error:
        return GroupList([], 0, pager("groups", "", "", ""), str(error))
    may_operate, may_triage = user.has_perm(OPERATE), user.has_perm(TRIAGE)  # type: ignore[attr-defined]
    rows = [
        GroupRow(
            rollup=rollup,
            share=percent(rollup.errors / extent.errors) if extent.errors else "",
            matching_errors=None if matching_errors is None else matching_errors[rollup.group_id],
            spark=spark(times.groups.get(rollup.group_id, ())) if times else None,
            may_retry=may_operate and bool(batch.processor),
            may_triage=may_triage,
        )
        for rollup in page
    ]
    way = pager("groups", error_filter.query_string, after, following, anchor="#groups", shown=(len(rows), matching))
    return GroupList(rows, matching, way)
