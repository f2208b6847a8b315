"""One row a failing item: how often it failed, in how many ways, and what that makes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from batches.models import Item
from errors.advice.problems import TwoKinds, prior_kinds, problem
from errors.exports.tables.base import AT_ONCE, Page, Row, Table, iso
from errors.findings.failure_kinds import kinds_of
from errors.models import ErrorRecord

ITEM = ("pk", "position", "key", "attempts", "crashes", "status")
LAST = ("error_type", "code", "category", "message", "group_id")


class Items(Table):
    kind = "items"
    list_name = "items"
    columns = (
        *("item_index", "item_key", "attempts", "distinct_errors", "class", "last_state", "last_failed_at"),
        *("last_error_type", "last_error_code", "last_category", "last_message", "last_group_id"),
    )
    free = ("item_key", "last_error_type", "last_error_code", "last_message")

    def items(self) -> QuerySet[Item]:
        return failing(self)

    def strays(self) -> QuerySet[ErrorRecord]:
        """Errors of the Python API whose items are stored nowhere else."""
        rows = self.error_filter.records(self.batch).filter(item__isnull=True, pk__lte=self.frozen_to)
        return rows.order_by("item_key")

    def count(self) -> int:
        return self.items().count() + self.strays().aggregate(n=Count("item_key", distinct=True))["n"]

    def pages(self, after: Any = None) -> Iterator[Page]:
        first, last = after or ("items", -1)
        kinds = kinds_of(self.batch)
        if first == "items":
            rows = self.items().values_list(*ITEM)
            while page := list(rows.filter(position__gt=last)[:AT_ONCE]):
                last = page[-1][1]
                yield ["items", last], list(self.described(page, kinds))
            last = ""
        keys = self.strays().values_list("item_key", flat=True).distinct()
        while names := list(keys.filter(item_key__gt=last)[:AT_ONCE]):
            last = names[-1]
            yield ["strays", last], list(self.described_strays(names, kinds))

    def described(self, page: Sequence[Any], kinds: TwoKinds | None) -> Iterator[Row]:
        """What the errors of these items say; an item's last record is the one of its last attempt."""
        records = ErrorRecord.objects.filter(item__in=[row[0] for row in page], pk__lte=self.frozen_to)
        last, ways = gathered(records.order_by("pk").values_list("item_id", "finished_at", *LAST))
        for pk, position, key, attempts, crashes, status in page:
            yield described(position, key, attempts, crashes, status, last.get(pk), len(ways[pk]), kinds)

    def described_strays(self, names: Sequence[str], kinds: TwoKinds | None) -> Iterator[Row]:
        theirs = Q(batch=self.batch, item__isnull=True, item_key__in=names, pk__lte=self.frozen_to)
        records = ErrorRecord.objects.filter(theirs)
        last, ways = gathered(records.order_by("pk").values_list("item_key", "finished_at", *LAST))
        where = records.order_by().values_list("item_key")
        for key, position, tried in sorted(where.annotate(Max("position"), Max("attempt"))):
            yield described(position, key, tried, 0, None, last[key], len(ways[key]), kinds)


def failing(table: Table) -> QuerySet[Item]:
    """The items that `ErrorFilter.items` means, one by one: a page costs the same wherever it stands."""
    rows = Item.objects.filter(batch=table.batch, failed_at__isnull=False).order_by("position")
    if table.error_filter.as_dict():
        theirs = table.error_filter.records(table.batch).order_by()
        rows = rows.filter(Exists(theirs.filter(item=OuterRef("pk"), attempt=OuterRef("attempts"))))
    return rows


def gathered(records: Any) -> tuple[dict[Any, Any], Mapping[Any, set[int]]]:
    """item -> its last record, and the groups of all of them."""
    last: dict[Any, Any] = {}
    ways: dict[Any, set[int]] = defaultdict(set)
    for item, *record in records:
        last[item] = record
        ways[item].add(record[-1])
    return last, ways


def described(
    position: int, key: str, tries: int, crashes: int, status: str | None, last: Any, ways: int, kinds: TwoKinds | None
) -> Row:
    at, error_type, code, category, message, group = last or (None, None, None, "", None, None)
    found = problem(key, max(1, tries), ways, kinds or prior_kinds(category), crashes=crashes)
    return (position, key, tries, ways, found.label, status, iso(at), error_type, code, category, message, group)
