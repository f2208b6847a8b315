"""What is asked of a batch's errors. Page, badge, REST, bulk acts and exports share the queries made here.

`groups(batch, asked)`, `records(batch, asked)` and `items(batch, asked)` meet the same errors: a group is met when one
of its records is, and an item when its last record is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.lookups import Exact, IsNull
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

from batches.lifecycle.scopes import FARTHEST, refusal
from batches.models import ITEM_KEY_LENGTH, Batch, Item
from batches.redaction import is_secret
from errors.filters.ageing import badge
from errors.filters.payload_text import PayloadText
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

OPEN = (ErrorGroup.State.NEW, ErrorGroup.State.REGRESSED, ErrorGroup.State.ACKNOWLEDGED)
LONGEST = ITEM_KEY_LENGTH
MOST_LOOKED_AT = 200_000
"""A payload field is no column: so many records may be searched for one, what exceeds them has to be narrowed first."""
RANGE = re.compile(r"(\d{1,10})(?:\s*[-–]\s*(\d{1,10}))?", re.ASCII)
TRIES = re.compile(r"(\d{1,9})(\+?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """As it stands in an address; empty: not asked. What cannot be meant is refused when it is used."""

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

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> Asked:
        """From a query string or a REST body; names it does not know are left alone."""
        said = {known.name: query.get(known.name) for known in fields(cls)}
        return cls(**{name: cleaned(value) for name, value in said.items() if value is not None})

    @property
    def said(self) -> dict[str, str]:
        return {known.name: value for known in fields(self) if (value := getattr(self, known.name))}

    @property
    def query(self) -> str:
        """The address that asks the same."""
        return urlencode(self.said)

    @property
    def of_records(self) -> bool:
        """Whether the groups alone cannot tell."""
        return bool(self.attempt or self.positions or self.field or self.since or self.until)


def cleaned(value: Any) -> str:
    return str(value).replace("\x00", "").strip()[:LONGEST]


def groups(batch: Batch, asked: Asked) -> QuerySet[BatchGroup]:
    """The batch's groups with a matching error, those that touch most items first."""
    rows = BatchGroup.objects.filter(batch=batch).select_related("group", "group__assignee")
    return narrowed(rows.annotate(ageing=badge("group__")), batch, asked).order_by("-items", "-errors", "pk")


def narrowed(rows: QuerySet[BatchGroup], batch: Batch, asked: Asked) -> QuerySet[BatchGroup]:
    """Those of the batch's groups that are asked for."""
    rows = rows.filter(about_groups(asked))
    if asked.of_records:
        met = ErrorRecord.objects.filter(about_records(batch, asked), batch=batch)
        return rows.filter(group__in=met.order_by().values("group"))
    if asked.text:
        named, theirs = about_text(batch, asked.text)
        met = ErrorRecord.objects.filter(theirs, batch=batch)
        return rows.filter(named | Q(group__in=met.order_by().values("group")))
    return rows


def records(batch: Batch, asked: Asked) -> QuerySet[ErrorRecord]:
    """The failed attempts that are asked for, oldest first; page by `pk > last`."""
    rows = ErrorRecord.objects.filter(batch=batch)
    if about := about_groups(asked):
        chosen = BatchGroup.objects.filter(about, batch=batch)
        rows = rows.filter(group__in=chosen.order_by().values("group"))
    return rows.filter(about_records(batch, asked)).order_by("pk")


def items(batch: Batch, asked: Asked) -> QuerySet[Item]:
    """The items failed now whose last error is asked for, by position."""
    last = records(batch, asked).filter(attempt=F("item__attempts")).order_by()
    return Item.objects.filter(batch=batch, failed_at__isnull=False, pk__in=last.values("item")).order_by("position")


def count_records(batch: Batch, asked: Asked) -> int:
    """How many records match: from the groups' counters where these can tell."""
    if asked.of_records or asked.text:
        return records(batch, asked).count()
    total = narrowed(BatchGroup.objects.filter(batch=batch), batch, asked).aggregate(n=Sum("errors", default=0))
    return int(total["n"])


def about_groups(asked: Asked) -> Q:
    """Conditions on rows that have a `group`."""
    wanted = Q()
    if asked.state:
        wanted &= Q(group__state__in=OPEN if asked.state == "open" else [asked.state])
    if asked.category:
        wanted &= Q(group__category=asked.category)
    if asked.code:
        wanted &= Q(group__code=asked.code)
    if asked.group:
        wanted &= Q(group__fingerprint=asked.group)
    return wanted


def about_text(batch: Batch, text: str) -> tuple[Q, Q]:
    """Groups by words of the template, the exception or the code; records by the key of their item."""
    words = Q(title__icontains=text) | Q(error_type__icontains=text) | Q(code__icontains=text)
    named = ErrorGroup.objects.filter(words, batches__batch=batch).order_by().values("pk")
    item = Item.objects.filter(batch=batch, key=text).values_list("pk", flat=True).first()
    return Q(group__in=named), Q(item=item) if item else Q(item__isnull=True, item_key=text)


def about_records(batch: Batch, asked: Asked) -> Q:
    named, theirs = about_text(batch, asked.text) if asked.text else (Q(), Q())
    wanted = named | theirs
    if asked.attempt:
        wanted &= about_attempt(asked.attempt)
    if asked.positions:
        first, last = positions(asked.positions)
        wanted &= Q(position__gte=first, position__lte=last)
    for name, ends in (("since", "finished_at__gte"), ("until", "finished_at__lte")):
        if said := getattr(asked, name):
            wanted &= Q(**{ends: moment(name, said)})
    if asked.field:
        must_be_few(batch, asked)
        wanted &= about_field(asked.field)
    return wanted


def about_attempt(said: str) -> Q:
    found = TRIES.fullmatch(said)
    if found is None:
        raise refusal("attempt", "Write a number, such as 1, or 3+ for the third and later ones.")
    return Q(attempt__gte=int(found[1])) if found[2] else Q(attempt=int(found[1]))


def positions(said: str) -> tuple[int, int]:
    """From one position to another, both included."""
    found = RANGE.fullmatch(said)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last or last > FARTHEST:
        raise refusal("positions", "Write the first and the last position, such as 400-419.")
    return first, last


def moment(name: str, said: str) -> datetime:
    try:
        found = parse_datetime(said.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise refusal(name, "Write a time with its zone, such as 2026-11-25T14:02:10Z.")
    return found


def must_be_few(batch: Batch, asked: Asked) -> None:
    """Payloads are read one by one: the rest of what is asked has to leave few enough of them."""
    first, last = positions(asked.positions) if asked.positions else (0, FARTHEST)
    if last - first < MOST_LOOKED_AT:
        return
    rows = BatchGroup.objects.filter(about_groups(asked), batch=batch)
    if rows.aggregate(n=Sum("errors", default=0))["n"] > MOST_LOOKED_AT:
        raise refusal(
            "field",
            f"Payloads of at most {MOST_LOOKED_AT:,} errors are searched: choose a group, a category or a position "
            "range as well.",
        )


def about_field(said: str) -> Q:
    """A payload field that has this value, written as text; null: it has none."""
    name, equals, value = said.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name:
        raise refusal("field", "Write a payload field and its value, such as country=DE.")
    if is_secret(name) or any(is_secret(part) for part in name.split(".")):
        raise refusal("field", f"{name} is masked: it cannot be searched.")
    if '"' in name:
        raise refusal("field", "A field whose name has a quotation mark cannot be searched.")
    paths = [(name,), tuple(name.split("."))] if "." in name else [(name,)]
    wanted = Q()
    for path in paths[: 1 if value == "null" else 2]:
        there = PayloadText("item__payload", *path)
        wanted |= Q(IsNull(there, True)) if value == "null" else Q(Exact(there, value))
    return wanted
