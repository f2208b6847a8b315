"""What stands in an export: its columns, rows and cells, in every kind and format."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from python_calamine import CalamineWorkbook

from batches import operations
from batches.engine import runner
from batches.intake import cells
from batches.models import Batch, Item
from errors import error_analyzer
from errors.exports.exporters import EXPORTERS
from errors.exports.exporters.csv_exporter import Csv
from errors.exports.request import ExportRequest
from errors.exports.tables import KINDS
from errors.exports.tables.base import Table
from errors.filters.error_filter import ErrorFilter
from errors.models import ErrorGroup, ErrorRecord
from tests.batches.factories import modes, ran
from tests.errors.failing import FORMULAS, HARMLESS, HEADER, SECRET, failed_rows, table

pytestmark = pytest.mark.usefixtures("engine")

COLUMNS = {
    "summary": "group_id,fingerprint,category,error_type,error_code,title,state,assignee,items,errors,share_of_errors,"
    "share_of_items,first_seen,last_seen,sample_item_key,sample_message,recommendation",
    "detail": "batch_id,item_index,item_key,attempt,started_at,finished_at,duration_ms,worker,category,error_type,"
    "error_code,message,template,group_id,group_state,retryable,final_state,traceback_sha,url",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def made(batch: Batch, kind: str = "detail", file_format: str = "csv", **more: Any) -> bytes:
    return b"".join(ExportRequest(batch, kind=kind, format=file_format, **more).blocks())


def rows(batch: Batch, kind: str = "detail", **more: Any) -> list[dict[str, str]]:
    header, *found = table(made(batch, kind, **more))
    return [dict(zip(header, row, strict=True)) for row in found]


def sheet(content: bytes) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()


@pytest.mark.parametrize("kind", ["summary", "detail"])
def test_a_kind_has_its_columns_in_their_order(kind: str) -> None:
    assert ",".join(table(made(failed_rows(["x"]), kind))[0]) == COLUMNS[kind]


def test_a_detail_row_tells_one_failed_attempt() -> None:
    batch = ran(modes("ok", "network"), max_attempts=1, batch_id="net")
    (row,) = rows(batch)
    record = ErrorRecord.objects.get()
    told = (row["batch_id"], row["item_index"], row["item_key"], row["attempt"], row["final_state"], row["category"])
    assert told == ("net", "1", "2", "1", "FAILED", "network")
    assert TIME.fullmatch(row["started_at"])
    assert int(row["duration_ms"]) >= 0
    assert (row["retryable"], row["group_state"], row["group_id"]) == ("true", "new", str(record.group_id))
    assert (row["message"], row["template"]) == (record.message, record.group.title)
    assert row["traceback_sha"] == record.traceback_id
    assert row["url"].endswith(f"/admin/errors/errorrecord/{record.pk}/change/")


def test_a_summary_row_tells_one_group() -> None:
    batch = ran(modes("ok", "network", "network", "value", "ok"), max_attempts=1)
    found = rows(batch, "summary")
    assert [(row["items"], row["errors"]) for row in found] == [("2", "2"), ("1", "1")]
    assert (found[0]["share_of_errors"], found[0]["share_of_items"]) == ("66.6", "40.0")
    assert (found[0]["state"], found[0]["assignee"], found[0]["sample_item_key"]) == ("new", "", "2")
    assert found[0]["fingerprint"] == ErrorGroup.objects.get(category="network").fingerprint


def test_an_item_row_says_how_often_and_in_how_many_ways_it_failed() -> None:
    batch = ran(modes("ok", "network", "value"), max_attempts=3, batch_id="thrice")
    while Item.objects.filter(batch=batch, status="PENDING").exists():
        Item.objects.filter(batch=batch).update(available_at=None)
        runner.work_until_idle(batch.pk)
    first, second = rows(batch, "items")
    assert (first["item_key"], first["attempts"], first["distinct_errors"], first["last_category"]) == (
        "2",
        "3",
        "1",
        "network",
    )
    assert (second["attempts"], second["class"], second["last_state"]) == ("1", "poison", "FAILED")
    assert TIME.fullmatch(first["last_failed_at"])


def test_items_that_only_the_python_api_knows_are_rows_too() -> None:
    for n, name in enumerate(["b", "a", "b"]):
        error_analyzer.record_error(batch_id="api", item_id=name, item_index=n, error=TimeoutError("slow"))
    Item.objects.filter(batch="api").delete()
    batch = operations.get_batch("api")
    for n, name in enumerate(["d", "c", "d"]):
        error_analyzer.record_error(batch_id="api", item_id=name, item_index=n, error=TimeoutError("slow"))
    found = ExportRequest(batch, kind="items")
    assert found.row_count == len(rows(batch, "items"))
    assert {row["item_key"] for row in rows(batch, "items")} >= {"c", "d"}


def test_a_fix_file_has_the_original_columns_in_their_order_then_ours() -> None:
    batch = failed_rows(["x", "=1+1"])
    header, first, second = table(made(batch, "fix"))
    assert [cells.unguarded(name) for name in header] == [
        *HEADER,
        "_error_code",
        "_error_message",
        "_item_key",
        "_attempts",
    ]
    assert header[2] == "'=cmd"
    assert (first[0], first[1], first[3], first[5], first[7]) == ("x", "0", "[redacted]", "VALIDATION_FAILED", "1")
    assert second[0] == "'=1+1"


def test_a_batch_without_a_header_remembers_the_order_of_its_fields() -> None:
    items = [{"zeta": 1, "mode": "value"}, {"mode": "value", "alpha": {"y": [1, None]}, "zeta": True, "a": None}]
    batch = ran(items, max_attempts=1)
    header, first, second = table(made(batch, "fix"))
    assert header[:4] == ["zeta", "mode", "alpha", "a"]
    assert first[:4] == ["1", "value", "", ""]
    assert second[:4] == ["true", "value", '{"y": [1, null]}', ""]
    one, two = (json.loads(line) for line in made(batch, "fix", "ndjson").splitlines())
    assert list(one) == ["zeta", "mode", "_error_code", "_error_message", "_item_key", "_attempts"]
    assert (two["alpha"], two["zeta"], two["a"]) == ({"y": [1, None]}, True, None)


def test_items_that_came_another_way_have_the_columns_of_their_fields() -> None:
    batch = ran([{"mode": "value", "k": n} for n in range(2)], max_attempts=1)
    Batch.objects.filter(pk=batch.pk).update(source={})
    batch.refresh_from_db()
    assert sorted(table(made(batch, "fix"))[0][:2]) == ["k", "mode"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file_format", EXPORTERS)
def test_every_kind_has_as_many_rows_as_it_says_in_every_format(kind: str, file_format: str) -> None:
    batch = failed_rows([*FORMULAS[:3], *HARMLESS])
    export_request = ExportRequest(batch, kind=kind, format=file_format)
    content = b"".join(export_request.blocks())
    counted = {
        "csv": lambda: len(table(content)) - 1,
        "json": lambda: json.loads(content)["row_count"],
        "ndjson": lambda: len(content.splitlines()),
        "xlsx": lambda: len(sheet(content)) - 1,
    }[file_format]()
    assert counted == export_request.row_count > 0


@pytest.mark.parametrize("file_format", EXPORTERS)
def test_a_batch_without_failures_gives_an_empty_file(file_format: str) -> None:
    batch = ran(modes("ok"))
    for kind in KINDS:
        export_request = ExportRequest(batch, kind=kind, format=file_format)
        content = b"".join(export_request.blocks())
        assert export_request.row_count == 0
        if file_format == "json":
            assert json.loads(content)["complete"] is True
        if file_format == "csv":
            assert len(table(content)) == 1
        if file_format == "xlsx":
            assert len(sheet(content)) == 1


def test_no_cell_of_a_table_can_run() -> None:
    batch = failed_rows(FORMULAS)
    for kind in KINDS:
        for row in table(made(batch, kind)):
            assert [cell for cell in row if cells.is_formula(cell) and not cell.startswith("'")] == []
        for row in sheet(made(batch, kind, "xlsx")):
            assert [cell for cell in row if isinstance(cell, str) and cells.is_formula(cell) and cell[0] != "'"] == []
    assert [cells.unguarded(row["zeta"]) for row in rows(batch, "fix")] == FORMULAS


def test_hostile_keys_codes_and_workers_are_guarded_as_messages_are() -> None:
    batch = ran(modes("value"), max_attempts=1)
    hostile = {name: f'=HYPERLINK("{name}")' for name in ("item_key", "worker", "code", "error_type", "message")}
    ErrorRecord.objects.update(**hostile)
    ErrorGroup.objects.update(title="@title")
    (row,) = rows(batch)
    names = {"code": "error_code"}
    assert {name: row[names.get(name, name)] for name in hostile} == {
        name: f"'{text}" for name, text in hostile.items()
    }
    assert row["template"] == "'@title"


def test_raw_and_json_leave_cells_as_they_are() -> None:
    batch = failed_rows(FORMULAS)
    assert [row["zeta"] for row in rows(batch, "fix", raw=True)] == FORMULAS
    assert [json.loads(line)["zeta"] for line in made(batch, "fix", "ndjson").splitlines()] == FORMULAS
    assert [row["zeta"] for row in json.loads(made(batch, "fix", "json"))["rows"]] == FORMULAS


def test_a_cell_is_cut_where_excel_would_refuse_it_and_json_is_whole() -> None:
    batch = ran(modes("value"), max_attempts=1)
    ErrorRecord.objects.update(message="x" * 40_000)
    assert rows(batch)[0]["message"] == "x" * 32_000 + "…[cut]"
    assert sheet(made(batch, "detail", "xlsx"))[1][11] == "x" * 32_000 + "…[cut]"
    assert json.loads(made(batch, "detail", "ndjson"))["message"] == "x" * 40_000


def test_csv_is_as_rfc_4180_says() -> None:
    content = made(failed_rows(['say "hi", you', "two\nlines"]), "fix").decode("utf-8-sig")
    assert content.count("\r\n") == 3
    assert '"say ""hi"", you"' in content
    assert '"two\nlines"' in content
    assert content.endswith("\r\n")


def test_secrets_are_masked_in_every_kind_and_format() -> None:
    batch = ran([{"mode": "value", "deep": {"list": [{"password": SECRET}]}}], max_attempts=1)
    ErrorRecord.objects.update(message="plain")
    for kind in KINDS:
        for file_format in ("csv", "json", "ndjson"):
            content = made(batch, kind, file_format, raw=True)
            assert SECRET.encode() not in content
    assert "[redacted]" in rows(batch, "fix")[0]["deep"]


def test_a_document_says_what_its_batch_is_and_that_it_is_complete() -> None:
    batch = failed_rows(["x", "y"])
    document = json.loads(made(batch, "detail", "json", error_filter=ErrorFilter(category="validation")))
    names = ["schema", "generated_at", "kind", "batch", "filters", "totals", "groups", "findings", "recommendations"]
    assert list(document) == [*names, "errors", "row_count", "complete"]
    assert (document["schema"], document["complete"]) == ("batchportal.error-report/1", True)
    assert document["batch"]["id"] == "b1"
    assert document["filters"] == {"category": "validation"}
    totals = document["totals"]
    assert {name: totals[name] for name in ("items", "failed", "errors", "rate")} == {
        "items": 2, "failed": 2, "errors": 2, "rate": 100.0}  # fmt: skip
    assert totals["wilson95"][1] == 100.0
    assert document["groups"][0]["title"]
    assert [error["retryable"] for error in document["errors"]] == [False, False]


def test_a_filter_means_the_same_rows_as_its_lists() -> None:
    batch = ran(modes("network", "value", "value", "ok", "value"), max_attempts=1)
    error_filter = ErrorFilter(category="validation", positions="0-2")
    assert [row["item_index"] for row in rows(batch, error_filter=error_filter)] == ["1", "2"]
    assert [row["item_index"] for row in rows(batch, "items", error_filter=error_filter)] == ["1", "2"]
    assert [row["_item_key"] for row in rows(batch, "fix", error_filter=error_filter)] == ["2", "3"]
    (row,) = rows(batch, "summary", error_filter=error_filter)
    assert (row["items"], row["errors"]) == ("2", "2")


def test_what_fails_while_a_file_is_made_is_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.exports.tables.base.ROWS_PER_PAGE", 1)
    batch = ran(modes("value", "value"), max_attempts=1)
    export_request = ExportRequest(batch, format="ndjson")
    pages = export_request.table.pages()
    got = [next(pages)]
    error_analyzer.record_error(batch_id=batch.pk, item_id="9", item_index=9, error=ValueError("late"))
    assert len([*got, *pages]) == export_request.row_count == 2


ODD = ["\\.", "a\\tb", "x" * 40_000, "a, =1", "two\r\nlines", ""]


@pytest.mark.parametrize("messages", [HARMLESS, FORMULAS, ODD])
def test_errors_are_the_same_whoever_writes_them(messages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL writes harmless pages itself."""
    monkeypatch.setattr("errors.exports.tables.postgres_copy.ROWS_PER_COPY", 3)
    batch = failed_rows(["x"] * len(messages))
    for record, message in zip(ErrorRecord.objects.order_by("pk"), messages, strict=True):
        ErrorRecord.objects.filter(pk=record.pk).update(message=message, traceback=None, started_at=record.finished_at)
    written = table(made(batch))
    monkeypatch.setattr("errors.exports.tables.postgres_copy.is_possible", lambda: False)
    assert written == table(made(batch))
    place = written[0].index("message")
    expected = [cells.guarded(text if len(text) <= 32_000 else text[:32_000] + "…[cut]") for text in messages]
    assert [row[place] for row in written[1:]] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_pages_go_on_where_one_ended(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.exports.tables.base.ROWS_PER_PAGE", 2)
    found = ExportRequest(failed_rows(["a", "b", "c", "d", "e"]), kind=kind).table
    pages = list(found.pages())
    for n, (place, _) in enumerate(pages):
        rest = list(found.pages(json.loads(json.dumps(place))))
        assert [rows for _, rows in rest] == [rows for _, rows in pages[n + 1 :]]


def test_a_workbook_goes_on_in_a_second_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.exports.exporters.xlsx_exporter.ROWS_PER_SHEET", 3)
    content = made(failed_rows(["a", "b", "c"]), "fix", "xlsx")
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert [len(book.get_sheet_by_index(n).to_python()) for n in range(2)] == [3, 2]
    assert book.sheet_names == ["fix", "fix 2"]


class OneColumn(Table):
    kind = "detail"
    columns = ("text", "other")
    untrusted = ("text",)

    def count(self) -> int:
        return 0

    def pages(self, after: Any = None) -> Any:
        return iter(())


TEXT = some.text(alphabet=" \t\r\n\"',;=+-@|＝＠\ufeff\u00a0\u200b01.eE", max_size=6) | some.text(
    alphabet=some.characters(exclude_categories=["Cs"], exclude_characters="\x00")
)


@given(some.lists(TEXT, max_size=5))
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_cell_comes_back_and_cannot_run(texts: list[str]) -> None:
    """The quick look at a whole page decides as the rule for one cell does."""
    exporter = Csv(OneColumn(Batch(pk="x"), ErrorFilter(), 0), dict)
    page = [(text, n) for n, text in enumerate(texts)]
    read = [row[0] for row in table(exporter.head() + exporter.block(page, 0))[1:]]
    assert [cells.unguarded(cell) for cell in read] == texts
    assert read == [cells.guarded(text) for text in texts]
