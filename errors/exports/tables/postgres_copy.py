"""Pages of errors that PostgreSQL itself writes as CSV: several times as fast as row by row.

COPY knows nothing of formulas: the caller has to guard what it takes from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import CharField, F, Func, QuerySet, Value
from django.db.models.functions import Concat

from errors.models import ErrorRecord

ROWS_PER_COPY = 5_000


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


def lines(records: QuerySet[ErrorRecord], before_id: str, behind_id: str) -> list[bytes]:
    """The rows of `errors.exports.tables.detail`, a line each, ended as RFC 4180 says."""
    url = Concat(Value(before_id), F("pk"), Value(behind_id), output_field=CharField())
    selected = records.annotate(c_url=url, **COLUMNS).values_list(
        *("batch_id", "position", "item_key", "attempt", "c_started", "c_finished", "c_duration", "worker", "category"),
        *("error_type", "code", "message", "group__title", "group_id", "group__state", "c_retryable", "item__status"),
        *("c_traceback", "c_url"),
    )
    sql, params = selected.query.sql_with_params()
    sink = Lines()
    with connection.cursor() as cursor, connection.wrap_database_errors:
        query = cursor.mogrify(sql, params).decode()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", sink)
    return sink.lines


class Lines:
    """The file that COPY writes to: one row a call."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line[:-1] + b"\r\n")


def page_bounds(records: QuerySet[ErrorRecord], after: int, frozen_to: int) -> Iterator[tuple[int, int]]:
    """Ids (after, up to) of each page of the records behind the id `after`."""
    ids: Any = records.order_by("pk").values_list("pk", flat=True)
    while after < frozen_to:
        up_to = next(iter(ids.filter(pk__gt=after)[ROWS_PER_COPY - 1 : ROWS_PER_COPY]), frozen_to)
        yield after, up_to
        after = up_to
