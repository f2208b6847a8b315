"""Files become payloads, or are refused with their row, column and remedy."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from batches.exceptions import InputRefused
from batches.intake.python_reader import ItemsReader
from batches.intake.readers import Row, open_reader


def read(content: bytes, name: str, **options: Any) -> list[dict[str, Any]]:
    return [row.payload for row in open_reader(io.BytesIO(content), name, **options)]


def refusal(content: bytes, name: str, **options: Any) -> InputRefused:
    with pytest.raises(InputRefused) as refused:
        read(content, name, **options)
    return refused.value


def workbook(rows: list[list[Any]]) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    sheet = book.add_worksheet("Rows")
    for number, cells in enumerate(rows):
        sheet.write_row(number, 0, cells)
    book.close()
    return stream.getvalue()


ROWS = [{"a": "1", "b": "x"}, {"a": "2", "b": "ü"}]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n1,x\n2,ü\n".encode(), "f.csv"),
        ("a,b\r\n1,x\r\n2,ü".encode(), "f.csv"),
        ("a,b\r1,x\r2,ü\r".encode(), "f.csv"),
        ("\ufeffa,b\n1,x\n2,ü\n".encode(), "f.csv"),
        ("a;b\n1;x\n2;ü\n".encode(), "f.csv"),
        ("a|b\n1|x\n2|ü\n".encode(), "f.csv"),
        ("a\tb\n1\tx\n2\tü\n".encode(), "f.tsv"),
        ("a\tb\n1\tx\n2\tü\n".encode(), "f.csv"),
        ("a,b\n1,x\n\n2,ü\n\n\n".encode(), "f.csv"),
        ("a,b\n1,x\n2,ü\n".encode("utf-16"), "f.csv"),
        ("a,b\n1,x\n2,ü\n".encode("cp1252"), "f.csv"),
        ('[{"a": "1", "b": "x"}, {"a": "2", "b": "ü"}]'.encode(), "f.json"),
        ('{"a": "1", "b": "x"}\n\n{"a": "2", "b": "ü"}\n'.encode(), "f.ndjson"),
        ('{"a": "1", "b": "x"}\n{"a": "2", "b": "ü"}'.encode(), "f.jsonl"),
    ],
)
def test_it_reads_the_same_rows_from_every_format(content: bytes, name: str) -> None:
    assert read(content, name) == ROWS


def test_it_reads_a_workbook_with_its_types() -> None:
    assert read(workbook([["a", "b", "c"], [1, "x", 1.5], [2, "", True]]), "f.xlsx") == [
        {"a": 1, "b": "x", "c": 1.5},
        {"a": 2, "b": None, "c": True},
    ]


def test_it_keeps_line_breaks_and_delimiters_in_quotes() -> None:
    assert read(b'a,b\n"1\n2","x, ""y"""\n', "f.csv") == [{"a": "1\n2", "b": 'x, "y"'}]


def test_it_reports_what_it_detected() -> None:
    report = open_reader(io.BytesIO("a;b\n1;ü\n".encode("cp1252")), "f.csv").report()
    assert (report["format"], report["encoding"], report["delimiter"]) == ("csv", "cp1252", ";")
    assert report["columns"] == ["a", "b"]


def test_it_can_be_read_twice() -> None:
    reader = open_reader(io.BytesIO(b"a\n1\n2\n"), "f.csv")
    assert [row.row for row in reader] == [row.row for row in reader] == [2, 3]


@pytest.mark.parametrize(
    ("content", "name", "words", "row", "line", "column"),
    [
        (b"", "f.csv", "empty", None, None, None),
        (b"a,b\n1,2\n3\n", "f.csv", "1 field, the header has 2", 3, 3, None),
        (b'a,b\n"1\n1",2\n3,4,5\n', "f.csv", "3 fields, the header has 2", 3, 4, None),
        (b"a,a\n1,2\n", "f.csv", "two columns 'a'", 1, None, "a"),
        (b"a,\n1,2\n", "f.csv", "column B has no name, and '2' stands in it", 2, 2, None),
        (b'a,b\n1,"2\n3,4\n', "f.csv", "never closed", 2, None, None),
        (b"a,b\n1,2\n3,\x00\n", "f.csv", "NUL", 3, 3, "b"),
        (b"a,b\n1," + b"x" * 10_000_000 + b"\n", "f.csv", "characters", 2, 2, "b"),
        (b"a,b\n1,\xff\xfe\xfa\n", "f.csv", "not utf-8 (byte 0xff)", 2, 2, "b"),
        (b"PK\x03\x04zip", "f.csv", "binary file", None, None, None),
        (b"a,b", "f.xlsx", "no Excel workbook", None, None, None),
        (b"a,b", "f.xlsx", "it is text", None, None, None),
        ("имя,b".encode("utf-16"), "f.xlsx", "it is text", None, None, None),
        (bytes(range(1, 256)) * 40, "f.xlsx", "The file is no Excel workbook, or it is damaged.", None, None, None),
        (b"a,b", "f.exe", "no known extension", None, None, None),
        (b'{"a": 1}', "f.json", "not a JSON array", 1, None, None),
        (b"[1]", "f.json", "not an object", 1, None, None),
        (b'[{"a": 1}, {"a": 1, "a": 2}]', "f.json", "'a' occurs twice", 2, None, None),
        (b'[{"a": NaN}]', "f.json", "not a JSON array", 1, None, None),
        (b'[{"a": 1}] x', "f.json", "not a JSON array", 2, None, None),
        (b'[{"a": "\\u0000"}]', "f.json", "NUL", 1, None, "a"),
        (b'[{"a": ' + b"[" * 90_000 + b"]" * 90_000 + b"}]", "f.json", "nested deeper", 1, None, None),
        (b'{"a": 1}\n{"a": \n', "f.ndjson", "not JSON", 2, 2, None),
        (b'{"a": 1, "a": 2}\n', "f.ndjson", "occurs twice", 1, 1, None),
        (b'{"a": Infinity}\n', "f.ndjson", "not JSON", 1, 1, None),
        (b'{"a": "\\ud800"}\n', "f.ndjson", "surrogate", 1, 1, "a"),
        (b'{"a": ' + b"[" * 90_000 + b"]" * 90_000 + b"}\n", "f.ndjson", "nested deeper", 1, 1, None),
        (b'{"a": "\xff"}\n', "f.ndjson", "not UTF-8", 1, 1, None),
        (b'{"a": ' + b"9" * 5000 + b"}\n", "f.ndjson", "", 1, 1, None),
    ],
)
def test_it_refuses_bad_input_with_its_place(
    content: bytes, name: str, words: str, row: int | None, line: int | None, column: str | None
) -> None:
    options = {"encoding": "utf-8"} if "byte 0xff" in words else {}
    refused = refusal(content, name, **options)
    assert words in refused.problem
    assert refused.remedy
    assert (refused.row, refused.column) == (row, column)
    if line is not None:
        assert refused.line == line


def test_it_refuses_an_encoding_that_does_not_exist() -> None:
    assert "no text encoding" in refusal(b"a\n1\n", "f.csv", encoding="klingon").problem


@pytest.mark.parametrize("bad", [1, "text", None, ["a"], {"a": float("nan")}, {"a": {1, 2}}, {"a": "\x00"}])
def test_it_checks_items_from_python_the_same_way(bad: Any) -> None:
    with pytest.raises(InputRefused) as refused:
        list(ItemsReader([{"a": 1}, bad]))
    assert refused.value.row == 2


def test_it_reads_what_can_be_walked_only_once_again_and_from_the_beginning() -> None:
    reader = ItemsReader({"n": n} for n in range(5))
    assert next(iter(reader)).payload == {"n": 0}
    first, second = list(reader), list(reader)
    assert first == second == [Row(n + 1, None, {"n": n}) for n in range(5)]


@pytest.mark.full
def test_it_holds_no_long_iterable_in_memory() -> None:
    tracemalloc.start()
    reader = ItemsReader({"text": f"{n}".ljust(1_000)} for n in range(30_000))
    assert sum(1 for _ in reader) == sum(1 for _ in reader) == 30_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15 * 1024 * 1024


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30)


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3).filter(lambda row: any(map(str.strip, row))), min_size=1))
@pytest.mark.full
def test_it_reads_back_what_the_csv_module_wrote(rows: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["x", "y", "z"], *rows])
    assert [list(row.values()) for row in read(stream.getvalue().encode(), "f.csv", encoding="utf-8")] == rows


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(TEXT, JSON, max_size=4), min_size=1, max_size=8))
@pytest.mark.full
def test_it_reads_back_any_json(items: list[dict[str, Any]]) -> None:
    assert read(json.dumps(items).encode(), "f.json") == items
    assert read("\n".join(json.dumps(item) for item in items).encode(), "f.ndjson") == items
