"""Whose clock counts: the database's, which all workers share. SQLite has only the machine's."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Expression, Value
from django.db.models.functions import Now
from django.utils import timezone


class ClockTimestamp(Now):
    """The time of this very statement; `now()` stands still within a transaction."""

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="CLOCK_TIMESTAMP()", **context)


def now_sql() -> Any:
    """The present as an expression, for use within a statement."""
    if connection.vendor == "postgresql":
        return ClockTimestamp()
    return timezone.now()


class MachineTimeAgo:
    """A parameter of SQLite's that becomes a time whenever a statement is sent, also by one that was made long ago."""

    def __init__(self, span: timedelta) -> None:
        self.span = span

    def __conform__(self, protocol: Any) -> Any:
        if protocol is sqlite3.PrepareProtocol:
            return connection.ops.adapt_datetimefield_value(timezone.now() - self.span)
        return None


class AgoOnSQLite(Expression):
    """`MachineTimeAgo` for use within a statement."""

    output_field = DateTimeField()

    def __init__(self, span: timedelta) -> None:
        super().__init__()
        self.span = span

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [MachineTimeAgo(self.span)]


def ago(span: timedelta) -> Any:
    """That long before the statement is sent, as an expression: also in SQL that is made once and sent often."""
    if connection.vendor == "postgresql":
        return ClockTimestamp() - span
    return AgoOnSQLite(span)


def present() -> Any:
    """When the statement is sent, as an expression: also in SQL that is made once and sent often."""
    return ClockTimestamp() if connection.vendor == "postgresql" else AgoOnSQLite(timedelta())


def now_column(machine_time: datetime) -> Any:
    """The present as a column of a statement's rows: that of the machine where the database has no clock."""
    if connection.vendor == "postgresql":
        return ClockTimestamp()
    return Value(machine_time, output_field=DateTimeField())


def iso_utc(at: datetime) -> str:
    """A time as every door writes it: ISO 8601 in UTC, with a Z."""
    return at.isoformat().replace("+00:00", "Z")


def with_iso_times(value: Any) -> Any:
    """JSON-able values with their times as every door writes them, also those within lists and dicts."""
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, dict):
        return {key: with_iso_times(each) for key, each in value.items()}
    return [with_iso_times(each) for each in value] if isinstance(value, list) else value


def machine_now() -> datetime:
    """The present by this machine's clock, in UTC, without a question to the database: every item reads it twice."""
    return datetime.now(UTC)


def now() -> datetime:
    """The present, asked of the database."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT CLOCK_TIMESTAMP()")
            return cursor.fetchone()[0]  # type: ignore[no-any-return]
    return timezone.now()


def sqlite_text(at: datetime) -> str:
    """A UTC time as Django stores it in SQLite."""
    return f"{until_second(' ', at.year, at.month, at.day, at.hour, at.minute, at.second)}{fraction(at.microsecond)}"


def utc_text(at: datetime) -> str:
    """`at.isoformat()` of a UTC time, in two thirds of the time: every item has two."""
    second = until_second("T", at.year, at.month, at.day, at.hour, at.minute, at.second)
    return f"{second}{fraction(at.microsecond)}+00:00"


@lru_cache(maxsize=16)
def until_second(separator: str, *parts: int) -> str:
    """A moment without its fraction: worked out once for all the times within a second."""
    return datetime(*parts, tzinfo=None).isoformat(separator)  # type: ignore[misc, arg-type]


def fraction(microsecond: int) -> str:
    return f".{microsecond:06d}" if microsecond else ""
