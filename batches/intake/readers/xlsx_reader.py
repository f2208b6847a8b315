"""Excel workbooks: the first sheet, its first row naming the columns."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO

from python_calamine import CalamineError, CalamineWorkbook

from batches.exceptions import InputRefused
from batches.intake.readers.base import FileReader, Row, checked_object, refuse_names

MOST_UNPACKED = 200 * 1024 * 1024
MOST_RATIO = 100


class XlsxReader(FileReader):
    """Typed cells: whole numbers as integers, dates as ISO 8601 text, empty cells as null."""

    format = "xlsx"
    columns: list[str]

    def __init__(self, file: BinaryIO, filename: str, *, encoding: str = "") -> None:
        super().__init__(file, filename)
        refuse_bomb(file)
        self.sheet = ""
        self.columns = self._header()

    def details(self) -> dict[str, Any]:
        return {"sheet": self.sheet, "columns": self.columns}

    def _rows(self) -> Iterator[tuple[int, list[Any]]]:
        self.file.seek(0)
        try:
            with CalamineWorkbook.from_filelike(self.file) as book:
                if not book.sheet_names:
                    raise InputRefused("The workbook has no sheet.", remedy="Put the rows on its first sheet.")
                sheet = book.get_sheet_by_index(0)
                self.sheet = sheet.name
                first = (sheet.start or (0, 0))[0]
                yield from enumerate(sheet.iter_rows(), first + 1)
        except CalamineError as error:
            raise InputRefused(
                f"The workbook cannot be read: {error}.", remedy="Save it again as .xlsx, without a password."
            ) from None

    def _header(self) -> list[str]:
        for number, cells in self._rows():
            if any(cell != "" for cell in cells):
                names = [str(cell).strip() for cell in cells]
                refuse_names(names, row=number)
                self.header_row = number
                return names
        raise InputRefused("The first sheet is empty.", remedy="Its first row must name the columns.")

    def __iter__(self) -> Iterator[Row]:
        for number, cells in self._rows():
            if number <= self.header_row or all(cell == "" for cell in cells):
                continue
            payload = {name: plain(cell) for name, cell in zip(self.columns, cells, strict=False)}
            yield Row(number, None, checked_object(payload, row=number))


def plain(cell: Any) -> Any:
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if isinstance(cell, (datetime, date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    return cell


def refuse_bomb(file: BinaryIO) -> None:
    """A workbook is an archive: one that unpacks to far more than it holds is refused before it is unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            packed = sum(entry.compress_size for entry in archive.infolist())
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError):
        raise InputRefused(
            "The file is no Excel workbook, or it is damaged.", remedy="Save it again as .xlsx."
        ) from None
    if unpacked > MOST_UNPACKED or unpacked > MOST_RATIO * max(packed, 1024):
        raise InputRefused(
            f"The workbook unpacks to {unpacked / 1024 / 1024:,.0f} MB.", remedy="Export the rows as CSV instead."
        )
