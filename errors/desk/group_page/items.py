"""The items of a group, one row each: its last failure of that kind, and what became of it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.http import urlencode

from batches.exceptions import InvalidInput
from batches.models import Batch, Item
from batches.pages.markup import pill
from batches.redaction import redact
from errors.desk.group_page.marked import message_parts, peek, spoken_of
from errors.desk.group_page.samples import columns_of, safe_message
from errors.filters.error_filter import ErrorFilter
from errors.filters.query_string import clean_text
from errors.models import ErrorGroup, ErrorRecord

SHOWN = 50
WINDOWS = (500, 1500, 4000)
"""So many of a group's records are looked at in turn for one page: each is an index look-up or two."""
NOW: dict[str, tuple[str, Q]] = {
    "failed": (
        "failed or set aside",
        Q(item__status__in=Item.FAILED_STATUSES),
    ),
    "quarantined": ("set aside", Q(item__status=Item.Status.QUARANTINED)),
    "recovered": ("recovered", Q(item__status__in=Item.SUCCESSFUL_STATUSES)),
    "waiting": ("waiting for a try", Q(item__status__in=(Item.Status.PENDING, Item.Status.RUNNING))),
}
NOWS = [(name, words) for name, (words, _) in NOW.items()]
ERROR_FIELDS = ("positions", "attempt", "field")


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items of a group are listed, as it stands in the page's address."""

    now: str = ""
    item: str = ""
    error_filter: ErrorFilter = field(default_factory=ErrorFilter)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ItemFilter:
        """From a query string; other names in it are left alone."""
        error_filter = ErrorFilter(**{name: clean_text(query.get(name, "")) for name in ERROR_FIELDS})
        now = query.get("now", "")
        return cls(now if now in NOW else "", clean_text(query.get("item", "")), error_filter)

    def condition(self, batch: Batch, group: ErrorGroup) -> Q:
        found = NOW[self.now][1] if self.now else Q()
        if self.item:
            found &= Q(item_key=self.item)
            if batch.processor:  # looked up by the items' own index
                found &= Q(item__in=Item.objects.filter(batch=batch, key=self.item).values("pk"))
        return found & replace(self.error_filter, group=group.fingerprint).record_condition(batch)

    @property
    def is_narrow(self) -> bool:
        """Whether an index finds the few it is about."""
        return bool(self.item or self.error_filter.positions)

    @property
    def query_string(self) -> str:
        values = {"now": self.now, "item": self.item, **self.error_filter.as_dict()}
        return urlencode({name: value for name, value in values.items() if value})


def last_of_each(batch: Batch, group: ErrorGroup) -> QuerySet[ErrorRecord]:
    """Every item once, by its last failure of this kind: looked up row by row in an index of attempts.

    Asked for as "none is later", PostgreSQL compares the whole group with itself before it answers a page of it.
    """
    same = {"item": OuterRef("item")} if batch.processor else {"item__isnull": True, "item_key": OuterRef("item_key")}
    last = ErrorRecord.objects.filter(batch=batch, group=group, **same).order_by("-attempt").values("pk")[:1]
    return ErrorRecord.objects.filter(batch=batch, group=group, pk=Subquery(last))


def items(batch: Batch, group: ErrorGroup, item_filter: ItemFilter, after: int = 0, before: int = 0) -> dict[str, Any]:
    """One page of them by key, what failed last on top: before a record, or after one."""
    try:
        condition = item_filter.condition(batch, group)
    except InvalidInput as refused:
        return {"filter": item_filter, "nows": NOWS, "rows": [], "problem": str(refused)}
    rows = last_of_each(batch, group).filter(condition).select_related("item")
    forward = bool(after)
    walk = Walk(ErrorRecord.objects.filter(batch=batch, group=group), forward, after if forward else before)
    found, edge = all_of(rows, walk) if item_filter.is_narrow else looked_for(rows, walk)
    page = found[:SHOWN][::-1] if forward else found[:SHOWN]
    edge = found[SHOWN - 1].pk if len(found) > SHOWN else edge
    columns = columns_of(batch)
    return {
        "filter": item_filter,
        "nows": NOWS,
        "rows": [row_of(record, columns) for record in page],
        "before": (page[-1].pk if page else after + 1) if forward else edge,
        "after": edge if forward else page[0].pk if page and before else None,
        "looked_at": sum(WINDOWS) if edge and len(found) <= SHOWN else 0,
    }


@dataclass(frozen=True, slots=True)
class Walk:
    """From which record on a group's records are gone through, to the later ones or to the earlier ones."""

    records: QuerySet[ErrorRecord]
    forward: bool
    start: int

    def behind(self, rows: QuerySet[ErrorRecord], start: int) -> QuerySet[ErrorRecord]:
        if self.forward:
            return rows.filter(pk__gt=start).order_by("pk")
        return (rows.filter(pk__lt=start) if start else rows).order_by("-pk")

    def edge(self, start: int, count: int) -> int | None:
        """The last of so many records; None if there are fewer."""
        return self.behind(self.records, start).values_list("pk", flat=True)[count - 1 : count].first()

    def until(self, rows: QuerySet[ErrorRecord], edge: int | None) -> QuerySet[ErrorRecord]:
        if edge is None:
            return rows
        return rows.filter(pk__lte=edge) if self.forward else rows.filter(pk__gte=edge)


def all_of(rows: QuerySet[ErrorRecord], walk: Walk) -> tuple[list[ErrorRecord], int | None]:
    return list(walk.behind(rows, walk.start)[: SHOWN + 1]), None


def looked_for(rows: QuerySet[ErrorRecord], walk: Walk) -> tuple[list[ErrorRecord], int | None]:
    """A page, and where to go on if it is not full after all that is looked at for one page."""
    found: list[ErrorRecord] = []
    start: int | None = walk.start
    for count in WINDOWS:
        edge = walk.edge(start or 0, count)
        found += walk.until(walk.behind(rows, start or 0), edge)[: SHOWN + 1 - len(found)]
        start = edge
        if len(found) > SHOWN or edge is None:
            return found, None
    return found, start


def row_of(record: ErrorRecord, columns: list[str]) -> dict[str, Any]:
    item = record.item
    payload = redact(item.payload) if item else None
    parts = message_parts(safe_message(record)[:600], payload, columns)
    return {
        "record": record,
        "parts": parts,
        "peek": peek(payload, spoken_of(parts, record.fields)) if item else [],
        "attempts": item.attempts if item else record.attempt,
        "pill": pill(item.status, item.get_status_display().lower()) if item else "",
        "differently": bool(item and item.failed_at and item.attempts > record.attempt),
    }
