"""Deferred foreign keys, which only a commit checks, checked in a transaction that will be rolled back.

PostgreSQL checks them on request. SQLite can only look through whole tables: those that the items wrote to, and those
that refer to them.
"""

from __future__ import annotations

import re

from django.db import IntegrityError, connection

WRITES = re.compile(
    r"\A\s*(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)\s+", re.I
)
NAME = re.compile(r'\A(?:"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|(\w+))')

REFERRING = """
SELECT DISTINCT m.name FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
WHERE m.type = 'table' AND (lower(m.name) IN ({tables}) OR lower(f."table") IN ({tables}))
"""


def table_written(sql: str) -> str:
    """The table that a statement writes to, in lower case; empty if it writes to none."""
    write = WRITES.match(sql)
    name = NAME.match(sql[write.end() :]) if write else None
    return next((part for part in name.groups() if part), "").replace('""', '"').lower() if name else ""


def check(tables: set[str]) -> None:
    """`IntegrityError` if the transaction, which wrote to these tables, could not be committed."""
    if connection.vendor == "postgresql":
        connection.check_constraints()
    elif tables:
        for name in referring(tables):
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA foreign_key_check({connection.ops.quote_name(name)})")
                broken = cursor.fetchone()
            if broken:
                raise IntegrityError(
                    f"FOREIGN KEY constraint failed: {broken[0]} refers to a row that {broken[2]} lacks."
                )


def referring(tables: set[str]) -> list[str]:
    """Those tables with foreign keys that may be broken by writing to `tables`."""
    marks = ", ".join(["%s"] * len(tables))
    names = sorted(tables)
    with connection.cursor() as cursor:
        cursor.execute(REFERRING.format(tables=marks), [*names, *names])
        return [name for (name,) in cursor.fetchall()]
