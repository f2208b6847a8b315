"""Excel workbooks in constant memory. Text is written as text, so no cell is a formula; it is guarded all the same, as
it may be saved as CSV later."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from django.conf import settings

from batches.intake import cells
from errors.exports.exporters.base import Envelope, Exporter, cell, raw_cell
from errors.exports.tables import Table
from errors.exports.tables.base import Row

MOST_ROWS = 1_048_576
"""Of a sheet, its header among them; what exceeds them goes on in the next sheet."""
EXACT = 2**53
BLOCK = 64 * 1024


class Xlsx(Exporter):
    name = "xlsx"
    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    guards = True
    streams = False
    resumable = False

    def __init__(self, table: Table, envelope: Envelope, *, raw: bool = False) -> None:
        super().__init__(table, envelope, raw=raw)
        self.cell = raw_cell if raw else cell
        self.place: tempfile.TemporaryDirectory[str] | None = None
        self.book: Any = None

    def head(self) -> bytes:
        self.place = tempfile.TemporaryDirectory(prefix="workbook-", dir=settings.VAR)
        self.file = Path(self.place.name) / "book.xlsx"
        options = {"constant_memory": True, "tmpdir": self.place.name, "strings_to_urls": False, "in_memory": False}
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
            if self.row == MOST_ROWS:
                self.new_sheet()
            for column, value in enumerate(row):
                self.write(column, self.cell(value))
            self.row += 1
        return b""

    def write(self, column: int, value: Any) -> None:
        if value is None or value == "":
            return
        if isinstance(value, str) or abs(value) > EXACT:
            self.sheet.write_string(self.row, column, shortened(str(value)))
        else:
            self.sheet.write_number(self.row, column, value)

    def tail(self, rows: int) -> Iterator[bytes]:
        self.book.close()
        with self.file.open("rb") as made:
            while block := made.read(BLOCK):
                yield block

    def close(self) -> None:
        if self.place is not None:
            for sheet in self.book.worksheets():
                sheet.row_data_fh.close()
            self.place.cleanup()
            self.place = None


def shortened(text: str) -> str:
    """Excel refuses longer texts, raw or not."""
    return text if len(text) <= cells.LONGEST + len(cells.CUT) + 1 else text[: cells.LONGEST] + cells.CUT
