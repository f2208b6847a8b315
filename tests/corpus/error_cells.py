"""Error cells in formats whose library shows them as empty: records of Excel 97 and .xlsb, LibreOffice's marks."""

from __future__ import annotations

import io
import struct
import zipfile

from tests.corpus.case import Case
from tests.corpus.texts import refused
from tests.corpus.workbooks import FILES, ROWS, ods

XLS, XLSB = (FILES / "table.xls").read_bytes(), (FILES / "table.xlsb").read_bytes()
B2_OF_XLS = struct.pack("<HHHHHI", 0x27E, 10, 1, 1, 0x11, 22)
B2_OF_XLSB = bytes((2, 12)) + struct.pack("<III", 1, 0, 22)
CALCEXT = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"
PLAIN_ODS = '<table:table-cell office:value-type="float" office:value="5"><text:p>5</text:p></table:table-cell>'


def xls(record: bytes) -> bytes:
    """The old workbook with another record in place of cell B2; its stream has zeros at its end to take or give."""
    place = XLS.index(B2_OF_XLS)
    end = XLS.index(bytes(64), place)
    surplus = len(record) - len(B2_OF_XLS)
    content = XLS[:place] + record + XLS[place + len(B2_OF_XLS) : end] + XLS[end + surplus :]
    assert len(content) == len(XLS)
    return content


def xlsb(record: bytes, end: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(XLSB)) as source, zipfile.ZipFile(stream, "w") as archive:
        for entry in source.infolist():
            part = source.read(entry)
            is_sheet = entry.filename.endswith("/sheet1.bin")
            archive.writestr(entry, part.replace(B2_OF_XLSB, record) + end if is_sheet else part)
    return stream.getvalue()


def ods_with(cell: str, before: str = "") -> bytes:
    """LibreOffice's workbook with another cell in place of B2, and rows before that of it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ods([["sku", "qty"], ["A-1", 5]]))) as source, zipfile.ZipFile(stream, "w") as new:
        for entry in source.infolist():
            part = source.read(entry).decode()
            part = part.replace("xmlns:table", f'xmlns:calcext="{CALCEXT}" xmlns:table', 1).replace(PLAIN_ODS, cell)
            head, row, rest = part.rpartition("<table:table-row>")
            new.writestr(entry, f"{head}{before}{row}{rest}" if row else source.read(entry))
    return stream.getvalue()


def ods_error(text: str, attributes: str = "") -> str:
    return f'<table:table-cell table:formula="of:=1/0" {attributes}><text:p>{text}</text:p></table:table-cell>'


FORMULA = struct.pack("<HHHHHBxBxxxHHIHBH", 6, 25, 1, 1, 0x11, 2, 0x2A, 0xFFFF, 0, 0, 3, 0x1E, 1)
OF_CALC = 'office:value-type="string" office:string-value="" calcext:value-type="error"'
OF_OTHERS = 'office:value-type="float" office:value="0"'
REPEATED = '<table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>'
CASES = [
    refused(
        "an error in an old workbook",
        xls(struct.pack("<HHHHHBBxx", 0x205, 10, 1, 1, 0x11, 0x07, 1)),
        "row 2, column 'qty'",
        "cell B2 holds the error #DIV/0!",
        name="f.xls",
    ),
    refused("… of a formula", xls(FORMULA), "cell B2 holds the error #N/A", name="f.xls"),
    Case(
        "… a truth value",
        "f.xls",
        xls(struct.pack("<HHHHHBBxx", 0x205, 10, 1, 1, 0x11, 1, 0)),
        [{"sku": "A-1", "qty": True}, ROWS[1]],
    ),
    refused(
        "an error in a binary workbook",
        xlsb(bytes((3, 9)) + struct.pack("<IIB", 1, 0, 0x17)),
        "row 2, column 'qty'",
        "cell B2 holds the error #REF!",
        name="f.xlsb",
    ),
    refused(
        "… of a formula",
        xlsb(bytes((11, 11)) + struct.pack("<IIBH", 1, 0, 0x2A, 0)),
        "B2 holds the error #N/A",
        name="f.xlsb",
    ),
    refused(
        "an error in LibreOffice's",
        ods_with(ods_error("#DIV/0!", OF_CALC)),
        "row 2, column 'qty'",
        "cell B2 holds the error #DIV/0!",
        name="f.ods",
    ),
    refused("… as a number", ods_with(ods_error("Err:502", OF_OTHERS)), "B2 holds the error Err:502", name="f.ods"),
    refused(
        "… below repeated rows", ods_with(ods_error("#N/A", OF_CALC), REPEATED), "B5 holds the error #N/A", name="f.ods"
    ),
    Case("… a text", "f.ods", ods([["sku", "qty"], ["A-1", "#N/A"]]), [{"sku": "A-1", "qty": "#N/A"}]),
    Case("a binary workbook with a torn end", "f.xlsb", xlsb(B2_OF_XLSB, b"\x07"), ROWS, ("#N/A cannot be told",)),
]
