"""A file read by a process of its own: the reader that its caller has of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO
from weakref import finalize

from batches.conf import settings
from batches.intake.readers import READERS, FileOptions, Reader, Row, open_reader
from batches.intake.readers.base import FileReader
from batches.intake.readers.keyed import Keyed, KeyedRow
from batches.intake.readers.packed import FRAMES, suffix_of
from batches.intake.reading.process import TEXTS, have_read, temporary_file
from batches.intake.reading.spool import read_rows

HARMLESS_BYTES = 256 * 1024
"""Up to which a text is read by the caller itself: starting a process takes longer."""
STORED_PER_BYTE = 10
"""How much larger than the largest upload its rows may be as they are stored."""


def open_file(
    file: BinaryIO,
    filename: str,
    *,
    key_column: str = "",
    is_fix: bool = False,
    most_rows: int = 0,
    options: FileOptions | None = None,
) -> Reader:
    """The reader of a file. `InputRefused`: it cannot be read, or not within the limits.

    Every row must have a key in the `key_column`, if there is one; where `most_rows` is not 0, at most these and one
    more are read.
    """
    size, suffix, given = file.seek(0, os.SEEK_END), suffix_of(filename), options.given() if options else {}
    file.seek(0)
    if not suffix.endswith((*READERS, *FRAMES)) or (size <= HARMLESS_BYTES and suffix in TEXTS):
        return open_reader(file, filename, is_fix=is_fix, **given)
    request = {
        "options": {"filename": f"file{suffix}", "is_fix": is_fix, **given},
        "key_column": key_column,
        "most_rows": most_rows,
        "most_bytes": int(settings.PORTAL_MAX_UPLOAD_MB * STORED_PER_BYTE * 1024 * 1024),
    }
    return ChildReader(file, filename, request, options or FileOptions())


class ChildReader(FileReader):
    """All rows of a file, read and checked by a process of its own before the first is handed on."""

    def __init__(self, file: BinaryIO, filename: str, request: dict[str, Any], options: FileOptions) -> None:
        super().__init__(file, PurePath(filename).name, options)
        self.request, self.spool = request, temporary_file()
        finalize(self, self.spool.close)
        answer = have_read(file, self.spool, request | {"repeats": False})
        self.format, self.columns, self.batch_id = answer["format"], answer["columns"], answer["batch_id"]
        self.keyed = Spooled(self, answer["count"], answer["names"])
        self.learnt: dict[str, Any] = answer["details"]

    def __iter__(self) -> Iterator[Row]:
        for keyed in read_rows(self.spool):
            yield Row(keyed.row, keyed.line, json.loads(keyed.payload))

    def is_long(self, rows: int) -> bool:
        return self.keyed.count >= rows

    def details(self) -> dict[str, Any]:
        return self.learnt


class Spooled:
    """The keyed rows of a `ChildReader`, with what `Keyed` has of others."""

    def __init__(self, reader: ChildReader, count: int, names: list[str]) -> None:
        self.reader, self.count, self.names = reader, count, names

    def __iter__(self) -> Iterator[KeyedRow]:
        return read_rows(self.reader.spool)

    def refuse_repeated_key(self) -> None:
        """Name the first row whose key an earlier row has; the process looks for it."""
        have_read(self.reader.file, self.reader.spool, self.reader.request | {"repeats": True})


def keyed_rows(reader: Reader, key_column: str) -> Keyed | Spooled:
    """The rows of any reader as the items they become."""
    return reader.keyed if isinstance(reader, ChildReader) else Keyed(reader, key_column)
