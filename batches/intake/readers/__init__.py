"""Readers of files: their rows become payloads, one by one, in constant memory.

Nothing here imports Django: `batches.intake.reading` has large files read by a process of their own, which is to start
quickly.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, BinaryIO
from weakref import finalize

from batches.exceptions import InputRefused
from batches.intake.readers import formats, packed
from batches.intake.readers.base import MAX_PAYLOAD, FileReader, Reader, Row
from batches.intake.readers.csv_reader import CsvReader
from batches.intake.readers.encodings import encoding_of
from batches.intake.readers.json_reader import DownloadReader, JsonReader, NdjsonReader
from batches.intake.readers.options import FileOptions, options_of
from batches.intake.readers.workbook_reader import WorkbookReader

__all__ = ["READERS", "FileOptions", "Reader", "Row", "open_reader", "options_of"]

READERS: dict[str, Callable[..., FileReader]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), CsvReader),
    ".json": JsonReader,
    **dict.fromkeys((".ndjson", ".jsonl"), NdjsonReader),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), WorkbookReader),
}
"""A reader an extension."""
FORMATS_TEXT = "CSV, TSV, JSON, NDJSON, XLSX, XLS or ODS, also as .gz or .zip."


def open_reader(file: BinaryIO, filename: str, *, is_fix: bool = False, **options: Any) -> FileReader:
    """The reader for a file by its extension, which its content must agree with.

    `options` are those of `FileOptions`: what the caller knows better than what would be recognised. A fix may also be
    one of the portal's own downloads as JSON, a document with the rows in it.
    """
    chosen, upload = options_of(options), file
    suffix = packed.suffix_of(filename)
    if suffix.endswith(packed.FRAMES):
        file, filename = packed.unpacked(file, filename, chosen.sheet, READERS)
    try:
        reader = unpacked_reader(file, filename, chosen, is_fix=is_fix)
    except BaseException:
        if file is not upload:
            file.close()
        raise
    if file is not upload:
        finalize(reader, file.close)
    return reader


def unpacked_reader(file: BinaryIO, filename: str, chosen: FileOptions, *, is_fix: bool) -> FileReader:
    """The reader of a file that was taken out of its frame, if it had one."""
    suffix = packed.suffix_of(filename)
    if suffix.endswith(packed.FRAMES):
        raise InputRefused("It is packed twice.", remedy="Unpack it once.")
    if suffix not in READERS:
        raise formats.strange_name(file, filename, f"Use one of {', '.join(sorted(READERS))}.")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size == 0:
        raise InputRefused("The file is empty.", remedy="Check that the export it came from was finished.")
    if is_fix and suffix == ".json" and is_document(file):
        return DownloadReader(file, PurePath(filename).name, chosen)
    return reader_of(file, PurePath(filename).name, suffix, chosen)


def is_document(file: BinaryIO) -> bool:
    """Whether the JSON is an object, not an array or an object a line."""
    file.seek(0)
    head = file.read(MAX_PAYLOAD)
    file.seek(0)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"{") and not is_object_a_line(text.decode("utf-8", "replace"))


def reader_of(file: BinaryIO, filename: str, suffix: str, options: FileOptions) -> FileReader:
    """The reader by extension and content."""
    reader, kind = READERS[suffix], formats.kind_of(file)
    is_workbook = reader is WorkbookReader
    if is_workbook and kind == formats.TEXT and formats.is_binary(file):
        kind = formats.UNKNOWN
    formats.refuse_disguise(kind, suffix, is_workbook=is_workbook)
    if reader is WorkbookReader:
        return WorkbookReader(file, filename, options, kind)
    if reader is CsvReader:
        if suffix in (".tsv", ".tab") and not options.delimiter:
            options = options_of(options.given() | {"delimiter": "\t"})
        return CsvReader(file, filename, options)
    return json_reader_of(file, filename, reader, options)


def json_reader_of(
    file: BinaryIO, filename: str, reader: Callable[..., FileReader], options: FileOptions
) -> FileReader:
    """One array or one object a line, whatever the file is called."""
    file.seek(0)
    sample = file.read(MAX_PAYLOAD)
    file.seek(0)
    text = sample.decode(encoding_of(sample, options.encoding).name, "replace").lstrip("\ufeff \t\r\n")
    if reader is NdjsonReader and text.startswith("[") and not is_object_a_line(text):
        return JsonReader(file, filename, options, "The file is one JSON array, and was read as one.")
    if reader is JsonReader and is_object_a_line(text):
        return NdjsonReader(file, filename, options, "The file has one JSON object a line, and was read so.")
    return reader(file, filename, options)


def is_object_a_line(text: str) -> bool:
    """Whether the first two lines hold an object each."""
    lines = text.split("\n", 2)
    if len(lines) < 2 or not text.startswith("{") or not lines[1].lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(lines[0]), dict)
    except (ValueError, RecursionError):
        return False
