"""One row a group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum

from batches.proportions import percent_of
from errors.exports.tables.base import Page, Row, Table, iso
from errors.grouping import failing_now
from errors.models import BatchGroup, ErrorRecord, Recommendation

SHOWN = (Recommendation.State.OPEN, Recommendation.State.APPLIED)


class Summary(Table):
    kind = "summary"
    list_name = "groups"
    columns = (
        *("group_id", "fingerprint", "category", "error_type", "error_code", "title", "state", "assignee", "items"),
        *("errors", "share_of_errors", "share_of_items", "first_seen", "last_seen", "sample_item_key"),
        *("sample_message", "recommendation", "failing_now", "waiting"),
    )
    untrusted = ("error_type", "error_code", "title", "assignee", "sample_item_key", "sample_message", "recommendation")

    def groups(self) -> QuerySet[BatchGroup]:
        return self.error_filter.groups(self.batch)

    def count(self) -> int:
        return self.groups().count()

    def pages(self, after: Any = None) -> Iterator[Page]:
        """All groups are one page: a class and code has 200 of them at most."""
        if after is None and (rows := list(self.rows())):
            yield Page("end", rows)

    def rows(self) -> Iterator[Row]:
        failing_now.refresh(self.batch)
        sample = ErrorRecord.objects.filter(batch=self.batch, group=OuterRef("group")).order_by("pk")
        if self.error_filter.needs_records:
            sample = self.error_filter.records(self.batch).filter(group=OuterRef("group")).order_by("pk")
        groups = self.groups().annotate(
            sample_key=Subquery(sample.values("item_key")[:1]), sample_message=Subquery(sample.values("message")[:1])
        )
        errors = BatchGroup.objects.filter(batch=self.batch).aggregate(n=Sum("errors", default=0))["n"]
        counts, advice = self.filtered_counts(), advice_by_group(self.batch.pk)
        for row in groups:
            group = row.group
            items_and_errors = counts.get(group.pk, (row.items, row.errors))
            yield (
                *(group.pk, group.fingerprint, group.category, group.error_type, group.code, group.title, group.state),
                *(group.assignee and group.assignee.get_username(), *items_and_errors),
                *(percent(items_and_errors[1], errors), percent(items_and_errors[0], self.batch.total_items)),
                *(iso(row.first_seen), iso(row.last_seen), row.sample_key, row.sample_message),
                advice.get(group.fingerprint),
                *(row.failing, row.waiting),
            )

    def filtered_counts(self) -> dict[int, tuple[int, int]]:
        """group -> items and errors that match, where the groups' own counters cannot tell."""
        if not self.error_filter.needs_records:
            return {}
        rows = self.error_filter.records(self.batch).order_by().values_list("group")
        counted = rows.annotate(Count("item_key", distinct=True), Count("pk"))
        return {pk: (items, errors) for pk, items, errors in counted}


def percent(part: int, whole: int) -> float | None:
    """None of nothing."""
    return percent_of(part, whole) if whole else None


def advice_by_group(batch_id: str) -> dict[str, str]:
    """fingerprint -> title of the first recommendation about that group."""
    recommendations = Recommendation.objects.filter(batch=batch_id, state__in=SHOWN).order_by("-number")
    rows = recommendations.values_list("action__params__group", "title")
    return {fingerprint: title for fingerprint, title in rows if fingerprint}
