"""Pages of errors as PostgreSQL itself writes them in CSV: several times as fast as row by row.

It knows nothing of formulas: whoever takes a page from here has to look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import CharField, F, Func, QuerySet, Value
from django.db.models.functions import Concat

from errors.models import ErrorRecord

AT_ONCE = 5_000


class Text(Func):
    """An expression of PostgreSQL's that is a text, or a number written as one."""

    output_field = CharField()

    def __init__(self, template: str, *names: str) -> None:
        super().__init__(*map(F, names), template=template, arg_joiner=" - ")


MOMENT = """TO_CHAR(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
DURATION = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s) * 1000)::bigint"
COLUMNS = {
    "c_started": Text(MOMENT, "started_at"),
    "c_finished": Text(MOMENT, "finished_at"),
    "c_duration": Text(DURATION, "finished_at", "started_at"),
    "c_retryable": Text("(%(expressions)s)::text", "retryable"),
    "c_traceback": Text("ENCODE(%(expressions)s, 'hex')", "traceback_id"),
}


def is_possible() -> bool:
    return connection.vendor == "postgresql"


def lines(records: QuerySet[ErrorRecord], before: str, behind: str) -> list[bytes]:
    """The rows of `errors.exports.tables.detail`, a line each, ended as RFC 4180 says."""
    rows = records.annotate(c_url=Concat(Value(before), F("pk"), Value(behind), output_field=CharField()), **COLUMNS)
    chosen = rows.values_list(
        *("batch_id", "position", "item_key", "attempt", "c_started", "c_finished", "c_duration", "worker", "category"),
        *("error_type", "code", "message", "group__title", "group_id", "group__state", "c_retryable", "item__status"),
        *("c_traceback", "c_url"),
    )
    sql, params = chosen.query.sql_with_params()
    made = Lines()
    with connection.cursor() as cursor, connection.wrap_database_errors:
        query = cursor.mogrify(sql, params).decode()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", made)
    return made.lines


class Lines:
    """Takes what COPY writes: one row a call."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line[:-1] + b"\r\n")


def ends(records: QuerySet[ErrorRecord], last: int, frozen_to: int) -> Iterator[tuple[int, int]]:
    """Pages as (after, up to) of ids."""
    ids: Any = records.order_by("pk").values_list("pk", flat=True)
    while last < frozen_to:
        after = next(iter(ids.filter(pk__gt=last)[AT_ONCE - 1 : AT_ONCE]), frozen_to)
        yield last, after
        last = after
