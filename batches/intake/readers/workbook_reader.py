"""Workbooks of Excel and LibreOffice: one sheet, one of whose rows names the columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, BinaryIO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetVisibleEnum

from batches.exceptions import InputRefused
from batches.intake.readers.base import FileReader, Row, checked_object
from batches.intake.readers.binary_cells import error_cells_of
from batches.intake.readers.formats import has_password
from batches.intake.readers.header import (
    ROWS_LOOKED_AT,
    Header,
    header_of,
    letter_of,
    notes_on_names,
    trimmed,
)
from batches.intake.readers.ods_cells import error_cells_of_ods
from batches.intake.readers.options import FileOptions
from batches.intake.readers.preambles import refuse_preamble
from batches.intake.readers.sheet_cells import SheetCells, cells_of
from batches.intake.readers.workbook_archives import refuse_bomb
from batches.wording import quantity_are

SHEETS_NAMED = 10
BINARY = ("xls", "xlsb")


class WorkbookReader(FileReader):
    """Typed cells: whole numbers as integers, dates as ISO 8601 text, empty cells as null. The sheet is the chosen one,
    or the first that is visible and not empty."""

    columns: list[str]

    def __init__(self, file: BinaryIO, filename: str, options: FileOptions, kind: str = "xlsx") -> None:
        super().__init__(file, filename, options)
        self.format = "xlsx" if kind in ("xlsx", "xlsm") else kind
        refuse_bomb(file)
        with self._book() as book:
            self.place = self._place_of_sheet(book)
            sheet = self._sheet(book, self.place)
            self.sheet, self.sheets = sheet.name, book.sheet_names
            self.hidden = hidden_sheets(book)
            self.first_column = (sheet.start or (0, 0))[1]
            cells = self._cells()
            self.cells, self.knows_errors = cells or SheetCells(), cells is not None
            self.header = self._header(rows_of(sheet))
        self.columns = self.header.names

    def details(self) -> dict[str, Any]:
        return {
            "sheet": self.sheet,
            "header_row": self.header.row,
            "columns": self.columns,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        notes = [*self.header.notes, *notes_on_names(self.columns)]
        others = [name for name in self.sheets if name != self.sheet]
        if others:
            listed = ", ".join(
                f"{name!r}{' (hidden)' if name in self.hidden else ''}" for name in others[:SHEETS_NAMED]
            )
            notes.append(f"The sheet {self.sheet!r} was read, and not {listed}.")
        if self.cells.hidden_rows:
            notes.append(
                f"{quantity_are(self.cells.hidden_rows, 'row')} hidden, by a filter or by hand, "
                "and are items all the same."
            )
        if not self.knows_errors:
            notes.append("In this file an error such as #N/A cannot be told from an empty cell.")
        return notes

    def _cells(self) -> SheetCells | None:
        """What the sheet says beside its values; None where its error cells cannot be told from empty ones."""
        if self.format in BINARY:
            return error_cells_of(self.file, self.format, self.place, len(self.sheets))
        return error_cells_of_ods(self.file, self.place) if self.format == "ods" else cells_of(self.file, self.place)

    def _book(self) -> CalamineWorkbook:
        self.file.seek(0)
        with readable():
            return CalamineWorkbook.from_filelike(self.file)

    def _place_of_sheet(self, book: CalamineWorkbook) -> int:
        """The index of the chosen sheet, by name or number, or of the first that is visible and not empty."""
        names = book.sheet_names
        if chosen := self.options.sheet:
            if chosen in names:
                return names.index(chosen)
            if chosen.isascii() and chosen.isdecimal() and 1 <= int(chosen) <= len(names):
                return int(chosen) - 1
            raise InputRefused(f"There is no sheet {chosen!r}.", remedy=f"Choose one of {listed_names(names)}.")
        hidden = hidden_sheets(book)
        for place, name in enumerate(names):
            if name not in hidden and self._sheet(book, place).height:
                return place
        raise InputRefused(
            "The workbook has no visible sheet with cells.",
            remedy=f"Choose one of {listed_names(names)} (--sheet), or put the rows on a sheet that is visible.",
        )

    def _sheet(self, book: CalamineWorkbook, place: int) -> CalamineSheet:
        with readable():
            return book.get_sheet_by_index(place)

    def _rows(self) -> Iterator[tuple[int, list[Any]]]:
        with self._book() as book:
            yield from rows_of(self._sheet(book, self.place))

    def _header(self, rows: Iterator[tuple[int, list[Any]]]) -> Header:
        chosen = self.options.header_row
        first = [(row, [name_of(cell) for cell in cells]) for row, cells in islice(rows, chosen + ROWS_LOOKED_AT)]
        first = [(row, cells) for row, cells in first if row >= chosen and any(map(str.strip, cells))]
        if not first or (chosen and first[0][0] != chosen):
            place = f"Row {chosen} of the" if chosen else "The"
            raise InputRefused(
                f"{place} sheet {self.sheet!r} is empty.", remedy="One of its rows must name the columns: choose that."
            )
        if not chosen:
            refuse_preamble(first, name_columns=self.options.name_columns)
        row, cells = first[0]
        width = max(len(trimmed(cells)) for _, cells in first)
        return header_of(cells, row, name_columns=self.options.name_columns, width=width)

    def __iter__(self) -> Iterator[Row]:
        count = 0
        for number, cells in self._rows():
            if number <= self.header.row:
                continue
            self._refuse_errors(number, len(cells))
            if all(cell == "" for cell in cells):
                continue
            if self.header.nameless or len(cells) > self.header.width:
                self.header.refuse_nameless_cells(cells, number, None)
            count += 1
            yield Row(number, None, checked_object(self._payload(number, cells), row=number))
        if not count:
            self._refuse_without_rows()

    def _payload(self, row: int, cells: list[Any]) -> dict[str, Any]:
        places, zeros = self.header.places, self.cells.zeros
        payload = {
            name: plain(cells[place]) if place < len(cells) else None
            for name, place in zip(self.columns, places, strict=True)
        }
        if zeros:
            for name, place in zip(self.columns, places, strict=True):
                digits = zeros.digits(row, place + self.first_column)
                if digits and isinstance(payload[name], int) and not isinstance(payload[name], bool):
                    payload[name] = f"{payload[name]:0{digits}d}"
        return payload

    def _refuse_errors(self, row: int, width: int) -> None:
        """A cell that holds an error, or a formula that nobody computed, is not an empty one."""
        for column, problem in self.cells.problems.get(row, ()):
            place = column - self.first_column
            names = dict(zip(self.header.places, self.columns, strict=True))
            raise InputRefused(
                f"cell {letter_of(column)}{row} {problem}.",
                remedy="Mend it, or clear it; a spreadsheet computes formulas when it saves the file.",
                row=row,
                column=names.get(place),
            )

    def _refuse_without_rows(self) -> None:
        with self._book() as book:
            others = [(name, book.get_sheet_by_name(name).height) for name in self.sheets[:SHEETS_NAMED]]
        filled = ", ".join(f"{name!r} ({rows} rows)" for name, rows in others if name != self.sheet and rows > 1)
        raise InputRefused(
            f"The sheet {self.sheet!r} has no rows below its header.",
            remedy=f"Choose another sheet (--sheet): {filled}." if filled else "There must be one at least.",
        )


def rows_of(sheet: CalamineSheet) -> Iterator[tuple[int, list[Any]]]:
    return enumerate(sheet.iter_rows(), (sheet.start or (0, 0))[0] + 1)


def hidden_sheets(book: CalamineWorkbook) -> set[str]:
    return {sheet.name for sheet in book.sheets_metadata if sheet.visible != SheetVisibleEnum.Visible}


def listed_names(names: list[str]) -> str:
    more = ", …" if len(names) > SHEETS_NAMED else ""
    return ", ".join(map(repr, names[:SHEETS_NAMED])) + more


@contextmanager
def readable() -> Iterator[None]:
    """`InputRefused` where the library cannot read the workbook, or panics over it."""
    try:
        yield
    except PasswordError:
        raise has_password() from None
    except BaseException as error:
        if not isinstance(error, CalamineError) and type(error).__name__ != "PanicException":
            raise
        reason = str(error).splitlines()[0] if str(error) else "it is damaged"
        raise InputRefused(
            f"The workbook cannot be read: {reason[:200]}.", remedy="Is it damaged? Save it again as .xlsx."
        ) from None


def name_of(cell: Any) -> str:
    """A header's cell as a name: a number as it is shown, a date in ISO 8601."""
    value = plain(cell)
    return "" if value is None else str(value).upper() if isinstance(value, bool) else str(value)


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
