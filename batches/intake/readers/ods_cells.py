"""Error cells of LibreOffice's workbooks, which the library that reads the values shows as empty, zero or text."""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import BinaryIO
from xml.etree import ElementTree

from batches.intake.readers.sheet_cells import MOST_PROBLEMS, SheetCells, local

CONTENT = "content.xml"
BLOCK = 1 << 20
OVERLAP = 64
SIGNS = re.compile(rb"value-type=[\"']error[\"']|>(?:#[A-Z/0-9]{2,10}[!?]?|Err:\d{3})<")
"""Where none of these stands, the document is not parsed."""
ERROR_TEXT = re.compile(r"(?:#(?:N/A|DIV/0!|REF!|NAME\?|VALUE!|NUM!|NULL!)|Err:\d{3})\Z")
CELLS = ("table-cell", "covered-table-cell")


def error_cells_of_ods(file: BinaryIO, place: int) -> SheetCells | None:
    """The error cells of the sheet at a place; None where the document is not as it should be."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            if not has_signs(archive):
                return SheetCells()
            return cells_of_table(archive, place)
    except (KeyError, ValueError, OSError, ElementTree.ParseError, zipfile.BadZipFile, zlib.error):
        return None


def has_signs(archive: zipfile.ZipFile) -> bool:
    rest = b""
    with archive.open(CONTENT) as content:
        while block := content.read(BLOCK):
            if SIGNS.search(rest + block):
                return True
            rest = block[-OVERLAP:]
    return False


def cells_of_table(archive: zipfile.ZipFile, place: int) -> SheetCells:
    cells, table, row = SheetCells(), -1, 0
    with archive.open(CONTENT) as content:
        for event, element in ElementTree.iterparse(content, ("start", "end")):  # noqa: S314 - expat bounds entities
            name = local(element.tag)
            if event == "start" and name == "table":
                table, row = table + 1, 0
            elif event == "end" and name == "table-row":
                times = repeated(element, "rows")
                if table == place:
                    note_errors(cells, element, row, times)
                row += times
                element.clear()
            elif event == "end" and name == "table" and table == place:
                break
    return cells


def note_errors(cells: SheetCells, row: ElementTree.Element, number: int, times: int) -> None:
    """The errors among the cells of a row, which stands for as many rows as it is repeated."""
    column, problems = 0, []
    for cell in row:
        if local(cell.tag) in CELLS:
            width = repeated(cell, "columns")
            if error := error_of(cell):
                problems += [(column + at, f"holds the error {error}") for at in range(min(width, MOST_PROBLEMS))]
            column += width
    if problems:
        for at in range(number + 1, number + 1 + min(times, MOST_PROBLEMS)):
            if len(cells.problems) < MOST_PROBLEMS:
                cells.problems[at] = problems


def error_of(cell: ElementTree.Element) -> str:
    """What a cell shows that is an error; empty for one that is none, as a text is that nobody computed."""
    attributes = list(cell.attrib.items())
    is_marked = any(value == "error" for name, value in attributes if local(name) == "value-type")
    is_formula = any(local(name) == "formula" for name, _ in attributes)
    shown = "".join(cell.itertext()).strip() if is_marked or is_formula else ""
    if is_marked:
        return shown[:20] or "?"
    return shown if ERROR_TEXT.match(shown) else ""


def repeated(element: ElementTree.Element, what: str) -> int:
    """How often a cell or row stands there."""
    values = (value for name, value in element.attrib.items() if local(name) == f"number-{what}-repeated")
    return max(int(next(values, 1)), 1)
