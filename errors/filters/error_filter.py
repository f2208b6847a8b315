"""The filter of a batch's errors. Page, badge, REST, bulk acts and exports share the queries made here.

`groups`, `records` and `items` match the same errors: a group matches when one of its records does, and an item when
its last record does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from batches.lifecycle.scopes import LARGEST_POSITION, refusal
from batches.models import Batch, Item
from errors.filters.ageing import ageing_flag
from errors.filters.conditions import attempt_condition, moment, payload_condition, position_range, text_conditions
from errors.filters.query_string import QueryStringFilter
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

MAX_PAYLOADS_SEARCHED = 200_000
"""A payload field is no column: a filter that leaves more records than these to search has to be narrowed first."""


@dataclass(frozen=True, slots=True)
class ErrorFilter(QueryStringFilter):
    """Which errors of a batch are meant; every field is a text as it stands in an address, empty for any.

    A text that cannot be read raises InvalidInput when a query is made of it.
    """

    state: str = ""
    category: str = ""
    code: str = ""
    text: str = ""
    group: str = ""
    attempt: str = ""
    positions: str = ""
    field: str = ""
    since: str = ""
    until: str = ""

    @property
    def needs_records(self) -> bool:
        """Whether the counters of groups cannot answer, as single records have to be looked at."""
        return bool(self.attempt or self.positions or self.field or self.since or self.until)

    def groups(self, batch: Batch, having: Iterable[int] | None = None) -> QuerySet[BatchGroup]:
        """The batch's groups with a matching error, those of which most items fail now first; `having` are those of
        `errors_by_group`, so that their errors are not looked for again."""
        rows = BatchGroup.objects.filter(batch=batch).select_related("group", "group__assignee")
        rows = rows.annotate(ageing=ageing_flag("group__")).order_by("-failing", "-items", "-errors", "pk")
        return self.narrow(rows, batch) if having is None else rows.filter(group__in=having)

    def errors_by_group(self, batch: Batch) -> dict[int, int] | None:
        """group -> its errors that match, counted in one statement; None where it meets groups as a whole."""
        if not self.needs_records:
            return None
        counted = self.records(batch).order_by().values_list("group").annotate(n=Count("pk"))
        return dict(counted)

    def narrow(self, rows: QuerySet[BatchGroup], batch: Batch) -> QuerySet[BatchGroup]:
        """The rows, all of one batch, that have a matching error."""
        rows = rows.filter(self.group_condition())
        if self.needs_records:
            matching = ErrorRecord.objects.filter(self.record_condition(batch), batch=batch)
            return rows.filter(group__in=matching.order_by().values("group"))
        if self.text:
            by_words, by_item_key = text_conditions(batch, self.text)
            matching = ErrorRecord.objects.filter(by_item_key, batch=batch)
            return rows.filter(by_words | Q(group__in=matching.order_by().values("group")))
        return rows

    def records(self, batch: Batch) -> QuerySet[ErrorRecord]:
        """The matching failed attempts, oldest first; page by `pk > last`."""
        rows = ErrorRecord.objects.filter(batch=batch)
        if condition := self.group_condition():
            groups = BatchGroup.objects.filter(condition, batch=batch)
            rows = rows.filter(group__in=groups.order_by().values("group"))
        return rows.filter(self.record_condition(batch)).order_by("pk")

    def items(self, batch: Batch) -> QuerySet[Item]:
        """The items failed now whose last error matches, by position."""
        return Item.objects.filter(self.item_condition(batch), batch=batch, failed_at__isnull=False).order_by(
            "position"
        )

    def item_condition(self, batch: Batch) -> Q:
        """On the batch's failed items: their last error matches. PostgreSQL joins items and errors once, in whichever
        order has fewer; SQLite looks from each row of the outer query, and there the errors are the fewer."""
        if connection.vendor == "sqlite":
            return Q(pk__in=self.last_records(batch).values("item"))
        of_payload, others = self.apart(batch, "payload")
        records = others.records(batch).order_by()
        return of_payload & Q(Exists(records.filter(item=OuterRef("pk"), attempt=OuterRef("attempts"))))

    def last_records(self, batch: Batch) -> QuerySet[ErrorRecord]:
        """The matching errors that are the last ones of items which are failed now; their payloads are read with the
        items."""
        of_payload, others = self.apart(batch, "item__payload")
        last = others.records(batch).filter(attempt=F("item__attempts"), item__failed_at__isnull=False)
        return last.filter(of_payload).order_by()

    def apart(self, batch: Batch, column: str) -> tuple[Q, ErrorFilter]:
        """What is asked of a payload in that column, and the filter without it."""
        if not self.field:
            return Q(), self
        self.refuse_long_search(batch)
        return payload_condition(self.field, column), replace(self, field="")

    def count_records(self, batch: Batch) -> int:
        """How many records match: from the groups' counters where these can tell."""
        if self.needs_records:
            return self.records(batch).count()
        groups = BatchGroup.objects.filter(self.group_condition(), batch=batch)
        if not self.text:
            return errors_of(groups)
        by_words, by_item_key = text_conditions(batch, self.text)
        of_item = ErrorRecord.objects.filter(by_item_key, batch=batch, group__in=groups.order_by().values("group"))
        return errors_of(groups.filter(by_words)) + of_item.exclude(by_words).count()

    def group_condition(self) -> Q:
        """On rows that have a `group`: its state, category, code and fingerprint."""
        condition = Q()
        if self.state:
            condition &= Q(group__state__in=ErrorGroup.OPEN if self.state == "open" else [self.state])
        if self.category:
            condition &= Q(group__category=self.category)
        if self.code:
            condition &= Q(group__code=self.code)
        if self.group:
            condition &= Q(group__fingerprint=self.group)
        return condition

    def record_condition(self, batch: Batch) -> Q:
        """On the batch's records: everything that their groups alone do not decide."""
        by_words, by_item_key = text_conditions(batch, self.text) if self.text else (Q(), Q())
        condition = by_words | by_item_key
        if self.attempt:
            condition &= attempt_condition(self.attempt)
        if self.positions:
            first, last = position_range(self.positions)
            condition &= Q(position__gte=first, position__lte=last)
        if self.since:
            condition &= Q(finished_at__gte=moment("since", self.since))
        if self.until:
            condition &= Q(finished_at__lte=moment("until", self.until))
        if self.field:
            self.refuse_long_search(batch)
            condition &= payload_condition(self.field)
        return condition

    def refuse_long_search(self, batch: Batch) -> None:
        """Payloads are read one by one: the other fields of the filter have to leave few enough of them."""
        first, last = position_range(self.positions) if self.positions else (0, LARGEST_POSITION)
        if last - first < MAX_PAYLOADS_SEARCHED:
            return
        if errors_of(BatchGroup.objects.filter(self.group_condition(), batch=batch)) > MAX_PAYLOADS_SEARCHED:
            raise refusal(
                "field",
                f"Payloads of at most {MAX_PAYLOADS_SEARCHED:,} errors are searched: choose a group, a category or a "
                "position range as well.",
            )


def errors_of(groups: QuerySet[BatchGroup]) -> int:
    """How many errors these groups count."""
    return int(groups.aggregate(n=Sum("errors", default=0))["n"])
