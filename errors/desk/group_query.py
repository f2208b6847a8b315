"""The groups of all batches: which are listed, in which order, and a page of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum

from batches import accounts
from errors.desk.group_overview_row import GroupOverviewRow
from errors.desk.paging import Keyset, Pager, integer, moment, pager
from errors.filters.ageing import AGEING_MEANS, ageing_flag, is_ageing
from errors.filters.query_string import QueryStringFilter
from errors.models import BatchGroup, ErrorGroup, holds_errors

ROWS = 50
KINDS_LISTED = 1_000
BY_LAST_SEEN = Keyset((moment("last_seen", descending=True), integer("pk", descending=True)))
BY_ITEMS = Keyset((integer("items", descending=True), integer("pk", descending=True)))
BY_FAILING = Keyset((integer("failing", descending=True), *BY_LAST_SEEN.columns))


@dataclass(frozen=True, slots=True)
class GroupQuery(QueryStringFilter):
    """Which groups of all batches are listed, and in which order: every field as it stands in an address."""

    state: str = ""
    category: str = ""
    processor: str = ""
    text: str = ""
    whose: str = ""
    sort: str = ""

    @property
    def keyset(self) -> Keyset:
        return {"items": BY_ITEMS, "seen": BY_LAST_SEEN}.get(self.sort, BY_FAILING)

    def groups(self) -> QuerySet[ErrorGroup]:
        """Open ones, unless another state is asked for."""
        states = [self.state] if self.state in ErrorGroup.State.values else ErrorGroup.OPEN
        rows = ErrorGroup.objects.filter(holds_errors(), state__in=states)
        if self.category:
            rows = rows.filter(category=self.category)
        if self.processor:
            rows = rows.filter(processor=self.processor)
        if self.whose:
            assignee = f"assignee__{accounts.name_field()}"
            rows = rows.filter(Q(assignee__isnull=True) if self.whose == "nobody" else Q(**{assignee: self.whose}))
        if self.text:
            words = Q(title__icontains=self.text) | Q(error_type__icontains=self.text) | Q(code__icontains=self.text)
            rows = rows.filter(words)
        return rows


@dataclass(frozen=True, slots=True)
class GroupChoices:
    """What groups there are to choose among."""

    categories: list[str]
    processors: list[str]
    people: list[str]


@dataclass(frozen=True, slots=True)
class GroupOverviewList:
    """One page of the groups."""

    rows: list[GroupOverviewRow]
    pager: Pager


def group_overview_list(query: GroupQuery, after: str) -> GroupOverviewList:
    """The page behind the token `after`."""
    groups = query.groups()
    page, following = query.keyset.page(with_counts(groups), after, ROWS)
    latest = latest_rows(page)
    ageing = ageing_groups(page, latest)
    rows = [
        GroupOverviewRow(
            group=group,
            failing=group.failing,
            failing_in=group.failing_in,
            set_aside=group.set_aside,
            waiting=group.waiting,
            items=group.items,
            errors=group.errors,
            batches=group.seen_in,
            ageing=AGEING_MEANS if group.pk in ageing else "",
            batch_id=latest[group.pk].batch_id if group.pk in latest else "",
            batch_name=str(latest[group.pk].batch) if group.pk in latest else "",
        )
        for group in page
    ]
    return GroupOverviewList(
        rows, pager("groups", query.query_string, after, following, shown=(len(rows), groups.count()))
    )


def with_counts(groups: QuerySet[ErrorGroup]) -> QuerySet[Any]:
    """Groups with what they count over all batches, and when one saw them last."""
    return groups.prefetch_related("assignee").annotate(
        failing=Sum("batches__failing", default=0),
        failing_in=Count("batches", filter=Q(batches__failing__gt=0)),
        set_aside=Sum("batches__set_aside", default=0),
        waiting=Sum("batches__waiting", default=0),
        items=Sum("batches__items", default=0),
        errors=Sum("batches__errors", default=0),
        seen_in=Count("batches"),
        seen_at=Max("batches__last_seen"),
    )


def latest_rows(groups: Sequence[Any]) -> dict[int, Any]:
    """By group, what it counts in the batch that saw it last, and whether it is ageing, of a page of groups.

    Only of these: as columns of the counted groups they were looked for once a batch of each group.
    """
    seen_at = {group.pk: group.seen_at for group in groups}
    rows = BatchGroup.objects.filter(group__in=seen_at, last_seen__in=set(seen_at.values()) - {None})
    rows = rows.select_related("batch").annotate(ageing=ageing_flag("group__"))
    return {row.group_id: row for row in rows.order_by("pk") if row.last_seen == seen_at[row.group_id]}


def ageing_groups(groups: Sequence[Any], latest: Mapping[int, Any]) -> set[int]:
    """Those of a page that should be looked at; of which no batch is left are asked for by themselves."""
    without = [group.pk for group in groups if group.pk not in latest]
    by_themselves = ErrorGroup.objects.filter(is_ageing(), pk__in=without) if without else ()
    return {group_id for group_id, row in latest.items() if row.ageing} | {group.pk for group in by_themselves}


def group_choices() -> GroupChoices:
    groups = ErrorGroup.objects.filter(holds_errors()).order_by()
    kinds = list(
        groups.values_list("category", "processor", f"assignee__{accounts.name_field()}").distinct()[:KINDS_LISTED]
    )
    return GroupChoices(
        categories=sorted({category for category, _, _ in kinds}),
        processors=sorted({processor for _, processor, _ in kinds if processor}),
        people=sorted({person for _, _, person in kinds if person}),
    )
