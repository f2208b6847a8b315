"""What a sheet of an .xlsx says beside its cells' values: errors, formulas without a value, hidden rows, leading zeros.

The library that reads the values shows an error as an empty cell, and knows no formats; so the sheet's XML is searched
once more, by patterns and block by block.
"""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import join, normpath
from typing import BinaryIO
from xml.etree import ElementTree

BLOCK = 1 << 20
MOST_PROBLEMS = 1_000
PREFIX = rb"<(?:\w+:)?"
CELL = re.compile(
    PREFIX + rb"c\s([^>]*?)(?:/>|>\s*"
    rb"(?:" + PREFIX + rb"f\b(?:[^>]*/>|[^>]*>([^<]*)</(?:\w+:)?f>)\s*()|)"
    rb"(?:" + PREFIX + rb"v(?:\s[^>]*)?>([^<]*)<|))"
)
ROW = re.compile(PREFIX + rb"row\s[^>]*\bhidden=[\"'](?:1|true)[\"']")
ATTRIBUTE = re.compile(rb"\b([a-z]+)=[\"']([^\"']*)[\"']")
REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})\Z")
ONLY_ZEROS = re.compile(r"0{2,30}\Z")


@dataclass(slots=True)
class Zeros:
    """Which cells show a number with leading zeros: by column, the row -> how many digits."""

    by_column: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def __bool__(self) -> bool:
        return bool(self.by_column)

    def digits(self, row: int, column: int) -> int:
        return self.by_column[column].get(row, 0) if column in self.by_column else 0


@dataclass(slots=True)
class SheetCells:
    """`problems`: row -> (column from 0, what is wrong) of cells whose value nobody knows."""

    problems: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    zeros: Zeros = field(default_factory=Zeros)
    hidden_rows: int = 0


def cells_of(file: BinaryIO, place: int) -> SheetCells | None:
    """What the sheet at a place says; None where its XML is not as it should be."""
    file.seek(0)
    cells = SheetCells()
    try:
        with zipfile.ZipFile(file) as archive:
            part = part_of_sheet(archive, place)
            formats = zero_formats(archive)
            with archive.open(part) as sheet:
                for block in blocks_of(sheet):
                    look_at(block, formats, cells)
    except (KeyError, IndexError, ElementTree.ParseError, zipfile.BadZipFile, zipfile.LargeZipFile, OSError):
        return None
    return cells


def blocks_of(sheet: object) -> Iterator[bytes]:
    """The XML in pieces that end between two rows."""
    rest = b""
    while block := sheet.read(BLOCK):  # type: ignore[attr-defined]
        rest += block
        end = rest.rfind(b"row>") + 4
        if end > 4:
            yield rest[:end]
            rest = rest[end:]
    yield rest


def look_at(block: bytes, formats: dict[int, int], cells: SheetCells) -> None:
    cells.hidden_rows += len(ROW.findall(block))
    has_formulas = b"<f" in block or b":f" in block
    if not (formats or has_formulas or b'"e"' in block or b"'e'" in block):
        return
    for match in CELL.finditer(block):
        is_formula, value = match[3] is not None, match[4]
        attributes = dict(ATTRIBUTE.findall(match[1]))
        kind = attributes.get(b"t", b"n")
        if kind == b"e" or (is_formula and not value and kind in (b"n", b"b")):
            problem = "holds a formula that was never computed"
            if kind == b"e":
                problem = f"holds the error {(value or b'?').decode(errors='replace')[:20]}"
            note_problem(cells, attributes, problem)
        elif formats and kind == b"n":
            note_zeros(cells, attributes, formats)


def note_zeros(cells: SheetCells, attributes: dict[bytes, bytes], formats: dict[int, int]) -> None:
    digits = formats.get(int(attributes.get(b"s", b"0")), 0)
    if digits and (place := place_of(attributes)):
        cells.zeros.by_column[place[1]][place[0]] = digits


def note_problem(cells: SheetCells, attributes: dict[bytes, bytes], problem: str) -> None:
    place = place_of(attributes)
    if place and len(cells.problems) < MOST_PROBLEMS:
        cells.problems.setdefault(place[0], []).append((place[1], problem))


def place_of(attributes: dict[bytes, bytes]) -> tuple[int, int] | None:
    """(row from 1, column from 0); None for a cell without a reference."""
    match = REFERENCE.match(attributes.get(b"r", b"").decode(errors="replace"))
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(match[2]), column - 1


def part_of_sheet(archive: zipfile.ZipFile, place: int) -> str:
    """The name of the sheet's part, by the workbook's list of sheets."""
    sheets = [element for element in tree(archive, "xl/workbook.xml").iter() if local(element.tag) == "sheet"]
    relation = next(value for name, value in sheets[place].attrib.items() if local(name) == "id")
    for element in tree(archive, "xl/_rels/workbook.xml.rels"):
        if element.get("Id") == relation:
            target = element.get("Target", "")
            return target.lstrip("/") if target.startswith("/") else normpath(join("xl", target))
    raise KeyError(relation)


def zero_formats(archive: zipfile.ZipFile) -> dict[int, int]:
    """Style -> digits, of the styles that show a number with leading zeros."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    styles = tree(archive, "xl/styles.xml")
    codes = {
        element.get("numFmtId"): len(code)
        for element in styles.iter()
        if local(element.tag) == "numFmt" and ONLY_ZEROS.match(code := element.get("formatCode", ""))
    }
    used = next((element for element in styles.iter() if local(element.tag) == "cellXfs"), ())
    return {style: codes[xf.get("numFmtId")] for style, xf in enumerate(used) if xf.get("numFmtId") in codes}


def tree(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    return ElementTree.fromstring(archive.read(part))  # noqa: S314 - expat bounds what entities unfold to


def local(tag: str) -> str:
    return tag.rpartition("}")[2]
