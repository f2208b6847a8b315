"""Many rows beside the database, before they are written to it.

SQLite has one writer, and whoever presses a button waits for it. What takes longest of storing rows, checking and
binding them, goes into a temporary table first, which is this connection's own and takes no lock of the database; one
statement then copies the rows. A process that is killed meanwhile leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from batches.intake.readers import Reader
from batches.intake.reading.child import keyed_rows
from batches.paging import pages_of

FEWEST_ROWS = 5_000
"""Fewer are written in a moment."""
ROWS_PER_PAGE = 2_000
TABLE = "temp.batchportal_staged_items"


@contextmanager
def staged(reader: Any, key_column: str) -> Iterator[None]:
    """While it lasts, the rows of a long reader stand in the temporary table, if that spares others a wait.
    `InputRefused` names the row that cannot be an item."""
    if not is_worth_it(reader):
        yield
        return
    reader.fingerprint()  # reads everything, and is kept
    rows = keyed_rows(reader, key_column)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
            cursor.execute(f"CREATE TABLE {TABLE} (position integer PRIMARY KEY, key text, payload text)")
            fill(cursor, rows)
            if key_column:
                cursor.execute(f"SELECT 1 FROM {TABLE} GROUP BY key HAVING count(*) > 1 LIMIT 1")  # noqa: S608
                if cursor.fetchone():
                    rows.refuse_repeated_key()
        reader.staged = rows
        yield
    finally:
        reader.staged = None
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def is_worth_it(reader: Any) -> bool:
    """In a transaction the caller is the writer already."""
    spares_others = connection.vendor == "sqlite" and not connection.in_atomic_block
    return spares_others and isinstance(reader, Reader) and not reader.staged and reader.is_long(FEWEST_ROWS)


def fill(cursor: Any, rows: Any) -> None:
    """A savepoint outside a transaction begins one that locks nothing but what it writes to. Rows are read outside of
    it, as reading them may ask the database."""
    numbered = ((place, row.key, row.payload) for place, row in enumerate(rows))
    for page in pages_of(numbered, ROWS_PER_PAGE):
        cursor.execute("SAVEPOINT staging")
        cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s)", page)  # noqa: S608 - constants only
        cursor.execute("RELEASE staging")
