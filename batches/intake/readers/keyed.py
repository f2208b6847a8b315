"""Rows as the items they become: each with its key, and its payload as JSON text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from batches.exceptions import InputRefused
from batches.intake.readers.base import MAX_COLUMNS, Reader, Row
from batches.keys import ITEM_KEY_LENGTH


class KeyedRow(NamedTuple):
    """A row with the item's key and the payload as JSON; `row` and `line` as in `Row`."""

    row: int
    line: int | None
    key: str
    payload: str


class Keyed:
    """The keyed rows of a reader, counted; and the names of their fields in the order in which they first occur, which
    the database does not keep. Without a key column a row's key is its number from 1."""

    def __init__(self, reader: Reader, key_column: str) -> None:
        self.reader, self.key_column, self.count = reader, key_column, 0
        self.names: dict[str, None] = {}

    def __iter__(self) -> Iterator[KeyedRow]:
        encode, key_column = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode, self.key_column
        names = self.names
        for number, row in enumerate(self.reader, 1):
            if not row.payload.keys() <= names.keys() and len(names) <= MAX_COLUMNS:
                names |= dict.fromkeys(row.payload)
            key = key_of_row(row, key_column) if key_column else str(number)
            yield KeyedRow(row.row, row.line, key, encode(row.payload))
            self.count = number

    def unrepeated(self, most_kept: int) -> Iterator[KeyedRow]:
        """The rows, until one has the key of an earlier row, which `InputRefused` names. Eight bytes of each key are
        kept; beyond `most_kept` keys nothing is compared any more."""
        seen: set[int] = set()
        for number, keyed in enumerate(self, 1):
            if (digest := hash(keyed.key)) in seen:
                self.refuse_if_repeated(keyed)
                yield keyed  # two keys of one hash: the search has gone back to the start of the file
                yield from islice(self, number, None)
                return
            if len(seen) < most_kept:
                seen.add(digest)
            yield keyed

    def refuse_repeated_key(self) -> None:
        """Name the first row whose key an earlier row has."""
        for _ in self.unrepeated(sys.maxsize) if self.key_column else ():
            pass

    def refuse_if_repeated(self, later: KeyedRow) -> None:
        earlier = next(keyed for keyed in self if hash(keyed.key) == hash(later.key))
        if earlier.key == later.key:
            raise InputRefused(
                f"key {later.key!r} was used in row {earlier.row:,} already.",
                remedy="Keys must be unique: choose another key column, or remove the double.",
                row=later.row,
                line=later.line,
                column=self.key_column,
            )


def key_of_row(row: Row, column: str) -> str:
    """The item's key from its column."""
    value = row.payload.get(column)
    if column not in row.payload:
        columns = ", ".join(list(row.payload)[:20])
        raise InputRefused(
            f"there is no column {column!r} to take the key from.",
            remedy=f"Choose one of: {columns}.",
            row=row.row,
            line=row.line,
        )
    key = "" if value is None else str(value)
    if not key.strip() or len(key) > ITEM_KEY_LENGTH:
        problem = "the key is empty." if not key.strip() else f"the key has {len(key):,} characters."
        raise InputRefused(
            problem,
            remedy=f"Every row needs its own key of at most {ITEM_KEY_LENGTH} characters.",
            row=row.row,
            line=row.line,
            column=column,
        )
    return key
