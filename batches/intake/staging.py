"""Many rows beside the database, before they are written to it, and written to it a piece at a time.

SQLite has one writer, and whoever presses a button waits for it. What takes longest of storing rows, checking and
binding them, goes into a temporary table first, which is this connection's own and takes no lock of the database. From
there they are copied in short transactions, as items of a batch that nobody sees until the last one (`unfinished`).
A process that is killed meanwhile leaves nothing that anybody sees, and workers take that away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection

from batches import unfinished
from batches.intake.readers import Reader
from batches.intake.reading.child import keyed_rows
from batches.models import Batch
from batches.paging import pages_of
from batches.steps import Steps
from batches.unfinished import FEWEST, MOST, Unfinished

FEWEST_ROWS = 5_000
"""Fewer are written in a moment."""
ROWS_PER_PAGE = 2_000
TABLE = "temp.batchportal_staged_items"
COLUMNS = ("batch_id", "position", "key", "payload", "status", "attempts", "forgiven", "crashes", "message", "code")
DEFAULTS = ("PENDING", 0, 0, 0, "", "")


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows that stand in the temporary table, and the batch as whose items they are written already; None: they are to
    be written with it."""

    rows: Any
    batch: Unfinished | None


@contextmanager
def staged(reader: Any, key_column: str, batch_id: str) -> Iterator[None]:
    """While it lasts, the rows of a long reader are `staged`, if that spares others a wait, and written as far as
    nobody sees them; at the end what did not become a batch is taken away.

    `InputRefused` names the row that cannot be an item. `OperationInProgress`: that id is being stored.
    """
    if not is_worth_it(reader):
        yield
        return
    reader.fingerprint()  # reads everything, and is kept
    rows = keyed_rows(reader, key_column)
    try:
        with table():
            fill(rows)
            if key_column and is_key_repeated():
                rows.refuse_repeated_key()
            with written_unseen(batch_id) as batch:
                reader.staged = Staged(rows, batch)
                yield
    finally:
        reader.staged = None


@contextmanager
def copied(followed: Batch, batch_id: str) -> Iterator[Unfinished | None]:
    """While it lasts, keys and payloads of a long batch's items are written as those of another, as far as nobody sees
    them; None where that spares nobody a wait."""
    if not spares_others() or followed.total_items < FEWEST_ROWS:
        yield None
        return
    with table():
        with connection.cursor() as cursor:
            items = "SELECT position, key, payload FROM batches_item WHERE batch_id = %s ORDER BY position"
            cursor.execute(f"INSERT INTO {TABLE} {items}", [followed.pk])
        with written_unseen(batch_id) as batch:
            yield batch


def is_worth_it(reader: Any) -> bool:
    return spares_others() and isinstance(reader, Reader) and not reader.staged and reader.is_long(FEWEST_ROWS)


def spares_others() -> bool:
    """In a transaction the caller is the writer already."""
    return connection.vendor == "sqlite" and not connection.in_atomic_block


# -- beside the database -----------------------------------------------------------------------------------------------


@contextmanager
def table() -> Iterator[None]:
    """The temporary table, empty."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
            cursor.execute(f"CREATE TABLE {TABLE} (position integer PRIMARY KEY, key text, payload text)")
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def fill(rows: Iterable[Any]) -> None:
    """A savepoint outside a transaction begins one that locks nothing but what it writes to. Rows are read outside of
    it, as reading them may ask the database."""
    numbered = ((place, row.key, row.payload) for place, row in enumerate(rows))
    with connection.cursor() as cursor:
        for page in pages_of(numbered, ROWS_PER_PAGE):
            cursor.execute("SAVEPOINT staging")
            cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s)", page)  # noqa: S608 - constants only
            cursor.execute("RELEASE staging")


def is_key_repeated() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {TABLE} GROUP BY key HAVING count(*) > 1 LIMIT 1")  # noqa: S608
        return cursor.fetchone() is not None


# -- into the database -------------------------------------------------------------------------------------------------


@contextmanager
def written_unseen(batch_id: str) -> Iterator[Unfinished | None]:
    """The rows as items of a batch that nobody sees yet; None where a batch has the id. What was not shown is taken
    away at the end."""
    batch = unfinished.begin(batch_id)
    if batch is None:
        yield None
        return
    try:
        write_in_steps(batch)
        yield batch
    finally:
        with suppress(AnyDatabaseError):  # then workers take it away
            batch.forget()


def write_in_steps(batch: Unfinished) -> None:
    end, position, steps = end_of_rows(), 0, Steps(FEWEST, MOST)
    while position < end:
        with steps.step() as size:
            batch.go_on()
            insert(batch.batch_id, position, position + size)
        position += size
        steps.rest()


def end_of_rows() -> int:
    """The position after the last row."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(position) + 1, 0) FROM {TABLE}")  # noqa: S608 - constants only
        return int(cursor.fetchone()[0])


def insert(batch_id: str, first: int, end: int) -> None:
    """Write the rows from one position up to another, which is not among them."""
    marks = ", ".join(["%s"] * len(DEFAULTS))
    sql = f"""INSERT INTO batches_item ({", ".join(COLUMNS)}) SELECT %s, position, key, payload, {marks} FROM {TABLE}
        WHERE position >= %s AND position < %s ORDER BY position"""  # noqa: S608 - constants only
    with connection.cursor() as cursor:
        cursor.execute(sql, [batch_id, *DEFAULTS, first, end])
