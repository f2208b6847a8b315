"""What stands in an export: its columns, rows and cells, in every kind and format."""

from __future__ import annotations

import io
import json
import re

import pytest
from python_calamine import CalamineWorkbook

from batches import operations
from batches.engine import runner
from batches.intake import cells
from batches.models import Batch, Item
from errors import error_analyzer
from errors.exports.exporters import EXPORTERS
from errors.exports.request import ExportRequest
from errors.exports.tables import KINDS
from errors.filters.error_filter import ErrorFilter
from errors.models import ErrorGroup, ErrorRecord
from tests.corpus.formulas import FORMULAS, HARMLESS
from tests.helpers.batches import modes, ran
from tests.helpers.failed_rows import HEADER, exported, exported_rows, failed_rows, sheet_of, table

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]

COLUMNS = {
    "summary": "group_id,fingerprint,category,error_type,error_code,title,state,assignee,items,errors,share_of_errors,"
    "share_of_items,first_seen,last_seen,sample_item_key,sample_message,recommendation,failing_now,waiting",
    "detail": "batch_id,item_index,item_key,attempt,started_at,finished_at,duration_ms,worker,category,error_type,"
    "error_code,message,template,group_id,group_state,retryable,final_state,traceback_sha,url",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.mark.parametrize("kind", ["summary", "detail"])
def test_a_kind_has_its_columns_in_their_order(kind: str) -> None:
    assert ",".join(table(exported(failed_rows(["x"]), kind))[0]) == COLUMNS[kind]


def test_a_detail_row_tells_one_failed_attempt() -> None:
    batch = ran(modes("ok", "network"), max_attempts=1, batch_id="net")
    (row,) = exported_rows(batch)
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
    found = exported_rows(batch, "summary")
    assert [(row["items"], row["errors"]) for row in found] == [("2", "2"), ("1", "1")]
    assert (found[0]["share_of_errors"], found[0]["share_of_items"]) == ("66.6", "40.0")
    assert (found[0]["state"], found[0]["assignee"], found[0]["sample_item_key"]) == ("new", "", "2")
    assert found[0]["fingerprint"] == ErrorGroup.objects.get(category="network").fingerprint


def test_an_item_row_says_how_often_and_in_how_many_ways_it_failed() -> None:
    batch = ran(modes("ok", "network", "value"), max_attempts=3, batch_id="thrice")
    while Item.objects.filter(batch=batch, status="PENDING").exists():
        Item.objects.filter(batch=batch).update(available_at=None)
        runner.work_until_idle(batch.pk)
    first, second = exported_rows(batch, "items")
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
    assert found.row_count == len(exported_rows(batch, "items"))
    assert {row["item_key"] for row in exported_rows(batch, "items")} >= {"c", "d"}


def test_a_fix_file_has_the_original_columns_in_their_order_then_ours() -> None:
    batch = failed_rows(["x", "=1+1"])
    header, first, second = table(exported(batch, "fix"))
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
    header, first, second = table(exported(batch, "fix"))
    assert header[:4] == ["zeta", "mode", "alpha", "a"]
    assert first[:4] == ["1", "value", "", ""]
    assert second[:4] == ["true", "value", '{"y": [1, null]}', ""]
    one, two = (json.loads(line) for line in exported(batch, "fix", "ndjson").splitlines())
    assert list(one) == ["zeta", "mode", "_error_code", "_error_message", "_item_key", "_attempts"]
    assert (two["alpha"], two["zeta"], two["a"]) == ({"y": [1, None]}, True, None)


def test_items_that_came_another_way_have_the_columns_of_their_fields() -> None:
    batch = ran([{"mode": "value", "k": n} for n in range(2)], max_attempts=1)
    Batch.objects.filter(pk=batch.pk).update(source={})
    batch.refresh_from_db()
    assert sorted(table(exported(batch, "fix"))[0][:2]) == ["k", "mode"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file_format", EXPORTERS)
@pytest.mark.full
def test_every_kind_has_as_many_rows_as_it_says_in_every_format(kind: str, file_format: str) -> None:
    batch = failed_rows([*FORMULAS[:3], *HARMLESS])
    export_request = ExportRequest(batch, kind=kind, format=file_format)
    content = b"".join(export_request.blocks())
    counted = {
        "csv": lambda: len(table(content)) - 1,
        "semicolon": lambda: len(table(content, ";")) - 1,
        "json": lambda: json.loads(content)["row_count"],
        "ndjson": lambda: len(content.splitlines()),
        "xlsx": lambda: len(sheet_of(content)) - 1,
    }[file_format]()
    assert counted == export_request.row_count > 0


def test_semicolons_stand_between_cells_where_the_decimal_sign_is_a_comma() -> None:
    batch = ran([{"mode": "value", "k": 'x,=1+1;"y"'}], max_attempts=1, batch_id="semi")
    export_request = ExportRequest(batch, kind="fix", format="semicolon")
    head, row = b"".join(export_request.blocks()).decode("utf-8-sig").splitlines()
    assert (export_request.filename[-4:], export_request.content_type) == (".csv", "text/csv; charset=utf-8")
    assert '"mode";"k"' in head
    assert '"value";"x,=1+1;""y"""' in row


@pytest.mark.parametrize("file_format", EXPORTERS)
@pytest.mark.full
def test_a_batch_without_failures_gives_an_empty_file(file_format: str) -> None:
    batch = ran(modes("ok"))
    for kind in KINDS:
        export_request = ExportRequest(batch, kind=kind, format=file_format)
        content = b"".join(export_request.blocks())
        assert export_request.row_count == 0
        if file_format == "json":
            assert json.loads(content)["complete"] is True
        if file_format in ("csv", "semicolon"):
            assert len(table(content, ";" if file_format == "semicolon" else ",")) == 1
        if file_format == "xlsx":
            assert len(sheet_of(content)) == 1


def test_a_document_says_what_its_batch_is_and_that_it_is_complete() -> None:
    batch = failed_rows(["x", "y"])
    document = json.loads(exported(batch, "detail", "json", error_filter=ErrorFilter(category="validation")))
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
    assert [row["item_index"] for row in exported_rows(batch, error_filter=error_filter)] == ["1", "2"]
    assert [row["item_index"] for row in exported_rows(batch, "items", error_filter=error_filter)] == ["1", "2"]
    assert [row["_item_key"] for row in exported_rows(batch, "fix", error_filter=error_filter)] == ["2", "3"]
    (row,) = exported_rows(batch, "summary", error_filter=error_filter)
    assert (row["items"], row["errors"]) == ("2", "2")


def test_what_fails_while_a_file_is_made_is_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.exports.tables.base.ROWS_PER_PAGE", 1)
    batch = ran(modes("value", "value"), max_attempts=1)
    export_request = ExportRequest(batch, format="ndjson")
    pages = export_request.table.pages()
    got = [next(pages)]
    error_analyzer.record_error(batch_id=batch.pk, item_id="9", item_index=9, error=ValueError("late"))
    assert len([*got, *pages]) == export_request.row_count == 2


@pytest.mark.parametrize("kind", KINDS)
def test_pages_go_on_where_one_ended(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.exports.tables.base.ROWS_PER_PAGE", 2)
    found = ExportRequest(failed_rows(["a", "b", "c", "d", "e"]), kind=kind).table
    pages = list(found.pages())
    for n, (place, _) in enumerate(pages):
        rest = list(found.pages(json.loads(json.dumps(place))))
        assert [exported_rows for _, exported_rows in rest] == [exported_rows for _, exported_rows in pages[n + 1 :]]


def test_a_workbook_goes_on_in_a_second_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.exports.exporters.xlsx_exporter.ROWS_PER_SHEET", 3)
    content = exported(failed_rows(["a", "b", "c"]), "fix", "xlsx")
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert [len(book.get_sheet_by_index(n).to_python()) for n in range(2)] == [3, 2]
    assert book.sheet_names == ["fix", "fix 2"]
