"""CSV and TSV: encoding and dialect are detected and reported, rows streamed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

from batches.exceptions import InputRefused
from batches.intake.readers.base import MAX_CELL, MAX_FIELD, FileReader, Row, refuse_cell
from batches.intake.readers.dialects import detect_delimiter, note_on_one_column, separator_line
from batches.intake.readers.encodings import SAMPLE, encoding_of
from batches.intake.readers.header import (
    ROWS_LOOKED_AT,
    Header,
    header_of,
    notes_on_names,
    trimmed,
)
from batches.intake.readers.options import FileOptions
from batches.intake.readers.preambles import refuse_preamble
from batches.intake.readers.text_streams import Unclosed
from batches.wording import quantity

LATE_QUOTE = re.compile(r'[ \t]+"')
ESCAPED = re.compile("[\udc80-\udcff]")


class CsvReader(FileReader):
    """Rows of a delimited text file; values stay text. Blank rows are passed over, and counted in the rows' numbers."""

    format = "csv"
    columns: list[str]

    def __init__(self, file: BinaryIO, filename: str, options: FileOptions) -> None:
        super().__init__(file, filename, options)
        self.file.seek(0)
        sample = self.file.read(SAMPLE)
        self.encoding = encoding_of(sample, options.encoding)
        self.text = sample.decode(self.encoding.name, "replace").removeprefix("\ufeff")
        self.sep_line = separator_line(self.text)
        self.delimiter = options.delimiter or self.sep_line or detect_delimiter(self.text)
        if self.delimiter == "\t":
            self.format = "tsv"
        self.header = self._header()
        self.columns = self.header.names
        self.blank_rows = 0

    def details(self) -> dict[str, Any]:
        return {
            "encoding": self.encoding.name,
            "encoding_detected": not self.options.encoding,
            "bom": self.encoding.mark,
            "delimiter": self.delimiter,
            "header_row": self.header.row,
            "columns": self.columns,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        notes = [self.encoding.note, *self.header.notes, *notes_on_names(self.columns)]
        if len(self.columns) == 1:
            notes.append(note_on_one_column(self.text, self.columns[0]))
        if self.blank_rows:
            notes.append(f"{self.blank_rows:,} blank rows were passed over.")
        return [note for note in notes if note]

    def _header(self) -> Header:
        first = list(islice(((row, cells) for row, _, cells in self._cells(check=False)), ROWS_LOOKED_AT))
        if not first:
            raise InputRefused("The file is empty.", remedy="The first line must name the columns.")
        if chosen := self.options.header_row:
            first = [(row, cells) for row, cells in first if row >= chosen]
            if not first or first[0][0] != chosen:
                raise InputRefused(f"Row {chosen} is blank, or not there.", remedy="Choose the row with the names.")
        else:
            refuse_preamble(first, name_columns=self.options.name_columns, is_text=True)
        row, cells = first[0]
        self._refuse_cells(cells, row, row)
        width = max(len(trimmed(cells)) for _, cells in first)
        return header_of(cells, row, name_columns=self.options.name_columns, width=width)

    def __iter__(self) -> Iterator[Row]:
        header, columns = self.header, self.columns
        width, is_plain, previous = len(columns), header.is_plain, header.row
        blank = 0
        for row, line, cells in self._cells():
            if row <= header.row:
                continue
            blank += row - previous - 1
            previous = row
            if len(cells) != width or not is_plain:
                cells = self._fitted(cells, row, line)
            yield Row(row, line, dict(zip(columns, cells, strict=True)))
        self.blank_rows = blank

    def _fitted(self, cells: list[str], row: int, line: int) -> list[str]:
        """The cells that have a name, of a row that has others, or too few."""
        header = self.header
        if len(cells) < header.width and self.options.short_rows:
            cells = cells + [""] * (header.width - len(cells))
        surplus = trimmed(cells[header.width :])
        if surplus and any(map(LATE_QUOTE.match, cells)):
            raise InputRefused(
                f"the row has {quantity(len(cells), 'field')}, the header {header.width:,}, "
                "and a blank stands before a quote.",
                remedy=f"Take out blanks between {self.delimiter!r} and a quote: the quote does not count after one.",
                row=row,
                line=line,
            )
        if len(cells) < header.width or (surplus and not header.nameless):
            raise InputRefused(
                f"the row has {quantity(len(cells), 'field')}, the header has {header.width:,}.",
                remedy=f"Quote fields that hold {self.delimiter!r} or line breaks, and give every row all fields"
                f"{'; or take short rows as they are (--short-rows)' if len(cells) < header.width else ''}.",
                row=row,
                line=line,
            )
        header.refuse_nameless_cells(cells, row, line)
        return [cells[place] for place in header.places]

    def _cells(self, *, check: bool = True) -> Iterator[tuple[int, int, list[str]]]:
        """(row, last line, cells) of every row that holds anything, those above the header included."""
        self.file.seek(0)
        text = io.TextIOWrapper(
            io.BufferedReader(Unclosed(self.file)), encoding=self.encoding.name, errors="surrogateescape", newline=""
        )
        previous = csv.field_size_limit(MAX_FIELD)
        row = skipped_lines = 1 if self.sep_line else 0
        try:
            try:
                rows = csv.reader(without_mark(text, self.sep_line), delimiter=self.delimiter, strict=True)
            except UnicodeError:
                raise self._undecodable("", 1, 1) from None
            while True:
                csv.field_size_limit(MAX_FIELD)
                try:
                    cells = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise self._refusal(error, row + 1, rows.line_num + skipped_lines) from None
                except UnicodeError:
                    raise self._undecodable("", row + 1, rows.line_num + 1 + skipped_lines) from None
                row += 1
                if not cells or (not cells[0].strip() and not any(map(str.strip, cells))):
                    continue
                line = rows.line_num + skipped_lines
                if check:
                    self._refuse_cells(cells, row, line)
                yield row, line, cells
        finally:
            csv.field_size_limit(previous)
            text.detach()

    def _refuse_cells(self, cells: list[str], row: int, line: int) -> None:
        """NUL characters, and bytes that are not of the encoding (they come through as half surrogates)."""
        whole = "".join(cells)
        if len(whole) <= MAX_CELL and "\x00" not in whole and (whole.isascii() or not ESCAPED.search(whole)):
            return
        names = getattr(self, "columns", None) or []
        for index, cell in enumerate(cells):
            column = names[index] if index < len(names) else f"number {index + 1}"
            refuse_cell(cell, row=row, line=line, column=column)
            if escaped := ESCAPED.search(cell):
                raise self._undecodable(f" (byte 0x{ord(escaped.group()) - 0xDC00:02x})", row, line, column)

    def _refusal(self, error: csv.Error, row: int, line: int) -> InputRefused:
        words = str(error)
        if "field larger" in words:
            return InputRefused(
                f"a cell has more than {MAX_FIELD:,} characters.",
                remedy="Is a quote left open, or a whole file in the cell?",
                row=row,
                line=line,
            )
        if "unexpected end of data" in words:
            return InputRefused(
                "a quote is opened and never closed.", remedy='Close it with ", or write "" for a quote.', row=row
            )
        if "NUL" in words:
            return InputRefused(
                "the row holds a NUL character.", remedy="Remove it: no database stores it.", row=row, line=line
            )
        return InputRefused(
            f"the row cannot be read: {words}.", remedy="Quotes within a cell are written twice.", row=row, line=line
        )

    def _undecodable(self, byte: str, row: int, line: int | None, column: str | None = None) -> InputRefused:
        return InputRefused(
            f"the text is not {self.encoding.name}{byte}.",
            remedy="Save the file as UTF-8, or name its encoding when you upload it.",
            row=row,
            line=line,
            column=column,
        )


def without_mark(text: io.TextIOWrapper, sep_line: str) -> Iterator[str]:
    """The lines of a text, without its byte order mark and without the line that names its delimiter."""
    first = next(text, "").removeprefix("\ufeff")
    return iter(text) if sep_line else chain((first,) if first else (), text)
