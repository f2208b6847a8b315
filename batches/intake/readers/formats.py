"""What a file is by its content, whatever it is called; and what to say where the two do not agree."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from typing import BinaryIO

from batches.exceptions import InputRefused

HEAD = 4096
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DIRECTORY_READ = 4 * 1024 * 1024  # of an .xls, in which the names of its streams are looked for
STREAM_STARTS = (b"\x09\x08\x10\x00\x00\x06\x05\x00", b"\x09\x08\x08\x00\x00\x05\x05\x00")
"""How the stream of an old workbook begins, of Excel 97 and of Excel 95."""
ENCRYPTION_RECORD, RECORDS_READ = 0x2F, 12
MANIFEST, MANIFEST_READ = "META-INF/manifest.xml", 64 * 1024
BINARY = (
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"{\\rtf", "a text document (RTF)"),
)
HTML = re.compile(rb"\s*(?:<!--.{0,2000}?-->\s*)?<(!doctype html|html|head|body|table|meta)\b", re.I | re.S)
XML = re.compile(rb"\s*<\?xml", re.I)
WORKBOOKS = {
    "xls": "an old Excel workbook",
    "xlsx": "an Excel workbook",
    "xlsb": "an Excel workbook",
    "ods": "a workbook",
}
PACKED = {"zip": ".zip", "gzip": ".csv.gz"}
TEXT, UNKNOWN = "", "unknown"
CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that stand in no text, but for one in UTF-16."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def kind_of(file: BinaryIO) -> str:
    """One of `WORKBOOKS`, "password", "zip", "gzip", what `BINARY` calls it, "HTML", "XML", or TEXT."""
    file.seek(0)
    head = file.read(HEAD)
    if head.startswith(OLE[:4]):
        return kind_of_ole(file)
    if head.startswith(b"PK\x03\x04"):
        return kind_of_archive(file)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    plain = head.removeprefix(b"\xef\xbb\xbf")
    named = next((name for mark, name in BINARY if head.startswith(mark)), "")
    return named or ("HTML" if HTML.match(plain) else "XML" if XML.match(plain) else TEXT)


def is_binary(file: BinaryIO) -> bool:
    """Whether what `kind_of` knows by no mark is no text either."""
    file.seek(0)
    head = file.read(HEAD)
    return not head.startswith(UTF_16) and CONTROLS.search(head) is not None


def suffix_by_content(file: BinaryIO) -> str:
    """The extension that a file without a name should have: a workbook's, JSON's, else .csv."""
    kind = kind_of(file)
    file.seek(0)
    head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    file.seek(0)
    if kind in WORKBOOKS:
        return f".{kind}"
    if kind in PACKED:
        return PACKED[kind]
    return ".json" if head.startswith(b"[") else ".ndjson" if head.startswith(b"{") else ".csv"


def kind_of_ole(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(DIRECTORY_READ)
    is_locked = "EncryptedPackage".encode("utf-16-le") in head or has_file_password(head)
    return "password" if is_locked else "xls"


def has_file_password(head: bytes) -> bool:
    """Whether among the first records of an old workbook's stream is that of its encryption."""
    place = max(head.find(start) for start in STREAM_STARTS)
    for _ in range(RECORDS_READ if place >= 0 else 0):
        if place + 4 > len(head):
            return False
        record, length = struct.unpack_from("<HH", head, place)
        if record == ENCRYPTION_RECORD:
            return True
        place += 4 + length
    return False


def kind_of_archive(file: BinaryIO) -> str:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            if is_encrypted_ods(archive, names):
                return "password"
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, NotImplementedError, zlib.error):
        return "damaged"
    if any(name.lower() == "xl/workbook.bin" for name in names):
        return "xlsb"
    if any(name.lower().startswith("xl/") for name in names) or "[Content_Types].xml" in names:
        return "xlsx"
    return "ods" if {"mimetype", "content.xml"} <= names else "zip"


def is_encrypted_ods(archive: zipfile.ZipFile, names: set[str]) -> bool:
    """Whether the list of parts says that they are encrypted; LibreOffice packs all of them into one."""
    if "mimetype" not in names or MANIFEST not in names:
        return False
    with archive.open(MANIFEST) as manifest:
        return b"encryption-data" in manifest.read(MANIFEST_READ)


def refuse_disguise(kind: str, suffix: str, *, is_workbook: bool) -> None:
    """`InputRefused` where a file named as a text is none, or one named as a workbook."""
    if kind == "password":
        raise has_password()
    if is_workbook and kind not in WORKBOOKS:
        raise InputRefused(
            f"The file is named {suffix}, but it is {described(kind)}, no Excel workbook."
            if kind not in ("damaged", UNKNOWN)
            else "The file is no Excel workbook, or it is damaged.",
            remedy=remedy_for(kind),
        )
    if not is_workbook and kind != TEXT:
        raise InputRefused(
            f"The file is named {suffix}, but it is {described(kind)}.",
            remedy=f"Name it .{kind}." if kind in WORKBOOKS else remedy_for(kind),
        )


def strange_name(file: BinaryIO, filename: str, remedy: str) -> InputRefused:
    """Of a file whose extension is none of those that are read: what it is, where its content says so."""
    kind = kind_of(file)
    if kind == "password":
        return has_password()
    named = f"{filename or 'The file'} has no known extension"
    if kind == TEXT:
        return InputRefused(f"{named}.", remedy=remedy)
    return InputRefused(
        f"{named}, and is {described(kind)}.",
        remedy=f"Name it .{kind}." if kind in WORKBOOKS else remedy_for(kind),
    )


def described(kind: str) -> str:
    names = {"damaged": "a binary file (a damaged workbook or archive)", "zip": "an archive", "gzip": "a packed file"}
    return WORKBOOKS.get(kind) or names.get(kind) or (kind if kind != TEXT else "text")


def remedy_for(kind: str) -> str:
    if kind == TEXT:
        return "Name it .csv or what it is, or save it again as .xlsx."
    if kind in ("HTML", "XML"):
        return (
            "It may be a web page, or a table exported as one: open it in a spreadsheet, and save it as .xlsx or CSV."
        )
    if kind in ("zip", "gzip"):
        return f"Name it .{'zip' if kind == 'zip' else 'csv.gz'}, or unpack it."
    return "Export the rows as CSV, or save them as .xlsx."


def has_password() -> InputRefused:
    return InputRefused(
        "The workbook has a password.", remedy="Take the password off: save it again as .xlsx without one."
    )
