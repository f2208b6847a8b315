"""A transaction that begins with its first statement, and may then be idle for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from batches.keys import TTL

IDLE_MS = int(TTL.total_seconds() * 1000)


@contextmanager
def begun_late() -> Iterator[None]:
    """One transaction: what is done inside is committed at the end, or undone when anything is raised.

    Until its first statement nothing is held: no transaction on PostgreSQL, no writer lock on SQLite. From then on
    PostgreSQL does not end it for being idle, as it would end that of a worker.
    """
    with connection.execute_wrapper(LateBegin()), transaction.atomic(durable=True):
        yield


class LateBegin:
    """An execute wrapper that holds SQLite's BEGIN back; PostgreSQL's driver does so by itself."""

    def __init__(self) -> None:
        self.first = ""
        self.has_begun = False
        if connection.vendor == "postgresql":
            self.first = f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_MS}"

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not self.first and sql.startswith("BEGIN"):
            self.first = sql
            return None
        if not self.has_begun:
            self.has_begun = True
            with connection.cursor() as cursor:
                cursor.execute(self.first)
        return execute(sql, params, many, context)
