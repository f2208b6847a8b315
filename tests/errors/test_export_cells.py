"""The cells of an export: none can run, none shows a secret, and every one comes back as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from batches.intake import cells
from batches.models import Batch
from errors.exports.exporters.csv_exporter import Csv
from errors.exports.tables import KINDS
from errors.exports.tables.base import Table
from errors.filters.error_filter import ErrorFilter
from errors.models import ErrorGroup, ErrorRecord
from tests.corpus.formulas import FORMULAS, HARMLESS
from tests.helpers.batches import modes, ran
from tests.helpers.failed_rows import SECRET, exported, exported_rows, failed_rows, sheet_of, table

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]


def test_no_cell_of_a_table_can_run() -> None:
    batch = failed_rows(FORMULAS)
    for kind in KINDS:
        for row in table(exported(batch, kind)):
            assert [cell for cell in row if cells.is_formula(cell) and not cell.startswith("'")] == []
        for row in sheet_of(exported(batch, kind, "xlsx")):
            assert [cell for cell in row if isinstance(cell, str) and cells.is_formula(cell) and cell[0] != "'"] == []
    zeta = [row["zeta"] for row in exported_rows(batch, "fix")]
    assert [cell for cell in zeta if cell[0] != "'"] == []
    assert [cells.unguarded(cell) for cell in zeta] == FORMULAS


def test_hostile_keys_codes_and_workers_are_guarded_as_messages_are() -> None:
    batch = ran(modes("value"), max_attempts=1)
    hostile = {name: f'=HYPERLINK("{name}")' for name in ("item_key", "worker", "code", "error_type", "message")}
    ErrorRecord.objects.update(**hostile)
    ErrorGroup.objects.update(title="@title")
    (row,) = exported_rows(batch)
    names = {"code": "error_code"}
    assert {name: row[names.get(name, name)] for name in hostile} == {
        name: f"'{text}" for name, text in hostile.items()
    }
    assert row["template"] == "'@title"


def test_raw_and_json_leave_cells_as_they_are() -> None:
    batch = failed_rows(FORMULAS)
    assert [row["zeta"] for row in exported_rows(batch, "fix", raw=True)] == FORMULAS
    assert [json.loads(line)["zeta"] for line in exported(batch, "fix", "ndjson").splitlines()] == FORMULAS
    assert [row["zeta"] for row in json.loads(exported(batch, "fix", "json"))["rows"]] == FORMULAS


def test_a_cell_is_cut_where_excel_would_refuse_it_and_json_is_whole() -> None:
    batch = ran(modes("value"), max_attempts=1)
    ErrorRecord.objects.update(message="x" * 40_000)
    assert exported_rows(batch)[0]["message"] == "x" * 32_000 + "…[cut]"
    assert sheet_of(exported(batch, "detail", "xlsx"))[1][11] == "x" * 32_000 + "…[cut]"
    assert json.loads(exported(batch, "detail", "ndjson"))["message"] == "x" * 40_000


def test_csv_is_as_rfc_4180_says() -> None:
    content = exported(failed_rows(['say "hi", you', "two\nlines"]), "fix").decode("utf-8-sig")
    assert content.count("\r\n") == 3
    assert '"say ""hi"", you"' in content
    assert '"two\nlines"' in content
    assert content.endswith("\r\n")


def test_secrets_are_masked_in_every_kind_and_format() -> None:
    batch = ran([{"mode": "value", "deep": {"list": [{"password": SECRET}]}}], max_attempts=1)
    ErrorRecord.objects.update(message="plain")
    for kind in KINDS:
        for file_format in ("csv", "json", "ndjson"):
            content = exported(batch, kind, file_format, raw=True)
            assert SECRET.encode() not in content
    assert "[redacted]" in exported_rows(batch, "fix")[0]["deep"]


ODD = ["\\.", "a\\tb", "x" * 40_000, "a, =1", "two\r\nlines", ""]


@pytest.mark.parametrize("messages", [HARMLESS, FORMULAS, ODD])
def test_errors_are_the_same_whoever_writes_them(messages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL writes harmless pages itself."""
    monkeypatch.setattr("errors.exports.tables.postgres_copy.ROWS_PER_COPY", 3)
    batch = failed_rows(["x"] * len(messages))
    for record, message in zip(ErrorRecord.objects.order_by("pk"), messages, strict=True):
        ErrorRecord.objects.filter(pk=record.pk).update(message=message, traceback=None, started_at=record.finished_at)
    written = table(exported(batch))
    monkeypatch.setattr("errors.exports.tables.postgres_copy.is_possible", lambda: False)
    assert written == table(exported(batch))
    place = written[0].index("message")
    expected = [cells.guarded(text if len(text) <= 32_000 else text[:32_000] + "…[cut]") for text in messages]
    assert [row[place] for row in written[1:]] == expected


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
@pytest.mark.full
def test_whatever_stands_in_a_cell_comes_back_and_cannot_run(texts: list[str]) -> None:
    """The quick look at a whole page decides as the rule for one cell does."""
    exporter = Csv(OneColumn(Batch(pk="x"), ErrorFilter(), 0), dict)
    page = [(text, n) for n, text in enumerate(texts)]
    read = [row[0] for row in table(exporter.head() + exporter.block(page, 0))[1:]]
    assert [cells.unguarded(cell) for cell in read] == texts
    assert read == [cells.guarded(text) for text in texts]
