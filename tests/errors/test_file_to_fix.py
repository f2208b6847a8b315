"""A table on its whole way: a file, its items, the export of those that failed, and the fix made of it.

No row is lost, added or changed on the way, what is refused names its row, and a file that nobody touched corrects
nothing.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import resource
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from batches import operations
from batches.engine import runner
from batches.exceptions import InputRefused
from batches.intake.readers import open_reader
from batches.models import Batch, Item
from errors.exports.request import ExportRequest
from tests.helpers.check_rows import committed
from tests.helpers.spreadsheets import saved_by_excel

pytestmark = committed
NAMES = ("a", "due date", "_c")
MOST_MB = 150
WORDS = some.text(some.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
DATES = some.dates(date(1900, 3, 1))
"""Before these, Excel's calendar is not ours."""
CELLS = (
    WORDS
    | some.text("0123456789", min_size=1, max_size=18)
    | DATES.map(str)
    | some.sampled_from(
        ("true", "FALSE", "1,200.50", "MAR1", "=1+1", " a ", 'say "no"', "a\nb", "x;y", "", "0.10", "1e5")
    )
)
TYPED = CELLS | some.integers(-(2**53) + 1, 2**53 - 1) | some.floats(-1e9, 1e9, width=32)
TYPED |= some.booleans() | DATES
EXAMPLES = pytest.mark.parametrize("examples", [4, pytest.param(40, marks=pytest.mark.full)])


def fuzz(examples: int) -> settings:
    """The same examples in every run."""
    quiet = list(HealthCheck)
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=quiet)


def tables(cells: Any, least: int = 1) -> Any:
    return some.lists(some.tuples(cells, cells, cells), min_size=least, max_size=12)


@dataclass(frozen=True)
class File:
    """A table as a file, how it is read, and the payloads that it must give."""

    name: str
    content: bytes
    options: dict[str, Any]
    payloads: list[dict[str, Any]]


def payloads_of(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def delimited(rows: list[tuple[str, ...]], delimiter: str, encoding: str, name: str) -> File:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([NAMES, *rows])
    content = stream.getvalue().encode(encoding)
    options = {"delimiter": delimiter, "encoding": encoding}
    filled = [row for row in rows if any(map(str.strip, row))]
    return File(name, gzip.compress(content) if name.endswith(".gz") else content, options, payloads_of(filled))


def lines(rows: list[tuple[Any, ...]], name: str) -> File:
    payloads = [
        {key: str(cell) if isinstance(cell, date) else cell for key, cell in p.items()} for p in payloads_of(rows)
    ]
    text = json.dumps(payloads) if name.endswith(".json") else "\n".join(map(json.dumps, payloads))
    return File(name, text.encode(), {}, payloads)


def workbook(rows: list[tuple[Any, ...]]) -> File:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
        for number, row in enumerate([NAMES, *rows]):
            for place, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(number, place, cell)
                elif isinstance(cell, date):
                    sheet.write_datetime(number, place, cell, day)
                else:
                    sheet.write(number, place, cell)
    filled = [row for row in rows if any(cell != "" for cell in row)]
    return File("f.xlsx", stream.getvalue(), {}, payloads_of([tuple(map(as_read, row)) for row in filled]))


def as_read(cell: Any) -> Any:
    """A workbook's cell as its reader gives it."""
    if cell == "" and isinstance(cell, str):
        return None
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        number = float(f"{cell:.16G}")
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return cell


TEXTS = some.builds(
    delimited,
    tables(CELLS),
    some.sampled_from((",", ";", "\t", "|")),
    some.sampled_from(("utf-8", "utf-8-sig", "utf-16")),
    some.sampled_from(("f.csv", "f.txt", "f.csv.gz")),
)
FILES = (
    TEXTS | some.builds(lines, tables(TYPED), some.sampled_from(("f.json", "f.ndjson"))) | tables(TYPED).map(workbook)
)


def failed(file: File) -> Batch:
    """The batch of a file, all of whose items have failed."""
    Batch.objects.filter(pk="b1").delete()
    peak = peak_mb()
    reader = open_reader(io.BytesIO(file.content), file.name, **file.options)
    schema = {"schema": '{"required": ["never there"]}'}
    operations.submit(processor="check_rows", params=schema, file=reader, filename=file.name, batch_id="b1")
    operations.start("b1")
    runner.work_until_idle("b1")
    assert peak_mb() - peak <= MOST_MB
    return operations.get_batch("b1")


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def exported(batch: Batch, kind: str) -> bytes:
    return b"".join(ExportRequest(batch, kind="fix", format=kind).blocks())


def payloads() -> list[dict[str, Any]]:
    return list(Item.objects.filter(batch="b1").order_by("position").values_list("payload", flat=True))


def corrections(content: bytes, name: str) -> list[tuple[Any, ...]]:
    """What a fix file changes: it is checked, and not applied."""
    fix = operations.check_fix("b1", file=io.BytesIO(content), filename=name)
    assert fix.not_in_file == 0
    return [(row.before, row.after, row.why) for row in fix.corrections.exclude(verdict="UNCHANGED")]


@pytest.mark.full_on("postgresql")
@EXAMPLES
def test_rows_come_in_and_go_out_as_they_are(examples: int) -> None:
    @given(file=FILES, kind=some.sampled_from(("csv", "ndjson", "json")))
    @fuzz(examples)
    def holds(file: File, kind: str) -> None:
        if not file.payloads:
            with pytest.raises(InputRefused, match="no rows"):
                failed(file)
            return
        batch = failed(file)
        assert payloads() == file.payloads
        assert corrections(exported(batch, kind), f"fix.{kind}") == []

    holds()


@pytest.mark.full_on("postgresql")
@EXAMPLES
def test_what_a_spreadsheet_saved_untouched_changes_nothing(examples: int) -> None:
    @given(rows=tables(CELLS))
    @fuzz(examples)
    def holds(rows: list[tuple[str, ...]]) -> None:
        batch = failed(lines(rows, "f.ndjson"))
        cells = csv.reader(io.StringIO(exported(batch, "csv").decode("utf-8-sig"), newline=""))
        saved = io.StringIO(newline="")
        csv.writer(saved).writerows([saved_by_excel(cell) for cell in row] for row in cells)
        assert corrections(saved.getvalue().encode(), "fix.csv") == []

    holds()


@pytest.mark.full_on("postgresql")
@EXAMPLES
def test_a_person_corrects_the_cell_that_was_touched_and_no_other(examples: int) -> None:
    @given(file=FILES, place=some.integers(0, 11), column=some.sampled_from(NAMES))
    @fuzz(examples)
    def holds(file: File, place: int, column: str) -> None:
        if not file.payloads:
            return
        batch, place = failed(file), place % len(file.payloads)
        rows = list(csv.DictReader(io.StringIO(exported(batch, "csv").decode("utf-8-sig"), newline="")))
        rows[place][column] = "corrected"
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        operations.correct("b1", file=io.BytesIO(stream.getvalue().encode()), filename="fix.csv")
        file.payloads[place][column] = "corrected"
        assert payloads() == file.payloads

    holds()


@EXAMPLES
def test_a_row_that_does_not_fit_is_named_and_nothing_is_stored(examples: int) -> None:
    @given(
        rows=tables(WORDS.filter(str.strip), least=2),
        place=some.integers(0, 11),
        delimiter=some.sampled_from((",", ";")),
    )
    @fuzz(examples)
    def holds(rows: list[tuple[str, ...]], place: int, delimiter: str) -> None:
        place %= len(rows)
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=delimiter).writerows(
            [NAMES, *rows[:place], (*rows[place], "more"), *rows[place + 1 :]]
        )
        options = {"delimiter": delimiter, "encoding": "utf-8"}
        with pytest.raises(InputRefused) as refused:
            failed(File("f.csv", stream.getvalue().encode(), options, []))
        assert refused.value.row == place + 2
        assert not Batch.objects.filter(pk="b1").exists()

    holds()
