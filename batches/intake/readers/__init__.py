"""Readers of files: their rows become payloads, one by one, in constant memory.

Nothing here imports Django: `batches.intake.reading` has large files read by a process of their own, which is to start
quickly.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, BinaryIO

from batches.exceptions import InputRefused
from batches.intake.readers.base import FileReader, Reader, Row
from batches.intake.readers.csv_reader import CsvReader
from batches.intake.readers.json_reader import DownloadReader, JsonReader, NdjsonReader
from batches.intake.readers.xlsx_reader import XlsxReader

__all__ = ["READERS", "Reader", "Row", "open_reader"]

READERS: dict[str, Callable[..., FileReader]] = {
    ".csv": CsvReader,
    ".tsv": CsvReader,
    ".txt": CsvReader,
    ".json": JsonReader,
    ".ndjson": NdjsonReader,
    ".jsonl": NdjsonReader,
    ".xlsx": XlsxReader,
}
"""A reader an extension."""


def open_reader(file: BinaryIO, filename: str, *, encoding: str = "", is_fix: bool = False) -> FileReader:
    """The reader for a file by its extension, which its content must agree with.

    A fix may also be one of the portal's own downloads as JSON, a document with the rows in it.
    """
    suffix = PurePath(filename).suffix.lower()
    if suffix not in READERS:
        raise InputRefused(
            f"{filename or 'The file'!s} has no known extension.", remedy=f"Use one of {', '.join(sorted(READERS))}."
        )
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size == 0:
        raise InputRefused("The file is empty.", remedy="Check that the export it came from was finished.")
    refuse_disguise(file, suffix)
    arguments: dict[str, Any] = {"encoding": encoding}
    if suffix == ".tsv":
        arguments["delimiter"] = "\t"
    kind = DownloadReader if is_fix and suffix == ".json" and is_document(file) else READERS[suffix]
    return kind(file, PurePath(filename).name, **arguments)


def is_document(file: BinaryIO) -> bool:
    """Whether the JSON is an object, not an array."""
    head = file.read(64)
    file.seek(0)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def refuse_disguise(file: BinaryIO, suffix: str) -> None:
    """A spreadsheet named .csv, or text named .xlsx, is refused before it is read."""
    head = file.read(8)
    file.seek(0)
    is_zip = head.startswith(b"PK\x03\x04")
    if suffix == ".xlsx" and not is_zip:
        raise InputRefused(
            "The file is named .xlsx, but it is no Excel workbook.",
            remedy="Save it as .xlsx, or name it after what it is.",
        )
    if suffix != ".xlsx" and (is_zip or head.startswith((b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF"))):
        raise InputRefused(
            f"The file is named {suffix}, but it is a binary file (a workbook, archive or PDF).",
            remedy="Export it as text, or upload a workbook as .xlsx.",
        )
