"""Who waits for whom when groups are written: always in the order in which they stand here, and never in a circle.

Lanes record side by side and lock tracebacks, groups and counters, each in one order. Two things do not go together
with that: adding templates to a batch, which must keep to a cap, and moving records from one group to another. SQLite
has one writer anyway.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

Statement = tuple[str, list[Any]]
SHARED, ALONE = "pg_advisory_xact_lock_shared", "pg_advisory_xact_lock"


def recording(processor: str) -> Statement:
    """Until this transaction ends, the processor's groups are not merged or split; others may record as well."""
    return waiting(SHARED, f"groups of {processor}")


def rearrange(processor: str) -> None:
    """Until this transaction ends, nothing is recorded for the processor: ask before any row is locked."""
    wait(ALONE, f"groups of {processor}")


def add_templates(batch_id: str) -> None:
    """Until this transaction ends, no other lane adds templates to the batch."""
    wait(ALONE, f"templates of {batch_id}")


def wait(lock: str, name: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(*waiting(lock, name))


def waiting(lock: str, name: str) -> Statement:
    return f"SELECT {lock}(hashtextextended(%s, 0))", [name]
