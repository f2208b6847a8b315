"""One row a group."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum

from errors.exports.tables.base import Page, Row, Table, iso
from errors.models import BatchGroup, ErrorRecord, Recommendation

SHOWN = (Recommendation.State.OPEN, Recommendation.State.APPLIED)


class Summary(Table):
    kind = "summary"
    list_name = "groups"
    columns = (
        *("group_id", "fingerprint", "category", "error_type", "error_code", "title", "state", "assignee", "items"),
        *("errors", "share_of_errors", "share_of_items", "first_seen", "last_seen", "sample_item_key"),
        *("sample_message", "recommendation"),
    )
    free = ("error_type", "error_code", "title", "assignee", "sample_item_key", "sample_message", "recommendation")

    def groups(self) -> QuerySet[BatchGroup]:
        return self.error_filter.groups(self.batch)

    def count(self) -> int:
        return self.groups().count()

    def pages(self, after: Any = None) -> Iterator[Page]:
        """All groups are one page: a class and code has 200 of them at most."""
        if after is None and (rows := list(self.rows())):
            yield "end", rows

    def rows(self) -> Iterator[Row]:
        sample = ErrorRecord.objects.filter(batch=self.batch, group=OuterRef("group")).order_by("pk")
        if self.error_filter.needs_records:
            sample = self.error_filter.records(self.batch).filter(group=OuterRef("group")).order_by("pk")
        found = self.groups().annotate(
            sample_key=Subquery(sample.values("item_key")[:1]), sample_message=Subquery(sample.values("message")[:1])
        )
        errors = BatchGroup.objects.filter(batch=self.batch).aggregate(n=Sum("errors", default=0))["n"]
        counted, advice = self.counted(), advice_by_group(self.batch.pk)
        for row in found:
            group = row.group
            many = counted.get(group.pk, (row.items, row.errors))
            yield (
                *(group.pk, group.fingerprint, group.category, group.error_type, group.code, group.title, group.state),
                *(group.assignee and group.assignee.get_username(), *many),
                *(share(many[1], errors), share(many[0], self.batch.total_items)),
                *(iso(row.first_seen), iso(row.last_seen), row.sample_key, row.sample_message),
                advice.get(group.fingerprint),
            )

    def counted(self) -> dict[int, tuple[int, int]]:
        """group -> items and errors that match, where the groups' own counters cannot tell."""
        if not self.error_filter.needs_records:
            return {}
        rows = self.error_filter.records(self.batch).order_by().values_list("group")
        return {
            pk: (items, errors) for pk, items, errors in rows.annotate(Count("item_key", distinct=True), Count("pk"))
        }


def share(part: int, whole: int) -> float | None:
    """Percent, floored to one decimal."""
    return math.floor(1000 * part / whole) / 10 if whole else None


def advice_by_group(batch_id: str) -> dict[str, str]:
    """fingerprint -> the first recommendation about that group."""
    known = Recommendation.objects.filter(batch=batch_id, state__in=SHOWN).order_by("-number")
    about = ((said, title) for *scopes, title in known.values_list("action", "scope", "title") for said in scopes)
    return {group: title for said, title in about for group in groups_in(said)}


def groups_in(said: Any) -> list[str]:
    if not isinstance(said, dict):
        return []
    named = said.get("group") or (said.get("params") or {}).get("group")
    return [named] if isinstance(named, str) else []
