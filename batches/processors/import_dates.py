"""Dates written in numbers, year last: whether day or month comes first is asked once for a column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from batches.exceptions import InvalidInput
from batches.processors import Rows
from batches.processors.importable_models import model_of
from batches.redaction import is_secret

ORDERS = {"day-first": "day", "month-first": "month"}
TWO_NUMBERS = re.compile(r"0?(\d{1,2})[/.-]0?(\d{1,2})[/.-](\d{4}|\d{2})\b", re.ASCII)
MONTHS = 12
CENTURY_TURNS = 69
"""Years of two digits from here on are of the 20th century, as POSIX has it."""
SHOWN = 40
HELP = (
    "What comes first in dates that are written in numbers, year last: day-first or month-first for all columns, or "
    "column by column, as in joined=day-first, left=month-first. Empty: asked where a date could be two."
)


class DateOrdersField(forms.CharField):
    """A text, or an object with an order a column; cleaned to a text that `order_of` reads."""

    def to_python(self, value: Any) -> str:
        orders = dict(value) if isinstance(value, Mapping) else orders_in(super().to_python(value) or "")
        wrong = [order for order in orders.values() if order not in ORDERS]
        if wrong:
            raise ValidationError(f"{wrong[0]!r} is no order of dates: write day-first or month-first.")
        return text_of(orders)

    def prepare_value(self, value: Any) -> Any:
        return text_of(value) if isinstance(value, Mapping) else value


def orders_in(text: str) -> dict[str, str]:
    """Column -> order; the column is empty for what holds for all others."""
    parts = [part.rpartition("=") for part in text.split(",") if part.strip()]
    return {column.strip(): order.strip() for column, _, order in parts}


def text_of(orders: Mapping[Any, Any]) -> str:
    return ", ".join(f"{column}={order}" if column else str(order) for column, order in sorted(orders.items()))


@lru_cache(maxsize=64)
def order_of(dates: str, column: str) -> str:
    """What comes first in the column's dates; empty where it was not said."""
    orders = orders_in(dates)
    return orders.get(column) or orders.get("", "")


def date_columns(model: str) -> list[str]:
    return [part.name for part in model_of(model)._meta.fields if isinstance(part, models.DateField)]


def is_ambiguous_date(value: Any) -> bool:
    """Whether day and month of a date could be exchanged."""
    match = TWO_NUMBERS.match(value.strip()) if isinstance(value, str) else None
    return match is not None and match[1] != match[2] and all(0 < int(number) <= MONTHS for number in match.group(1, 2))


def year_first(value: Any, order: str) -> Any:
    """A date of numbers, year last, as 2026-12-31 with what follows it; any other value as it is."""
    text = value.strip() if isinstance(value, str) else ""
    if not (match := TWO_NUMBERS.match(text)):
        return value
    day, month = match.group(1, 2) if order == "day-first" else match.group(2, 1)
    century = 0 if len(match[3]) == 4 else 1900 if int(match[3]) >= CENTURY_TURNS else 2000
    return f"{century + int(match[3]):04d}-{int(month):02d}-{int(day):02d}{text[match.end() :]}"


# -- the question ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ColumnOfDates:
    """The first date of a column that could be two, and the first that is one in each order only: (value, row)."""

    name: str
    ambiguous: tuple[str, int] | None = None
    decided: dict[str, tuple[str, int]] = field(default_factory=dict)

    def look_at(self, value: Any, row: int) -> None:
        if not isinstance(value, str) or not value[:1].strip().isdecimal() or not TWO_NUMBERS.match(value):
            return
        if is_ambiguous_date(value):
            self.ambiguous = self.ambiguous or (value, row)
            return
        orders = [order for order in ORDERS if day_of(value, order)]
        if len(orders) == 1:
            self.decided.setdefault(orders[0], (value, row))

    def question(self) -> str:
        """What each answer means, by the column's own dates; of a masked column they are not shown."""
        if self.ambiguous is None:
            return ""
        value, row = self.ambiguous
        sentences = [f"a date in row {row} could be two." if is_secret(self.name) else meanings(value, row)]
        sentences += [
            f"Row {row}{'' if is_secret(self.name) else f', {value[:SHOWN]},'} is a date only if the {ORDERS[order]} "
            "comes first."
            for order, (value, row) in self.decided.items()
        ]
        answers = " or ".join(f"{self.name}={order}" for order in ORDERS)
        return f"{self.name}: {' '.join(sentences)} Choose for the column: {answers}."


def meanings(value: str, row: int) -> str:
    days = [day_of(value, order) for order in ORDERS]
    texts = [f"{day.day} {day:%B %Y}" for day in days if day is not None]
    return f"{value[:SHOWN]} in row {row} is {texts[0]} if the day comes first, and {texts[1]} if the month does."


def day_of(value: str, order: str) -> date | None:
    try:
        return date.fromisoformat(year_first(value, order)[:10])
    except ValueError:
        return None


def ask_for_orders(params: Mapping[str, Any], rows: Rows) -> None:
    """`InvalidInput` asks for the order of every column that has a date which could be two, all columns at once."""
    names = [name for name in date_columns(params["model"]) if not order_of(params["dates"], name)]
    if rows.columns is not None:
        names = [name for name in names if name in rows.columns]
    if not names:
        return
    columns = [ColumnOfDates(name) for name in names]
    for number, _, payload in rows:
        for column in columns:
            column.look_at(payload.get(column.name), number)
    if questions := [question for column in columns if (question := column.question())]:
        raise InvalidInput(f"params.dates: {' '.join(questions)}", {"params.dates": questions})
