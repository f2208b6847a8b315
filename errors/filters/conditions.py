"""Conditions on a batch's errors, each made of the text that a person writes into one field of the filter.

What cannot be read raises InvalidInput, which names the field and says how to write it.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.db.models import OuterRef, Q, Subquery
from django.db.models.lookups import Exact, IsNull

from batches.lifecycle.scopes import LARGEST_POSITION, parsed_time, refusal, refuse_masked
from batches.models import Batch, Item
from errors.filters.payload_text import PayloadText
from errors.models import ErrorGroup

POSITIONS = re.compile(r"(\d{1,10})(?:\s*[-–]\s*(\d{1,10}))?", re.ASCII)
ATTEMPT = re.compile(r"(\d{1,9})(\+?)", re.ASCII)


def text_conditions(batch: Batch, text: str) -> tuple[Q, Q]:
    """On rows that have a `group`: words of its title, exception or code; on records: the key of their item."""
    words = Q(title__icontains=text) | Q(error_type__icontains=text) | Q(code__icontains=text)
    groups = ErrorGroup.objects.filter(words, batches__batch=batch).order_by().values("pk")
    item = Item.objects.filter(batch=batch, key=text).values_list("pk", flat=True).first()
    return Q(group__in=groups), Q(item=item) if item else Q(item__isnull=True, item_key=text)


def attempt_condition(text: str) -> Q:
    """On records: one attempt, such as "2", or that one and all later ones, such as "3+"."""
    match = ATTEMPT.fullmatch(text)
    if match is None:
        raise refusal("attempt", "Write a number, such as 1, or 3+ for the third and later ones.")
    return Q(attempt__gte=int(match[1])) if match[2] else Q(attempt=int(match[1]))


def position_range(text: str) -> tuple[int, int]:
    """The first and the last position, both included; "7" is the range of that one."""
    match = POSITIONS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last or last > LARGEST_POSITION:
        raise refusal("positions", "Write the first and the last position, such as 400-419.")
    return first, last


def moment(field: str, text: str) -> datetime:
    """A time with its zone, as ISO 8601 writes it."""
    at = parsed_time(text.replace(" ", "+"))
    if at is None:
        raise refusal(field, "Write a time with its zone, such as 2026-11-25T14:02:10Z.")
    return at


def payload_condition(text: str, column: str = "") -> Q:
    """On records: a field of the item's payload that has this value, written as text; null: the field has none. With
    the `column` of the payload, on whatever has it."""
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name:
        raise refusal("field", "Write a payload field and its value, such as country=DE.")
    refuse_masked("field", name)
    if '"' in name:
        raise refusal("field", "A field whose name has a quotation mark cannot be searched.")
    paths = [(name,), tuple(name.split("."))] if "." in name else [(name,)]
    condition = Q()
    for path in paths[: 1 if value == "null" else 2]:
        text_of_item = PayloadText(column, *path) if column else payload_text(*path)
        condition |= Q(IsNull(text_of_item, True)) if value == "null" else Q(Exact(text_of_item, value))
    return condition


def payload_text(*path: str) -> Subquery:
    """Of a record: what its item's payload has there. Each payload is looked up by itself: PostgreSQL takes a join with
    items for one with all of them, of every batch there is, and reads those from end to end."""
    item = Item.objects.filter(pk=OuterRef("item")).order_by()
    return Subquery(item.annotate(text=PayloadText("payload", *path)).values("text")[:1])
