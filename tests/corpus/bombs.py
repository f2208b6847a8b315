"""Files that are small, or look harmless, and are meant to take a process down: each is refused in words."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable

from tests.corpus.workbooks import TABLE, book, with_sheet

ZEROS = b"0" * 30_000_000
BRACKETS = 80_000
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><worksheet><sheetData><row r="1"><c r="A1" t="str"><v>&c;</v></c></row>
</sheetData></worksheet>"""


def archive(**members: bytes) -> bytes:
    """A .zip of these, with `_` for a dot."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("_", "."), content)
    return stream.getvalue()


def workbook_with(sheet: bytes) -> bytes:
    """A workbook whose first sheet is this XML."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book(TABLE))) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in source.infolist():
            is_sheet = entry.filename == "xl/worksheets/sheet1.xml"
            made.writestr(entry.filename, sheet if is_sheet else source.read(entry))
    return stream.getvalue()


BOMBS: list[tuple[str, str, Callable[[], bytes]]] = [
    ("brackets without end", "f.json", lambda: b"[" * BRACKETS),
    ("objects without end", "f.json", lambda: b'{"x":' * BRACKETS),
    ("brackets within a row", "f.json", lambda: b'[{"a":' + b"[" * BRACKETS + b"]" * BRACKETS + b"}]"),
    ("brackets within a line", "f.ndjson", lambda: b'{"a":' + b"[" * BRACKETS + b"]" * BRACKETS + b"}\n"),
    ("a number of 5,000 digits", "f.json", lambda: b'[{"a": ' + b"9" * 5_000 + b"}]"),
    ("… in a line", "f.ndjson", lambda: b'{"a": ' + b"9" * 5_000 + b"}\n"),
    ("a number beyond all", "f.ndjson", lambda: b'{"a": 1e999}\n'),
    ("no number", "f.ndjson", lambda: b'{"a": -Infinity}\n'),
    ("a name twice", "f.ndjson", lambda: b'{"a": 1, "a": 2}\n'),
    ("a name twice, deep down", "f.json", lambda: b'[{"x": [{"a": 1, "a": 2}]}]'),
    ("a name twice, written otherwise", "f.ndjson", lambda: b'{"a": 1, "\\u0061": 2}\n'),
    ("half a surrogate pair", "f.ndjson", lambda: b'{"a": "\\ud800"}\n'),
    ("a NUL in a text", "f.ndjson", lambda: b'{"a": "\\u0000"}\n'),
    ("an array that ends in the middle", "f.json", lambda: b'[{"a": 1}, {"a": "' + b"x" * 1_000_000),
    ("a quote left open", "f.csv", lambda: b'a,b\n"1,2\n' + b"3,4\n" * 200_000),
    ("quotes and quotes", "f.csv", lambda: b"a\n" + b'"' * 2_000_001 + b"\n"),
    ("one cell of 2 MB", "f.csv", lambda: b"a\n" + b"x" * 2_000_000 + b"\n"),
    ("a header of 100,000 columns", "f.csv", lambda: b",".join(b"c%d" % n for n in range(100_000)) + b"\n1\n"),
    ("a row of a million cells", "f.csv", lambda: b"a,b\n" + b"1," * 500_000 + b"\n"),
    ("a header twice", "f.csv", lambda: b"a,a\n1,2\n"),
    ("NULs", "f.csv", lambda: b"a\n" + b"\0" * 100_000),
    ("zeros, packed", "f.csv.gz", lambda: gzip.compress(ZEROS)),
    ("packed twice", "f.csv.gz", lambda: gzip.compress(gzip.compress(b"a\n1\n"))),
    ("packed, cut short", "f.csv.gz", lambda: gzip.compress(b"a\n1\n" * 1_000)[:-9]),
    ("packed, with rubbish behind it", "f.csv.gz", lambda: gzip.compress(b"a\n1\n") + b"rubbish"),
    ("brackets, packed", "f.json.gz", lambda: gzip.compress(b"[" * BRACKETS)),
    ("zeros in an archive", "f.zip", lambda: archive(rows_csv=ZEROS)),
    ("an archive in an archive", "f.zip", lambda: archive(inner_zip=archive(rows_csv=ZEROS))),
    ("a packed file in an archive", "f.zip", lambda: archive(rows_csv_gz=gzip.compress(ZEROS))),
    ("two tables in an archive", "f.zip", lambda: archive(a_csv=b"a\n1\n", b_csv=b"a\n1\n")),
    ("an archive cut short", "f.zip", lambda: archive(rows_csv=b"a\n1\n")[:-30]),
    ("a workbook that unpacks to 30 MB", "f.xlsx", lambda: workbook_with(b"<worksheet>" + ZEROS)),
    ("entities of entities", "f.xlsx", lambda: workbook_with(LAUGHS)),
    ("a cell at the end of the sheet", "f.xlsx", lambda: with_sheet(book(TABLE), b'r="B3"', b'r="XFD1048576"')),
    ("zeros named a workbook", "f.xlsx", lambda: archive(xl_workbook_xml=ZEROS)),
    ("zeros named a document", "f.ods", lambda: archive(content_xml=ZEROS)),
    ("no workbook at all", "f.xls", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 5_000),
]
"""What it is, the file's name, and how its content is made."""
