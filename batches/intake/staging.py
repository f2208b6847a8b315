"""Rows of a long file beside the database, before they are written to it.

SQLite has one writer, and whoever presses a button waits for it. What takes longest of storing a file, reading its
rows and binding them, goes into a temporary table first, which is this connection's own and takes no lock of the
database; one statement then copies the rows. A process that is killed meanwhile leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from batches.intake.reading.child import ChildReader
from batches.paging import pages_of

FEWEST_ROWS = 5_000
"""Fewer are written in a moment."""
ROWS_PER_PAGE = 2_000
TABLE = "temp.batchportal_staged_items"


@contextmanager
def staged(reader: Any) -> Iterator[None]:
    """While it lasts, the rows of a long file stand in the temporary table, if that spares others a wait."""
    if not is_worth_it(reader):
        yield
        return
    reader.fingerprint()  # reads the whole file, and is kept
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        cursor.execute(f"CREATE TABLE {TABLE} (position integer PRIMARY KEY, key text, payload text)")
        fill(cursor, reader)
    reader.is_staged = True
    try:
        yield
    finally:
        reader.is_staged = False
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def is_worth_it(reader: Any) -> bool:
    """In a transaction the caller is the writer already."""
    is_long = isinstance(reader, ChildReader) and reader.keyed.count >= FEWEST_ROWS
    return is_long and connection.vendor == "sqlite" and not connection.in_atomic_block


def fill(cursor: Any, reader: ChildReader) -> None:
    """A savepoint outside a transaction begins one that locks nothing but what it writes to."""
    rows = ((place, row.key, row.payload) for place, row in enumerate(reader.keyed))
    cursor.execute("SAVEPOINT staging")
    for page in pages_of(rows, ROWS_PER_PAGE):
        cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s)", page)  # noqa: S608 - constants only
    cursor.execute("RELEASE staging")
