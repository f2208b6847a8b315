"""Error cells of .xls and .xlsb, which the library that reads the values shows as empty ones.

Both formats are a row of records, of which those are looked at that hold an error, or a formula whose result is one.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree

from batches.intake.readers.compound_files import CompoundFile
from batches.intake.readers.sheet_cells import MOST_PROBLEMS, SheetCells, local, tree

BLOCK = 1 << 20
ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
STREAMS = ("Workbook", "Book")
"""Of Excel 97, and of Excel 95."""
BOF, EOF, BOUND_SHEET, BOOLEAN_OR_ERROR, FORMULA = 0x0809, 0x000A, 0x0085, 0x0205, 0x0006
NO_NUMBER, IS_ERROR = 0xFFFF, 2
ROW_HEADER, CELL_ERROR, FORMULA_ERROR, BUNDLE_SHEET = 0, 3, 11, 156
Error = tuple[int, int, int]
"""Row and column from 0, and the error's code."""


def error_cells_of(file: BinaryIO, kind: str, place: int, sheets: int) -> SheetCells | None:
    """The error cells of the sheet at a place among so many; None where the file is not as it should be."""
    cells, count = SheetCells(), 0
    try:
        for row, column, code in (errors_of_xls if kind == "xls" else errors_of_xlsb)(file, place, sheets):
            count += 1
            if count <= MOST_PROBLEMS:
                problem = f"holds the error {ERRORS.get(code, '?')}"
                cells.problems.setdefault(row + 1, []).append((column, problem))
    except (KeyError, IndexError, ValueError, struct.error, OSError, ElementTree.ParseError, zipfile.BadZipFile):
        return None
    return cells


# -- .xls --------------------------------------------------------------------------------------------------------------


def errors_of_xls(file: BinaryIO, place: int, sheets: int) -> Iterator[Error]:
    book = CompoundFile(file)
    name = next(name for name in (*STREAMS, "") if name in book.entries)
    bounds = [body for kind, body in records_of_xls(book.stream(name)) if kind == BOUND_SHEET]
    if len(bounds) != sheets:
        raise ValueError("other sheets than the library reads")
    (start,) = struct.unpack_from("<I", bounds[place])
    for kind, body in records_of_xls(book.stream(name, start)):
        if kind == BOOLEAN_OR_ERROR and body[7]:
            row, column = struct.unpack_from("<HH", body)
            yield row, column, body[6]
        elif kind & 0xFF == FORMULA and kind >> 8 in (0, 2, 4):
            row, column, what, code, mark = struct.unpack_from("<HH2xBxB3xH", body)
            if mark == NO_NUMBER and what == IS_ERROR:
                yield row, column, code


def records_of_xls(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """(kind, body) up to the end of what begins with the first record: the list of sheets, or a sheet."""
    depth, rest, at = 0, b"", 0
    unpack = struct.Struct("<HH").unpack_from
    for block in blocks:
        rest, at = rest[at:] + block, 0
        while at + 4 <= len(rest):
            kind, length = unpack(rest, at)
            if at + 4 + length > len(rest):
                break
            depth += (kind == BOF) - (kind == EOF)
            if depth == 1:
                yield kind, rest[at + 4 : at + 4 + length]
            at += 4 + length
            if depth == 0:
                return
    raise ValueError("the end is missing")


# -- .xlsb -------------------------------------------------------------------------------------------------------------


def errors_of_xlsb(file: BinaryIO, place: int, sheets: int) -> Iterator[Error]:
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        with archive.open("xl/workbook.bin") as book:
            bundles = [body for kind, body in records_of_xlsb(book) if kind == BUNDLE_SHEET]
        if len(bundles) != sheets:
            raise ValueError("other sheets than the library reads")
        row = 0
        with archive.open(part_of(archive, bundles[place])) as sheet:
            for kind, body in records_of_xlsb(sheet):
                if kind == ROW_HEADER:
                    (row,) = struct.unpack_from("<I", body)
                elif kind in (CELL_ERROR, FORMULA_ERROR):
                    column, code = struct.unpack_from("<I4xB", body)
                    yield row, column, code


def part_of(archive: zipfile.ZipFile, bundle: bytes) -> str:
    """The name of a sheet's part, by its relation."""
    (length,) = struct.unpack_from("<I", bundle, 8)
    relation = bundle[12 : 12 + 2 * length].decode("utf-16-le")
    for element in tree(archive, "xl/_rels/workbook.bin.rels"):
        if local(element.tag) == "Relationship" and element.get("Id") == relation:
            target = element.get("Target", "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError(relation)


def records_of_xlsb(part: object) -> Iterator[tuple[int, bytes]]:
    """(kind, body) of every record."""
    rest, at = b"", 0
    while block := part.read(BLOCK):  # type: ignore[attr-defined]
        rest, at = rest[at:] + block, 0
        while (record := record_at(rest, at)) is not None:
            kind, start, at = record
            yield kind, rest[start:at]
    if at != len(rest):
        raise ValueError("the end is missing")


def record_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """(kind, where its body starts and ends); None where it is not there as a whole. Kind and length are written in
    seven bits a byte."""
    size = len(data)
    if at + 2 > size:
        return None
    kind = data[at]
    at += 1
    if kind & 0x80:
        kind = kind & 0x7F | data[at] << 7
        at += 1
    length = shift = 0
    while at < size:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (kind, at, at + length) if at + length <= size else None
    return None
