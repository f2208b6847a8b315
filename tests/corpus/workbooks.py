"""Workbooks: of spreadsheets, of libraries that write them, and what their sheets hold beside the table."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from tests.corpus.case import Case
from tests.corpus.texts import refused

FILES = Path(__file__).parent / "files"
TABLE = [["sku", "qty"], ["A-1", 5], ["B-2", 7]]
ROWS = [{"sku": "A-1", "qty": 5}, {"sku": "B-2", "qty": 7}]
LONG_AGO = datetime(2026, 1, 1)
ODS = """<?xml version="1.0" encoding="UTF-8"?><office:document-content office:version="1.2"
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
><office:body><office:spreadsheet><table:table table:name="Rows">{}</table:table></office:spreadsheet></office:body>
</office:document-content>"""

MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">
<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>
</manifest:manifest>"""
ENCRYPTED = MANIFEST.replace("/>", "><manifest:encryption-data/></manifest:file-entry>")
XLS_WITH_PASSWORD = (
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    + bytes(504)
    + b"\x09\x08\x10\x00\x00\x06\x05\x00"
    + bytes(12)
    + b"\x2f\x00\x36\x00"
)
"""The first sector of an .xls, and of its stream the beginning and the record of its encryption."""


def book(*sheets: list[list[Any]], names: tuple[str, ...] = (), **touches: Any) -> bytes:
    """A workbook of these sheets; `touches` are calls by which a test changes a sheet or the book."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm"}) as workbook:
        workbook.set_properties({"created": LONG_AGO})
        for place, rows in enumerate(sheets):
            sheet = workbook.add_worksheet(names[place] if names else f"Sheet{place + 1}")
            for number, cells in enumerate(rows):
                sheet.write_row(number, 0, cells)
            if touch := touches.get(sheet.get_name()):
                touch(sheet, workbook)
    return stream.getvalue()


def with_sheet(content: bytes, old: bytes, new: bytes) -> bytes:
    """The workbook with a piece of its first sheet's XML replaced: what no library writes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(stream, "w") as archive:
        for entry in source.infolist():
            part = source.read(entry)
            archive.writestr(entry, part.replace(old, new) if entry.filename.endswith("sheet1.xml") else part)
    assert stream.getvalue() != content
    return stream.getvalue()


def ods(rows: list[list[Any]], manifest: str = MANIFEST) -> bytes:
    stream = io.BytesIO()
    lines = "".join(f"<table:table-row>{''.join(map(ods_cell, cells))}</table:table-row>" for cells in rows)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(zipfile.ZipInfo("META-INF/manifest.xml"), manifest)
        archive.writestr(zipfile.ZipInfo("content.xml"), ODS.format(lines))
    return stream.getvalue()


def ods_cell(value: Any) -> str:
    if isinstance(value, str):
        return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
    shown = f"<text:p>{value}</text:p>"
    return f'<table:table-cell office:value-type="float" office:value="{value}">{shown}</table:table-cell>'


def very_hidden(sheet: Any, workbook: Any) -> None:
    sheet.very_hidden()


def other_active(sheet: Any, workbook: Any) -> None:
    sheet.activate()


def zero_padded(sheet: Any, workbook: Any) -> None:
    sheet.write_number(1, 0, 7, workbook.add_format({"num_format": "00000"}))


def filtered(sheet: Any, workbook: Any) -> None:
    sheet.set_row(2, None, None, {"hidden": True})


def shifted(sheet: Any, workbook: Any) -> None:
    for number, cells in enumerate(TABLE):
        sheet.write_row(number + 3, 2, cells)


FORMULA = book([["a", "b"], [1, None]], Sheet1=lambda sheet, _: sheet.write_formula(1, 1, "=A2+1", None, 2))
ERROR = book([["a", "b"], [1, 2]], Sheet1=lambda sheet, _: sheet.write_formula(1, 1, "=1/0", None, "#DIV/0!"))
CASES = [
    Case("a workbook", "f.xlsx", book(TABLE), ROWS),
    Case("… named .xlsm", "f.xlsm", book(TABLE), ROWS),
    Case("… named .xls", "f.xls", book(TABLE), ROWS),
    Case("an old one", "f.xls", (FILES / "table.xls").read_bytes(), ROWS),
    Case("… named .xlsx", "f.xlsx", (FILES / "table.xls").read_bytes(), ROWS),
    Case("a binary one", "f.xlsb", (FILES / "table.xlsb").read_bytes(), ROWS),
    Case("of LibreOffice", "f.ods", ods(TABLE), ROWS),
    refused("named .csv", book(TABLE), "it is an Excel workbook", "Name it .xlsx"),
    refused("cut off", book(TABLE)[:900], "damaged", name="f.xlsx"),
    refused(
        "with a password",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le"),
        "has a password",
        name="f.xlsx",
    ),
    refused("of LibreOffice, with a password", ods(TABLE, ENCRYPTED), "has a password", name="f.ods"),
    refused("of old Excel, with a password", XLS_WITH_PASSWORD, "has a password", name="f.xls"),
    refused("with a password, and another name", XLS_WITH_PASSWORD, "has a password", name="f.xlt"),
    refused("no sheet with cells", book([]), "no visible sheet with cells", name="f.xlsx"),
    Case("an empty first sheet", "f.xlsx", book([], TABLE), ROWS, ("'Sheet2' was read, and not 'Sheet1'",)),
    Case(
        "a hidden first sheet",
        "f.xlsx",
        book([["code"], ["DE"]], TABLE, Sheet1=very_hidden, Sheet2=other_active),
        ROWS,
        ("not 'Sheet1' (hidden)",),
    ),
    refused(
        "instructions first",
        book([["Read me: fill in the next sheet"]], TABLE),
        "no rows below its header",
        "'Sheet2' (3 rows)",
        name="f.xlsx",
    ),
    Case("… and the sheet chosen", "f.xlsx", book([["Read me"]], TABLE), ROWS, (), {"sheet": "Sheet2"}),
    Case("… by its number", "f.xlsx", book([["Read me"]], TABLE), ROWS, (), {"sheet": "2"}),
    refused("a sheet that is not there", book(TABLE), "no sheet 'X'", "'Sheet1'", name="f.xlsx", sheet="X"),
    Case("a table in the middle of its sheet", "f.xlsx", book([], Sheet1=shifted), ROWS),
    refused("a preamble", book([["Stock"], [], *TABLE]), "row 3 has 2 names (sku, qty)", name="f.xlsx"),
    Case("… passed over", "f.xlsx", book([["Stock"], [], *TABLE]), ROWS, (), {"header_row": 3}),
    refused("an error cell", ERROR, "row 2", "cell B2 holds the error #DIV/0!", "column 'b'", name="f.xlsx"),
    refused(
        "a formula never computed", with_sheet(FORMULA, b"<v>2</v>", b""), "cell B2 holds a formula", name="f.xlsx"
    ),
    Case("a formula", "f.xlsx", FORMULA, [{"a": 1, "b": 2}]),
    Case("zeros by format", "f.xlsx", book([["zip"], [None]], Sheet1=zero_padded), [{"zip": "00007"}]),
    Case("rows that a filter hides", "f.xlsx", book(TABLE, Sheet1=filtered), ROWS, ("1 row is hidden",)),
    Case("years as names", "f.xlsx", book([["region", 2024], ["north", 10]]), [{"region": "north", "2024": 10}]),
    Case(
        "dates and times",
        "f.xlsx",
        book([["d", "t"], [datetime(2026, 1, 2, 3, 4), 1.5]]),
        [{"d": "2026-01-02T03:04:00", "t": 1.5}],
    ),
    Case(
        "empty cells and blank rows",
        "f.xlsx",
        book([["a", "b"], [1], [], [None, True]]),
        [{"a": 1, "b": None}, {"a": None, "b": True}],
    ),
    refused("a column without a name", book([["a"], [1, "x"]]), "column B has no name, and 'x'", name="f.xlsx"),
    Case("… named by its letter", "f.xlsx", book([["a"], [1, "x"]]), [{"a": 1, "B": "x"}], (), {"name_columns": True}),
]
