"""PostgreSQL's advisory locks under which groups are written, taken in the order in which they stand here.

Lanes record side by side and lock tracebacks, groups and counters, each in one order. Two things do not go together
with that: adding templates to a batch, which must keep to a cap, and moving records from one group to another. SQLite
has one writer anyway. A lock is held until its transaction ends.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

Statement = tuple[str, list[Any]]
"""SQL and its parameters."""
SHARED, EXCLUSIVE = "pg_advisory_xact_lock_shared", "pg_advisory_xact_lock"


def recording(processor: str) -> Statement:
    """Nobody merges or splits the processor's groups; others may record as well. To be sent by the caller."""
    return lock_statement(SHARED, f"groups of {processor}")


def regrouping(processor: str) -> None:
    """Nothing is recorded for the processor. Taken before any row is locked."""
    acquire(EXCLUSIVE, f"groups of {processor}")


def adding_templates(batch_id: str) -> None:
    """No other lane adds templates to the batch."""
    acquire(EXCLUSIVE, f"templates of {batch_id}")


def acquire(lock: str, name: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(*lock_statement(lock, name))


def lock_statement(lock: str, name: str) -> Statement:
    return f"SELECT {lock}(hashtextextended(%s, 0))", [name]
