"""Large files and workbooks are read by a process of their own: the same rows, the same refusals, within limits."""

from __future__ import annotations

import io
import re
import signal
from tempfile import TemporaryFile
from typing import Any

import pytest
import xlsxwriter

from batches import operations
from batches.exceptions import InputRefused
from batches.intake.readers import keyed, open_reader
from batches.intake.readers.keyed import Keyed
from batches.intake.reading import __main__ as reading
from batches.intake.reading import child, limits, process
from batches.intake.reading.child import ChildReader, open_file
from batches.models import Batch, Item

pytestmark = pytest.mark.any_database
CSV = "k,n\nä,1\n\nb,2\n".encode()


@pytest.fixture(autouse=True)
def _process_for_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "HARMLESS_BYTES", 0)


def workbook(*cells: tuple[int, int, Any]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("Rows")
        for row, column, value in cells:
            sheet.write(row, column, value)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "name"),
    [(CSV, "f.csv"), (b'[{"k": "\\u00e4\\n\\t", "n": 1.5}]', "f.json"), (workbook((0, 0, "k"), (1, 0, 2)), "f.xlsx")],
)
def test_it_reads_in_a_process_what_it_reads_here(content: bytes, name: str) -> None:
    there, here = open_file(io.BytesIO(content), name), open_reader(io.BytesIO(content), name)
    assert isinstance(there, ChildReader)
    assert list(there) == list(there) == list(here)
    assert there.report() == here.report()
    assert (there.columns, there.fingerprint()) == (here.columns, here.fingerprint())


def test_it_says_the_place_of_what_the_process_refused() -> None:
    with pytest.raises(InputRefused) as caught:
        open_file(io.BytesIO(b"a,b\n1,2\n3\n"), "f.csv")
    assert "the row has 1 field, the header has 2." in str(caught.value)
    assert (caught.value.row, caught.value.line) == (3, 3)


@pytest.mark.full
@pytest.mark.parametrize("opened", [open_file, open_reader])
def test_it_refuses_a_workbook_whose_last_cell_is_in_the_last_corner(opened: Any) -> None:
    content = workbook((0, 0, "k"), (1, 0, 2), (1_048_575, 16_383, "x"))
    assert len(content) < 10_000
    with pytest.raises(InputRefused, match="has 3 cells, and the last row is 1,048,576, the last column XFD"):
        opened(io.BytesIO(content), "f.xlsx")


@pytest.mark.full
def test_it_reads_a_sheet_whose_last_rows_are_empty() -> None:
    content = workbook((0, 0, "k"), (1, 0, 2), (300_000, 0, 3))
    assert [row.payload for row in open_file(io.BytesIO(content), "f.xlsx")] == [{"k": 2}, {"k": 3}]


def test_it_refuses_a_file_that_takes_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEMORY_MB", 20)
    with pytest.raises(InputRefused, match=r"more than 20 MB of memory\. Is a quote left open"):
        open_file(io.BytesIO(b'a,b\n1,"' + b"x" * 9_000_000), "f.csv")


@pytest.mark.full
def test_it_says_of_a_large_workbook_that_csv_may_be_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEMORY_MB", 12)
    content = workbook(*((row, column, f"{row} {column}") for row in range(6_000) for column in range(10)))
    with pytest.raises(
        InputRefused, match=r"more than 12 MB of memory\. A workbook is read as a whole, .* save it as CSV"
    ):
        open_file(io.BytesIO(content), "f.xlsx")


def test_it_refuses_a_file_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CPU_SECONDS", 1)
    with pytest.raises(InputRefused, match=r"1 s is the limit\. Split it into \d+ files\."):
        open_file(io.BytesIO(b"a,b\n" + b"1,2\n" * 1_500_000), "f.csv")
    refused = process.refusal_of(-signal.SIGXCPU, "", ".csv")
    assert re.search(r"took more than \d+ s\. Split it\.", str(refused))


def test_it_says_early_that_a_file_will_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "process_time", lambda: 2.0)
    with TemporaryFile() as file, TemporaryFile() as spool:
        file.write(b"a\n" + b"1\n" * 200_000)
        file.seek(0)
        request = {"options": {"filename": "f.csv"}, "key_column": "", "repeats": False, "most_rows": 0}
        with pytest.raises(InputRefused, match="10 s is the limit") as caught:
            reading.read(file, spool, cpu_seconds=10, most_bytes=10**9, **request)
    assert caught.value.row == reading.ROWS_PER_LOOK + 1


def test_it_refuses_rows_that_are_far_larger_than_their_file(settings: Any) -> None:
    settings.PORTAL_MAX_UPLOAD_MB = 0.01
    names = ",".join(f"c{number:0100}" for number in range(500))
    with pytest.raises(InputRefused, match="each is stored with the names of its columns") as caught:
        open_file(io.BytesIO(f"{names}\n".encode() + f"1{',' * 499}\n".encode() * 2_000), "f.csv")
    assert caught.value.row == 1_001


def test_it_stops_reading_after_the_rows_that_are_of_interest() -> None:
    assert len(list(open_file(io.BytesIO(b"a\n" + b"1\n" * 50), "f.csv", most_rows=10))) == 11


@pytest.mark.usefixtures("engine")
def test_it_stores_what_the_process_has_read() -> None:
    batch = operations.submit(
        processor="test.do", file=io.BytesIO(CSV), filename="f.csv", key_column="k", batch_id="spooled"
    ).batch
    assert list(Item.objects.filter(batch=batch).values_list("key", "payload").order_by("position")) == [
        ("ä", {"k": "ä", "n": "1"}),
        ("b", {"k": "b", "n": "2"}),
    ]
    assert (batch.total_items, batch.source["columns"]) == (2, ["k", "n"])


@pytest.mark.usefixtures("engine")
def test_it_names_the_rows_whose_key_is_the_same() -> None:
    with pytest.raises(InputRefused, match=r"row 4, column 'k': key 'ä' was used in row 2 already"):
        operations.submit(
            processor="test.do",
            file=io.BytesIO(CSV.replace(b"b", "ä".encode())),
            filename="f.csv",
            key_column="k",
        )
    assert not Batch.objects.exists()


def test_it_goes_on_after_two_keys_that_only_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed, "hash", lambda key: 0 if key in "bd" else ord(key), raising=False)
    rows = Keyed(open_reader(io.BytesIO(b"k\na\nb\nc\nd\ne\n"), "f.csv"), "k")
    assert [row.key for row in rows.unrepeated(10)] == ["a", "b", "c", "d", "e"]


def test_it_finds_a_key_that_occurs_twice_beyond_those_that_are_kept() -> None:
    rows = b"k\n" + b"".join(b"%d\n" % number for number in range(2_000)) + b"1999\n"
    reader = open_file(io.BytesIO(rows), "f.csv")  # which was not told of the key, so that the database meets it
    with pytest.raises(InputRefused, match="key '1999' was used in row 2,001 already"):
        reader.request["key_column"] = "k"
        reader.keyed.refuse_repeated_key()


@pytest.mark.parametrize("text", ['[{"a": "', '{"batch": {"id": "', '[{"a": 1}, ["'])
def test_it_refuses_a_value_that_fills_the_file_before_it_is_put_together(text: str) -> None:
    with pytest.raises(InputRefused, match=r"takes more than 1,572,864 (bytes|characters)"):
        list(open_reader(io.BytesIO(text.encode() + b"x" * 4_000_000 + b'"}]'), "f.json", is_fix=True))
