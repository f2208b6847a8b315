"""Workbooks that are archives, looked at before they are unpacked."""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO

from batches.exceptions import InputRefused

MOST_UNPACKED = 200 * 1024 * 1024
MOST_RATIO = 100
MOST_SCANNED = 20 * 1024 * 1024
"""Bytes of a sheet up to which its cells are looked at first; a larger one has many, wherever they stand."""
MOST_EXTENT = 10_000_000
LEAST_FILLED = 100
"""A sheet may span so many cells, or so many for each that there is: all of its span is allocated."""
SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
CELL = re.compile(rb'<(?:\w+:)?c\s(?:[^>]*\s)?r="([A-Z]{1,3})([0-9]{1,7})"')


def refuse_bomb(file: BinaryIO) -> None:
    """An archive that unpacks to far more than it holds is refused before it is unpacked; .xls is none."""
    file.seek(0)
    if not file.read(4).startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            packed = sum(entry.compress_size for entry in archive.infolist())
            unpacked = sum(entry.file_size for entry in archive.infolist())
            sheets = [entry for entry in archive.infolist() if SHEET.fullmatch(entry.filename)]
            if unpacked <= MOST_UNPACKED and unpacked <= MOST_RATIO * max(packed, 1024):
                for sheet in sheets:
                    if sheet.file_size <= MOST_SCANNED:
                        refuse_stray_cell(archive.read(sheet))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise InputRefused(
            "The file is no Excel workbook, or it is damaged.", remedy="Save it again as .xlsx."
        ) from None
    if unpacked > MOST_UNPACKED or unpacked > MOST_RATIO * max(packed, 1024):
        raise InputRefused(
            f"The workbook unpacks to {unpacked / 1024 / 1024:,.1f} MB.", remedy="Export the rows as CSV instead."
        )


def refuse_stray_cell(sheet: bytes) -> None:
    """A single cell far away from the others makes a sheet as large as what lies between: up to 17 billion cells."""
    cells = CELL.findall(sheet)
    rows = [int(row) for _, row in cells] or [0]
    columns = {column: column_number(column) for column in {column for column, _ in cells}} or {b"": 0}
    extent = (max(rows) - min(rows) + 1) * (max(columns.values()) - min(columns.values()) + 1)
    if extent > max(MOST_EXTENT, LEAST_FILLED * len(cells)):
        raise InputRefused(
            f"A sheet has {len(cells):,} cells, and the last row is {max(rows):,}, the last column "
            f"{max(columns, key=column_number).decode()}.",
            remedy="A cell stands far away from the others: clear what is beyond the table.",
        )


def column_number(letters: bytes) -> int:
    """A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
