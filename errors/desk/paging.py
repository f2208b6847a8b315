"""Lists a page at a time by key: the next page begins behind a row, so the last one is as quick as the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

LARGEST = 10**18


@dataclass(frozen=True, slots=True)
class Pager:
    """The way through a list: addresses of its first and of its next page, empty where there is none."""

    noun: str
    first_url: str
    next_url: str
    summary: str = ""
    """How many rows of how many are shown; empty: nothing is said about it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the order, how its value is written into an address, and read from one (ValueError: not one)."""

    name: str
    descending: bool = False
    write: Callable[[Any], str] = str
    read: Callable[[str], Any] = str

    def behind(self, value: Any) -> Q:
        return Q(**{f"{self.name}__{'lt' if self.descending else 'gt'}": value})


def read_integer(text: str) -> int:
    number = int(text)
    if not 0 <= number < LARGEST:
        raise ValueError(text)
    return number


def read_moment(text: str) -> datetime:
    moment = parse_datetime(text) if len(text) < 40 else None
    if moment is None or moment.tzinfo is None:
        raise ValueError(text)
    return moment


def integer(name: str, *, descending: bool = False) -> Column:
    return Column(name, descending, str, read_integer)


def moment(name: str, *, descending: bool = False) -> Column:
    return Column(name, descending, datetime.isoformat, read_moment)


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order in which no two rows are equal: the last column is unique."""

    columns: tuple[Column, ...]

    def order(self) -> list[str]:
        return [f"-{column.name}" if column.descending else column.name for column in self.columns]

    def token(self, row: Any) -> str:
        """Where a row stands, for an address."""
        return "~".join(column.write(value_of(row, column.name)) for column in self.columns)

    def behind(self, rows: QuerySet[Any], token: str) -> QuerySet[Any]:
        """The rows behind a token's, in order; all of them for an empty token, or one that cannot be read."""
        rows = rows.order_by(*self.order())
        try:
            values = [column.read(text) for column, text in zip(self.columns, token.split("~"), strict=True)]
        except ValueError:
            return rows
        condition, equal = Q(pk__in=[]), Q()
        for column, value in zip(self.columns, values, strict=True):
            condition |= equal & column.behind(value)
            equal &= Q(**{column.name: value})
        return rows.filter(condition)

    def page(self, rows: QuerySet[Any], token: str, size: int) -> tuple[list[Any], str]:
        """The rows behind the token, at most `size`, and the token of the next page: empty for the last one."""
        listed = list(self.behind(rows, token)[: size + 1])
        return listed[:size], self.token(listed[size - 1]) if len(listed) > size else ""


def value_of(row: Model, path: str) -> Any:
    value: Any = row
    for name in path.split("__"):
        value = getattr(value, name)
    return value


def pager(noun: str, query: str, after: str, following: str, *, anchor: str = "", shown: Sequence[int] = ()) -> Pager:
    """Of a page behind `after` with the token `following` behind it; `query` is the rest of the address."""
    parts = [query] if query else []
    first = f"?{'&'.join(parts)}{anchor}" if after else ""
    further = f"?{'&'.join([*parts, urlencode({'after': following})])}{anchor}" if following else ""
    return Pager(noun, first, further, "{:,} of {:,}".format(*shown) if shown else "")
