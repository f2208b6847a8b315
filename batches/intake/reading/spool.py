"""Keyed rows as lines of a file: how the process that reads hands them on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from batches.exceptions import InputRefused
from batches.intake.readers.keyed import KeyedRow

LINES_PER_WRITE = 1_000


def write_rows(rows: Iterable[KeyedRow], file: BinaryIO, *, most_bytes: int, most_rows: int) -> None:
    """Write them all, or as many as are of interest and one more. `InputRefused`: they are larger than `most_bytes`."""
    size, lines = 0, list[bytes]()
    for number, row in enumerate(rows, 1):
        lines.append(line_of(row))
        if len(lines) == LINES_PER_WRITE:
            size += file.write(b"".join(lines))
            lines.clear()
        if size > most_bytes:
            raise InputRefused(
                f"the rows up to this one take more than {most_bytes / 1024 / 1024:,.0f} MB, as each is stored with "
                "the names of its columns.",
                remedy="Split the file, or shorten the names.",
                row=row.row,
                line=row.line,
            )
        if number > most_rows > 0:
            break
    file.write(b"".join(lines))
    file.flush()


def line_of(row: KeyedRow) -> bytes:
    """JSON holds no line break and no tab as they are."""
    line = row.line or ""
    return f"{row.row}\t{line}\t{json.dumps(row.key)}\t{row.payload}\n".encode("utf-8", "surrogatepass")


def read_rows(file: BinaryIO) -> Iterator[KeyedRow]:
    """The rows of the file, from its start."""
    file.seek(0)
    loads = json.loads
    for text in file:
        row, line, key, payload = text.decode("utf-8", "surrogatepass").split("\t", 3)
        yield KeyedRow(int(row), int(line) if line else None, loads(key), payload[:-1])
