"""Rows become items, in bulk and in constant memory, inside the caller's transaction."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice

from django.db import IntegrityError, connection, transaction

from batches.exceptions import InputRefused
from batches.intake.readers import Reader
from batches.intake.readers.base import MAX_COLUMNS
from batches.intake.reading.child import keyed_rows
from batches.intake.staging import COLUMNS, DEFAULTS, end_of_rows, insert
from batches.models import Batch
from batches.paging import pages_of

ROWS_PER_PAGE = 2_000


def store_items(batch: Batch, reader: Reader, *, key_column: str = "") -> int:
    """Write an item for every row; returns how many. `InputRefused` names the row that cannot be one.

    The names of the rows' fields are put into the batch's `source`, if they are few enough for a table. Must run in a
    transaction, which the refusal is to roll back.
    """
    rows = reader.staged.rows if reader.staged else keyed_rows(reader, key_column)
    store = _insert
    if connection.vendor == "postgresql":
        store = _copy_pages if reader.reads_database else _copy
    try:
        with transaction.atomic():
            if not reader.staged:
                store(batch.pk, ((place, row.key, row.payload) for place, row in enumerate(rows)))
            elif not reader.staged.batch:
                insert(batch.pk, 0, end_of_rows())
    except IntegrityError:
        rows.refuse_repeated_key()
        raise
    if not rows.count:
        raise InputRefused("There are no rows.", remedy="Below the header there must be one at least.")
    if len(rows.names) <= MAX_COLUMNS:
        batch.source["fields"] = list(rows.names)
    return rows.count


def _insert(batch_id: str, rows: Iterable[tuple[int, str, str]]) -> None:
    marks = ", ".join(["%s"] * len(COLUMNS))
    sql = f"INSERT INTO batches_item ({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608 - constants only
    with connection.cursor() as cursor:
        for page in pages_of(rows, ROWS_PER_PAGE):
            cursor.executemany(sql, [(batch_id, *row, *DEFAULTS) for row in page])


def copy_items(from_batch: str, to_batch: str) -> int:
    """Give a batch the keys and payloads of another's items, none of them begun; returns how many those are."""
    marks = ", ".join(["%s"] * len(DEFAULTS))
    sql = f"""INSERT INTO batches_item ({", ".join(COLUMNS)}) SELECT %s, position, key, payload, {marks}
        FROM batches_item WHERE batch_id = %s ORDER BY position"""  # noqa: S608 - constants only
    with connection.cursor() as cursor:
        cursor.execute(sql, [to_batch, *DEFAULTS, from_batch])
        return int(cursor.rowcount)


def analyze(new_items: int) -> None:
    """So that the batch's first chunks are planned for as many items as there are. For a few new ones only where
    PostgreSQL would do so by itself a minute later, since a tenth of all have changed: it reads 30,000 rows."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            if new_items < MANY:
                cursor.execute(HAS_GROWN, [new_items])
            if new_items >= MANY or cursor.fetchone():
                cursor.execute("ANALYZE batches_item")


MANY = 1_000
HAS_GROWN = """
    SELECT 1 FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.oid = 'batches_item'::regclass AND s.n_mod_since_analyze + %s > 50 + 0.1 * GREATEST(c.reltuples, 0)
"""


def _copy_pages(batch_id: str, rows: Iterable[tuple[int, str, str]]) -> None:
    """COPY page by page, for rows that come over the same connection: while a COPY runs, it can answer no query."""
    for page in pages_of(rows, ROWS_PER_PAGE):
        _copy(batch_id, page)


def _copy(batch_id: str, rows: Iterable[tuple[int, str, str]]) -> None:
    defaults = "\t".join(str(value) for value in DEFAULTS)
    lines = (
        f"{batch_id}\t{position}\t{escaped(key)}\t{escaped(payload)}\t{defaults}\n" for position, key, payload in rows
    )
    stream = LineStream(lines)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        try:
            cursor.copy_expert(f"COPY batches_item ({', '.join(COLUMNS)}) FROM STDIN", stream)
        except Exception:
            if stream.refusal is not None:  # the driver has put an error of its own in its place
                raise stream.refusal from None
            raise


def escaped(text: str) -> str:
    """A text as COPY's text format writes it."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text


class LineStream(io.TextIOBase):
    """Lines produced on demand, read in blocks by COPY."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.rest = lines, ""
        self.refusal: Exception | None = None

    def read(self, size: int | None = -1) -> str:
        try:
            return self.next_block(size)
        except Exception as error:
            self.refusal = error
            raise

    def next_block(self, size: int | None) -> str:
        limit = size if size and size > 0 else 8192
        parts, length = [self.rest], len(self.rest)
        while length < limit and (page := list(islice(self.lines, 50))):
            parts += page
            length += sum(map(len, page))
        text = "".join(parts)
        self.rest = text[limit:]
        return text[:limit]
