"""Delimited text: what spreadsheets, databases and people save."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from typing import Any

from tests.corpus.case import Case

TABLE = "sku,qty\nA-1,5\nB-2,7\n"
ROWS = [{"sku": "A-1", "qty": "5"}, {"sku": "B-2", "qty": "7"}]
POLISH = "id;miasto\n1;Łódź\n2;Kraków, żółta gęś\n"
POLISH_ROWS = [{"id": "1", "miasto": "Łódź"}, {"id": "2", "miasto": "Kraków, żółta gęś"}]
PREAMBLE = "Stock report\nMade on: 2026-01-31\n\nsku;name;qty\nA-1;bolt;5\nB-2;nut;7\n"


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", ".")), content)
    return stream.getvalue()


def in_page(text: str, page: str, word: str) -> Case:
    return Case(f"{page} with {word}", "f.csv", f"id;ort\n1;{text}\n".encode(page), [{"id": "1", "ort": text}], (word,))


def refused(about: str, content: bytes, *words: str, name: str = "f.csv", **options: Any) -> Case:
    return Case(about, name, content, None, words, options)


ENCODINGS = [
    Case("UTF-8", "f.csv", "ort\nKöln\n".encode(), [{"ort": "Köln"}]),
    Case("UTF-8 with a mark", "f.csv", codecs.BOM_UTF8 + TABLE.encode(), ROWS),
    Case(
        "UTF-8 with a mark, said to be utf-8",
        "f.csv",
        b'\xef\xbb\xbf"sku",qty\nA-1,5\n',
        ROWS[:1],
        (),
        {"encoding": "utf-8"},
    ),
    Case("UTF-16 of Excel", "f.txt", "sku\tqty\nA-1\t5\n".encode("utf-16"), ROWS[:1]),
    Case("UTF-16 big end first", "f.csv", codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"), ROWS),
    Case(
        "UTF-16 with a mark, said to be utf-16-le", "f.csv", TABLE.encode("utf-16"), ROWS, (), {"encoding": "utf-16-le"}
    ),
    Case("UTF-16 without its mark", "f.csv", TABLE.encode("utf-16-le"), ROWS, ("utf-16-le is a guess",)),
    Case("UTF-32", "f.csv", TABLE.encode("utf-32"), ROWS),
    Case("Polish of Excel", "f.csv", POLISH.encode("cp1250"), POLISH_ROWS, ("cp1250 is a guess", "'£ódŸ'")),
    Case("Polish of Linux", "f.csv", POLISH.encode("iso8859-2"), POLISH_ROWS, ("iso8859_2 is a guess",)),
    in_page("©", "cp1252", "cp1252 is a guess"),
    in_page("Győr, őszi eső", "cp1250", "Győr"),
    in_page("Příliš žluťoučký kůň", "cp1250", "cp1250"),
    in_page("München „schöne“ Grüße – 5 €", "cp1252", "cp1252 is a guess"),
    in_page("Nîmes, l’été à côté", "cp1252", "cp1252"),
    in_page("España, año, ¿qué?", "cp1252", "cp1252"),
    in_page("São Paulo, ações", "cp1252", "cp1252"),
    in_page("20 m² zu £5", "cp1252", "cp1252"),
    in_page("İstanbul, Şişli, ağaç", "cp1254", "cp1254"),
    in_page("Москва, улица", "cp1251", "cp1251"),
    in_page("Москва, улица", "koi8-r", "koi8_u"),
    in_page("Αθήνα, οδός", "cp1253", "cp1253"),
    in_page("München, Straße", "mac_roman", "mac_roman"),
    Case("a guess overruled", "f.csv", b"a\nG\xf5\n", [{"a": "Gő"}], (), {"encoding": "cp1250"}),
    refused("an encoding nobody knows", b"a\n1\n", "no text encoding 'klingon'", encoding="klingon"),
    refused("bytes that are not of the encoding", b"a\n\xff\n", "not utf-8 (byte 0xff)", encoding="utf-8"),
]
DIALECTS = [
    Case(
        "semicolons and decimal commas",
        "f.csv",
        b"id;p\n1;3,50\n2;4,50\n",
        [{"id": "1", "p": "3,50"}, {"id": "2", "p": "4,50"}],
    ),
    Case(
        "free text with commas",
        "f.csv",
        b"id;t\n1;a, b, c\n2;d, e, f\n",
        [{"id": "1", "t": "a, b, c"}, {"id": "2", "t": "d, e, f"}],
    ),
    Case("bars", "f.csv", b"sku|qty\nA-1|5\n", ROWS[:1]),
    Case("line ends of old Macs", "f.csv", TABLE.replace("\n", "\r").encode(), ROWS),
    Case("sep= names the delimiter", "f.csv", b"sep=;\nsku;p\nA-1;3,50\n", [{"sku": "A-1", "p": "3,50"}]),
    Case("sep= with quotes and a mark", "f.csv", b'\xef\xbb\xbf"sep=;"\r\nsku;p\r\nA;1\r\n', [{"sku": "A", "p": "1"}]),
    Case("a delimiter of the caller", "f.csv", b"sku:qty\nA-1:5\n", ROWS[:1], (), {"delimiter": ":"}),
    Case("tab by its name", "f.csv", b"sku\tqty\nA-1\t5\n", ROWS[:1], (), {"delimiter": "tab"}),
    Case("one suspicious column", "f.csv", b"sku:qty\nA-1:5\n", [{"sku:qty": "A-1:5"}], ("Is ':' its delimiter?",)),
    Case("tabs in .tab", "f.tab", b"sku\tqty\nA-1\t5\n", ROWS[:1]),
    refused("a delimiter of two characters", TABLE.encode(), "cannot be a delimiter", delimiter="||"),
]
SHAPES = [
    Case("blank rows", "f.csv", b"sku,qty\nA-1,5\n,\n \t,\nB-2,7\n,\n", ROWS, ("2 blank rows",)),
    Case("trailing delimiters everywhere", "f.csv", b"sku;qty;\nA-1;5;\nB-2;7;\n", ROWS),
    Case("trailing delimiters below", "f.csv", b"sku;qty\nA-1;5;\nB-2;7;;\n", ROWS),
    Case("an empty column within", "f.csv", b"sku,,qty\nA-1,,5\n", ROWS[:1], ("Column B has no name and no cells",)),
    refused(
        "a column without a name", b"sku,qty,\nA-1,5,x\n", "row 2", "column C has no name, and 'x'", "--name-columns"
    ),
    Case(
        "… named by its letter",
        "f.csv",
        b"sku,,\nA-1,5,x\n",
        [{"sku": "A-1", "B": "5", "C": "x"}],
        (),
        {"name_columns": True},
    ),
    refused("a short row", b"sku,qty\nA-1,5\nB-2\n", "row 3", "1 field, the header has 2", "--short-rows"),
    Case("… taken as it is", "f.csv", b"sku,qty\nA-1\n", [{"sku": "A-1", "qty": ""}], (), {"short_rows": True}),
    refused("a long row", b"sku,qty\nA-1,5,6\n", "3 fields, the header has 2", "Quote"),
    refused("a preamble", PREAMBLE.encode(), "row 4 has 3 names (sku, name, qty)", "2 such rows", "--header-row 4"),
    Case(
        "… passed over",
        "f.csv",
        PREAMBLE.encode(),
        [{"sku": "A-1", "name": "bolt", "qty": "5"}, {"sku": "B-2", "name": "nut", "qty": "7"}],
        (),
        {"header_row": 4},
    ),
    refused("a header row that is blank", PREAMBLE.encode(), "Row 3 is blank", header_row=3),
    refused("two columns of a name", b"a,a\n1,2\n", "two columns 'a'"),
    refused("a composed and a decomposed name", "é,e\u0301\n1,2\n".encode(), "two columns 'é'"),
    Case("invisible characters in a name", "f.csv", "\u200bsku\u200b,qty\u00a0\nA-1,5\n".encode(), ROWS[:1]),
    Case(
        "names that differ in capitals",
        "f.csv",
        b"Name,name\n1,2\n",
        [{"Name": "1", "name": "2"}],
        ("differ in capitals",),
    ),
    Case("line breaks in a cell", "f.csv", b'a,b\n"1\n2","x, ""y"""\n', [{"a": "1\n2", "b": 'x, "y"'}]),
    refused("a quote left open", b'a,b\n1,"2\n', "never closed"),
    refused("an empty file", b"", "empty"),
]
DISGUISES = [
    refused("a page of HTML", b"<!DOCTYPE html><html><table>", "it is HTML", "save it as .xlsx or CSV"),
    refused("a table of HTML as .xls", b"<html><table><tr><td>1", "it is HTML", name="f.xls"),
    refused("XML", b"<?xml version='1.0'?><rows/>", "it is XML"),
    refused("a PDF", b"%PDF-1.7", "it is a PDF"),
    refused("a Parquet file", b"PAR1\x15", "it is a Parquet file"),
    refused("text as .xlsx", b"a,b\n1,2\n", "it is text", "Name it .csv", name="f.xlsx"),
    refused("no extension", b"a\n1\n", "no known extension", name="rows"),
    refused("a page of HTML by name", b"<html><table><tr><td>1", "is HTML", "save it as .xlsx or CSV", name="f.html"),
    refused("a picture by name", b"\x89PNG\r\n", "is a picture", name="f.png"),
]
FRAMES = [
    Case("gzip", "f.csv.gz", gzip.compress(TABLE.encode(), mtime=0), ROWS),
    refused("gzip cut off", gzip.compress(TABLE.encode() * 99, mtime=0)[:40], "damaged or cut off", name="f.csv.gz"),
    Case("a zip with a table", "f.zip", zipped(a__csv=TABLE.encode(), LIES__md=b"x"), ROWS),
    refused(
        "a zip with two",
        zipped(a__csv=b"a\n1\n", b__csv=b"a\n1\n"),
        "2 tables",
        "'a.csv', 'b.csv'",
        "--sheet",
        name="f.zip",
    ),
    Case(
        "… of which one is named",
        "f.zip",
        zipped(a__csv=b"a\n1\n", b__csv=TABLE.encode()),
        ROWS,
        (),
        {"sheet": "b.csv"},
    ),
    refused("a zip without a table", zipped(a__md=b"x"), "holds no table", name="f.zip"),
]
CASES = [*ENCODINGS, *DIALECTS, *SHAPES, *DISGUISES, *FRAMES]
