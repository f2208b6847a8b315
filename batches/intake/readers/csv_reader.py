"""CSV and TSV: encoding and dialect are detected and reported, rows streamed."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from charset_normalizer import from_bytes

from batches.exceptions import InputRefused
from batches.intake.readers.base import MAX_CELL, MAX_FIELD, FileReader, Row, refuse_cell, refuse_names

SAMPLE = 256 * 1024
WIDE = [
    "utf_16",
    "utf_16_be",
    "utf_16_le",
    "utf_32",
    "utf_32_be",
    "utf_32_le",
    "utf_7",
]  # recognised by their mark only
ENOUGH_TO_TELL = 30  # fewer foreign letters than this tell no code page from another
ESCAPED = re.compile("[\udc80-\udcff]")
DELIMITERS = (",", ";", "\t", "|")
NOT_OF_FILES = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
"""Encodings of Python's own for host names and source code, and one that refuses all there is."""
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class CsvReader(FileReader):
    """Rows of a delimited text file; values stay text."""

    format = "csv"
    columns: list[str]

    def __init__(self, file: BinaryIO, filename: str, *, encoding: str = "", delimiter: str = "") -> None:
        super().__init__(file, filename, encoding=encoding)
        self.file.seek(0)
        sample = self.file.read(SAMPLE)
        self.bom = any(sample.startswith(mark) for mark, _ in BOMS)
        self.encoding, self.detected = (encoding, False) if encoding else (detect_encoding(sample), True)
        refuse_unknown_encoding(self.encoding)
        text = sample.decode(self.encoding, "replace")
        self.delimiter = delimiter or detect_delimiter(text)
        if self.delimiter == "\t":
            self.format = "tsv"
        self.columns = self._header()

    def details(self) -> dict[str, Any]:
        return {
            "encoding": self.encoding,
            "encoding_detected": self.detected,
            "bom": self.bom,
            "delimiter": self.delimiter,
            "columns": self.columns,
        }

    def _header(self) -> list[str]:
        for _, cells in self._cells():
            names = [cell.strip() for cell in cells]
            refuse_names(names)
            return names
        raise InputRefused("The file is empty.", remedy="The first line must name the columns.")

    def __iter__(self) -> Iterator[Row]:
        columns, width, row = self.columns, len(self.columns), 0
        for line, cells in self._cells():
            row += 1
            if row == 1:
                continue
            if len(cells) != width:
                raise InputRefused(
                    f"the row has {len(cells):,} fields, the header has {width:,}.",
                    remedy=f"Quote fields that hold {self.delimiter!r} or line breaks, and give every row all fields.",
                    row=row,
                    line=line,
                )
            yield Row(row, line, dict(zip(columns, cells, strict=True)))

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        """(last line, cells) of every row that is not empty, the header included."""
        self.file.seek(0)
        text = io.TextIOWrapper(
            io.BufferedReader(Unclosed(self.file)), encoding=self.encoding, errors="surrogateescape", newline=""
        )
        previous = csv.field_size_limit(MAX_FIELD)
        rows = csv.reader(text, delimiter=self.delimiter, strict=True)
        row = 0
        try:
            while True:
                csv.field_size_limit(MAX_FIELD)
                try:
                    cells = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise self._refusal(error, row + 1, rows.line_num) from None
                except UnicodeError:
                    raise self._undecodable("", row + 1, rows.line_num + 1) from None
                if not cells:
                    continue
                row += 1
                self._refuse_cells(cells, row, rows.line_num)
                yield rows.line_num, cells
        finally:
            csv.field_size_limit(previous)
            text.detach()

    def _refuse_cells(self, cells: list[str], row: int, line: int) -> None:
        """NUL characters, and bytes that are not of the encoding (they come through as half surrogates)."""
        whole = "".join(cells)
        if len(whole) <= MAX_CELL and "\x00" not in whole and (whole.isascii() or not ESCAPED.search(whole)):
            return
        names = self.columns or []
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
            f"the text is not {self.encoding}{byte}.",
            remedy="Save the file as UTF-8, or name its encoding when you upload it.",
            row=row,
            line=line,
            column=column,
        )


class Unclosed(io.RawIOBase):
    """A file that a text layer may read and drop without closing it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def detect_encoding(sample: bytes) -> str:
    """The encoding of a sample: by its byte order mark, else UTF-8 if valid, else what its bytes look like most."""
    for mark, name in BOMS:
        if sample.startswith(mark):
            return name
    try:
        sample[: len(sample) - 4 if len(sample) == SAMPLE else None].decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        if len(sample) == SAMPLE and error.start >= len(sample) - 8:
            return "utf-8"
    foreign = sum(byte > 0x7F for byte in sample)
    best = from_bytes(sample[: 64 * 1024], cp_exclusion=WIDE).best() if foreign >= ENOUGH_TO_TELL else None
    likely = best.encoding if best is not None else "cp1252"
    return "cp1252" if likely in ("ascii", "latin_1", "cp1250", "cp1252") else likely


def refuse_unknown_encoding(name: str) -> None:
    try:
        codec = codecs.lookup(name)
        is_usable = codec._is_text_encoding and codec.name not in NOT_OF_FILES
    except (LookupError, ValueError):
        is_usable = False
    if not is_usable:
        raise InputRefused(
            f"There is no text encoding {name!r}.", remedy="Use utf-8, utf-16, cp1252 or another known name."
        )


def detect_delimiter(sample: str) -> str:
    """The delimiter that cuts the sample's rows into the same number of fields, and most of them."""
    best, most = ",", 1.0
    for delimiter in DELIMITERS:
        widths = []
        try:
            for cells in csv.reader(io.StringIO(sample.replace("\x00", ""), newline=""), delimiter=delimiter):
                if cells:
                    widths.append(len(cells))
                if len(widths) >= 50:
                    break
        except csv.Error:
            pass
        if not widths or widths[0] < 2:
            continue
        whole = widths[:-1] if len(widths) > 2 else widths
        score = widths[0] * sum(width == widths[0] for width in whole) / max(1, len(whole))
        if score > most:
            best, most = delimiter, score
    return best
