"""What all readers share: the row, the limits, and the checks every payload passes."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple

from batches.exceptions import InputRefused
from batches.intake.readers.options import FileOptions

MAX_CELL = 128 * 1024
MAX_FIELD = 10 * 1024 * 1024  # where the CSV parser itself gives up: a quote that was left open
MAX_PAYLOAD = 256 * 1024
MAX_COLUMNS = 512
MAX_DEPTH = 100
MAX_DIGITS = 4_300


class Row(NamedTuple):
    """One payload with its place: `row` counts rows (a header is row 1), `line` the lines of the file, both from 1."""

    row: int
    line: int | None
    payload: dict[str, Any]


class Reader(ABC):
    """Iterable more than once; every iteration starts from the beginning."""

    reads_database = False
    columns: list[str] | None = None
    """The names in a table's header; None: objects, which may differ."""
    batch_id = ""
    """The batch whose download it is, if it says so; known once it was read."""
    staged: Any = None
    """Its keyed rows, while they stand in this connection's temporary table (`intake.staging`)."""

    @abstractmethod
    def __iter__(self) -> Iterator[Row]: ...

    def is_long(self, rows: int) -> bool:
        """Whether it is known to have at least so many, and reading them does nothing else."""
        return False

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """What the reader has learnt about the source, as JSON: format, encoding, columns, …"""

    @abstractmethod
    def fingerprint(self) -> str:
        """sha256 of the content, 64 hexadecimal digits."""


class FileReader(Reader):
    """A reader of a seekable binary file."""

    format = ""

    def __init__(self, file: BinaryIO, filename: str, options: FileOptions) -> None:
        self.file, self.filename, self.options = file, filename, options
        self._fingerprint = ""

    def report(self) -> dict[str, Any]:
        self.file.seek(0, 2)
        return {
            "filename": self.filename,
            "format": self.format,
            "bytes": self.file.tell(),
            "sha256": self.fingerprint(),
            **self.details(),
        }

    def details(self) -> dict[str, Any]:
        return {}

    def fingerprint(self) -> str:
        if not self._fingerprint:
            digest = sha256()
            self.file.seek(0)
            while block := self.file.read(1 << 20):
                digest.update(block)
            self._fingerprint = digest.hexdigest()
        return self._fingerprint


def first_repeated(names: Iterable[str]) -> str:
    """The first name that has occurred before; empty where none has."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def refuse_cell(value: str, *, row: int, line: int | None, column: str) -> None:
    if "\x00" in value:
        raise InputRefused(
            "the cell holds a NUL character.",
            remedy="Remove it: no database stores it.",
            row=row,
            line=line,
            column=column,
        )
    if len(value) > MAX_CELL:
        raise InputRefused(
            f"the cell has {len(value):,} characters.",
            remedy=f"At most {MAX_CELL:,} are read; is a quote left open, or a file in the cell?",
            row=row,
            line=line,
            column=column,
        )


def checked_object(value: Any, *, row: int, line: int | None = None) -> dict[str, Any]:
    """A JSON object fit to be a payload, or `InputRefused` with the place of what is wrong."""
    if not isinstance(value, dict):
        raise InputRefused(
            f"the item is a {type(value).__name__}, not an object.",
            remedy="Every item must be an object.",
            row=row,
            line=line,
        )
    for name, inner in value.items():
        if not is_plain(name):
            refuse_value(name, row=row, line=line, column=str(name), depth=1)
        if not is_plain(inner):
            refuse_value(inner, row=row, line=line, column=str(name), depth=2)
    if len(json.dumps(value, default=str)) > MAX_PAYLOAD:
        raise InputRefused(
            f"the item takes more than {MAX_PAYLOAD:,} bytes.",
            remedy="Leave out what its processor does not need.",
            row=row,
            line=line,
        )
    return value


def is_plain(value: Any) -> bool:
    """Whether the value is one of the many that `refuse_value` has nothing against."""
    kind = type(value)
    if kind is str:
        return value.isascii() and len(value) <= MAX_CELL and "\x00" not in value
    if kind is float:
        return math.isfinite(value)
    return value is None or kind is bool or (kind is int and value.bit_length() < 64)


def refuse_value(value: Any, *, row: int, line: int | None, column: str, depth: int) -> None:
    """No NUL, half surrogate pair, NaN, infinity, endless number, or nesting that is too deep."""
    place: dict[str, Any] = {"row": row, "line": line, "column": column}
    if depth > MAX_DEPTH:
        raise InputRefused(f"the item is nested deeper than {MAX_DEPTH} levels.", remedy="Flatten it.", **place)
    if isinstance(value, str):
        refuse_cell(value, row=row, line=line, column=column)
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise InputRefused("the text holds half a surrogate pair.", remedy="Repair its encoding.", **place)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if value.bit_length() > MAX_DIGITS * 4:
            raise InputRefused("the number has too many digits.", remedy="Send it as text.", **place)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputRefused("the number is NaN or infinite.", remedy="Use null.", **place)
    elif isinstance(value, dict):
        for name, inner in value.items():
            refuse_value(name, row=row, line=line, column=column, depth=depth)
            refuse_value(inner, row=row, line=line, column=column, depth=depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            refuse_value(inner, row=row, line=line, column=column, depth=depth + 1)
    else:
        raise InputRefused(f"a value is a {type(value).__name__}, which is not JSON.", remedy="Convert it.", **place)
