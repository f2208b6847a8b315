"""Excel workbooks in constant memory. Text is written as text, so no cell is a formula; it is guarded all the same, as
the workbook may be saved as CSV later."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from batches.conf import settings
from batches.intake import cells
from errors.exports.exporters.base import Envelope, Exporter, guarded_cell, raw_cell
from errors.exports.files import FileBlocks
from errors.exports.tables import Table
from errors.exports.tables.base import Row

ROWS_PER_SHEET = 1_048_576
"""The header among them; further rows go on in the next sheet."""
LARGEST_EXACT_NUMBER = 2**53


class Xlsx(Exporter):
    name = "xlsx"
    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    guards = True
    streams = False
    resumable = False

    def __init__(self, table: Table, envelope: Envelope, *, raw: bool = False) -> None:
        super().__init__(table, envelope, raw=raw)
        self.cell = raw_cell if raw else guarded_cell
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self.book: Any = None

    def head(self) -> bytes:
        import xlsxwriter  # with the first workbook, not with every process

        self.folder = tempfile.TemporaryDirectory(prefix="workbook-", dir=settings.PORTAL_VAR)
        self.file = Path(self.folder.name) / "book.xlsx"
        options = {"constant_memory": True, "tmpdir": self.folder.name, "strings_to_urls": False, "in_memory": False}
        self.book = xlsxwriter.Workbook(self.file, options)
        self.bold = self.book.add_format({"bold": True})
        self.new_sheet()
        return b""

    def new_sheet(self) -> None:
        number = len(self.book.worksheets()) + 1
        self.sheet = self.book.add_worksheet(self.table.kind if number == 1 else f"{self.table.kind} {number}")
        self.sheet.freeze_panes(1, 0)
        for column, name in enumerate(self.table.columns):
            self.sheet.write_string(0, column, self.cell(name), self.bold)
        self.row = 1

    def block(self, rows: Sequence[Row], before: int) -> bytes:
        for row in rows:
            if self.row == ROWS_PER_SHEET:
                self.new_sheet()
            for column, value in enumerate(row):
                self.write(column, self.cell(value))
            self.row += 1
        return b""

    def write(self, column: int, value: Any) -> None:
        if value is None or value == "":
            return
        if isinstance(value, str) or not is_exact(value):
            self.sheet.write_string(self.row, column, shortened(str(value)))
        else:
            self.sheet.write_number(self.row, column, value)

    def tail(self, row_count: int) -> Iterator[bytes]:
        self.book.close()
        yield from FileBlocks(self.file)

    def close(self) -> None:
        if self.folder is not None:
            for sheet in self.book.worksheets():
                sheet.row_data_fh.close()
            self.folder.cleanup()
            self.folder = None


def is_exact(number: float) -> bool:
    """Whether a workbook gives the number back: one is written with 16 digits, and some doubles need 17."""
    return abs(number) <= LARGEST_EXACT_NUMBER and float(f"{number:.16G}") == number


def shortened(text: str) -> str:
    """Excel refuses longer texts, raw or not."""
    return text if cells.units(text) <= cells.LONGEST + len(cells.CUT) + 1 else cells.cut(text)
