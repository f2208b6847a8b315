"""One row a failed item: how often it failed, in how many ways, and what that makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from batches.models import Item
from errors.advice.problems import TwoKinds, prior_kinds, problem
from errors.exports.tables.base import Page, Row, Table, iso, keyset_pages
from errors.findings.failure_kinds import kinds_of
from errors.findings.problem_items import FailureHistory, failure_histories
from errors.models import ErrorRecord

READ = ("position", "pk", "key", "attempts", "crashes", "status")
LAST = ("finished_at", "error_type", "code", "category", "message", "group_id")
STORED, AD_HOC = "items", "strays"
"""The two parts of the table, as a place names them: items of the batch, then keys that only its errors name."""


class Items(Table):
    kind = "items"
    list_name = "items"
    columns = (
        *("item_index", "item_key", "attempts", "distinct_errors", "class", "last_state", "last_failed_at"),
        *("last_error_type", "last_error_code", "last_category", "last_message", "last_group_id"),
    )
    untrusted = ("item_key", "last_error_type", "last_error_code", "last_message")

    def items(self) -> QuerySet[Item]:
        return failed_items(self)

    def ad_hoc_records(self) -> QuerySet[ErrorRecord]:
        """Errors of the Python API whose items are stored nowhere else."""
        return self.error_filter.records(self.batch).filter(item__isnull=True, pk__lte=self.frozen_to)

    def count(self) -> int:
        return self.items().count() + self.ad_hoc_records().aggregate(n=Count("item_key", distinct=True))["n"]

    def pages(self, after: Any = None) -> Iterator[Page]:
        part, last = after or (STORED, -1)
        kinds = kinds_of(self.batch)
        if part == STORED:
            for items in keyset_pages(self.items(), *READ, after=last):
                yield Page([STORED, items[-1][0]], list(self.rows(items, kinds)))
            last = ""
        for keys in keyset_pages(self.ad_hoc_records().distinct(), "item_key", after=last):
            yield Page([AD_HOC, keys[-1][0]], list(self.ad_hoc_rows([key for (key,) in keys], kinds)))

    def rows(self, items: Sequence[Any], kinds: TwoKinds | None) -> Iterator[Row]:
        """What the errors of these items say; an item's last record is the one of its last attempt."""
        records = ErrorRecord.objects.filter(item__in=[pk for _, pk, *_ in items], pk__lte=self.frozen_to)
        histories = failure_histories(records, "item", *LAST)
        for position, pk, key, attempts, crashes, status in items:
            yield row_of(position, key, attempts, crashes, status, histories.get(pk, FailureHistory()), kinds)

    def ad_hoc_rows(self, keys: Sequence[str], kinds: TwoKinds | None) -> Iterator[Row]:
        of_keys = Q(batch=self.batch, item__isnull=True, item_key__in=keys, pk__lte=self.frozen_to)
        records = ErrorRecord.objects.filter(of_keys)
        histories = failure_histories(records, "item_key", *LAST)
        tries = records.order_by().values_list("item_key").annotate(Max("position"), Max("attempt"))
        for key, position, attempts in sorted(tries):
            yield row_of(position, key, attempts, 0, None, histories[key], kinds)


def failed_items(table: Table) -> QuerySet[Item]:
    """The items that `error_filter.items` means, one by one: a page costs the same wherever it stands."""
    items = Item.objects.filter(batch=table.batch, failed_at__isnull=False).order_by("position")
    if table.error_filter.as_dict():
        records = table.error_filter.records(table.batch).order_by()
        items = items.filter(Exists(records.filter(item=OuterRef("pk"), attempt=OuterRef("attempts"))))
    return items


def row_of(
    position: int,
    key: str,
    tries: int,
    crashes: int,
    status: str | None,
    history: FailureHistory,
    kinds: TwoKinds | None,
) -> Row:
    at, error_type, code, category, message, group = history.last or (None, None, None, "", None, None)
    different = len(history.groups)
    label = problem(key, max(1, tries), different, kinds or prior_kinds(category), crashes=crashes).label
    return (position, key, tries, different, label, status, iso(at), error_type, code, category, message, group)
