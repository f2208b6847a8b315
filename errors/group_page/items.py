"""The items of a group, one row each: its last failure of that kind, and what became of it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.http import urlencode

from batches.exceptions import InvalidInput
from batches.models import Batch, Item
from batches.pages import pill
from batches.redaction import redact
from errors.asked import Asked, about_records, cleaned
from errors.group_page.marked import message_parts, peek, spoken_of
from errors.group_page.samples import columns_of, safe_message
from errors.models import ErrorGroup, ErrorRecord

SHOWN = 50
NOW: dict[str, tuple[str, Q]] = {
    "failed": (
        "failed or set aside",
        Q(item__status__in=(Item.Status.FAILED, Item.Status.QUARANTINED)),
    ),
    "quarantined": ("set aside", Q(item__status=Item.Status.QUARANTINED)),
    "recovered": ("recovered", Q(item__status__in=(Item.Status.SUCCEEDED, Item.Status.SKIPPED))),
    "waiting": ("waiting for a try", Q(item__status__in=(Item.Status.PENDING, Item.Status.RUNNING))),
}
NOWS = [(name, words) for name, (words, _) in NOW.items()]
OF_ASKED = ("positions", "attempt", "field")


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """What is asked of a group's items, as it stands in the page's address."""

    now: str = ""
    item: str = ""
    asked: Asked = field(default_factory=Asked)

    @classmethod
    def of(cls, query: Mapping[str, str]) -> ItemFilter:
        """What the page does not know is left out."""
        asked = Asked(**{name: cleaned(query.get(name, "")) for name in OF_ASKED})
        now = query.get("now", "")
        return cls(now if now in NOW else "", cleaned(query.get("item", "")), asked)

    def condition(self, batch: Batch, group: ErrorGroup) -> Q:
        found = NOW[self.now][1] if self.now else Q()
        if self.item:
            found &= Q(item_key=self.item)
            if batch.processor:  # looked up by the items' own index
                found &= Q(item__in=Item.objects.filter(batch=batch, key=self.item).values("pk"))
        return found & about_records(batch, replace(self.asked, group=group.fingerprint))

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in self.said.items() if value})

    @property
    def said(self) -> dict[str, str]:
        return {"now": self.now, "item": self.item, **self.asked.said}


def last_of_each(batch: Batch, group: ErrorGroup) -> QuerySet[ErrorRecord]:
    """Every item once, by its last failure of this kind: looked up row by row in an index of attempts.

    Asked for as "none is later", PostgreSQL compares the whole group with itself before it answers a page of it.
    """
    same = {"item": OuterRef("item")} if batch.processor else {"item__isnull": True, "item_key": OuterRef("item_key")}
    last = ErrorRecord.objects.filter(batch=batch, group=group, **same).order_by("-attempt").values("pk")[:1]
    return ErrorRecord.objects.filter(batch=batch, group=group, pk=Subquery(last))


def items(batch: Batch, group: ErrorGroup, asked: ItemFilter, after: int = 0, before: int = 0) -> dict[str, Any]:
    """One page of them by key, in the order in which they failed."""
    try:
        wanted = asked.condition(batch, group)
    except InvalidInput as refused:
        return {"asked": asked, "nows": NOWS, "rows": [], "problem": str(refused)}
    rows = last_of_each(batch, group).filter(wanted).select_related("item")
    if before:
        found = list(rows.filter(pk__lt=before).order_by("-pk")[: SHOWN + 1])
        page = found[:SHOWN][::-1]
        more_before, more_after = len(found) > SHOWN, True
    else:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: SHOWN + 1])
        page = found[:SHOWN]
        more_before, more_after = bool(after), len(found) > SHOWN
    columns = columns_of(batch)
    return {
        "asked": asked,
        "nows": NOWS,
        "rows": [row_of(record, columns) for record in page],
        "before": page[0].pk if page and more_before else None,
        "after": page[-1].pk if page and more_after else None,
    }


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
