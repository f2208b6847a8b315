"""Fix and resubmit: a file of corrected rows replaces what failed, whole or not at all, and only its rows run again."""

from __future__ import annotations

from typing import Any

import pytest

from batches import operations
from batches.exceptions import InputRefused, InvalidInput, InvalidTransition
from batches.models import Correction, Fix, RetriedItem, Retry
from tests.helpers.batches import item, statuses
from tests.helpers.fixes import check, download, failed_table, finish, fix

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def whys(made: Fix) -> list[str]:
    return [f"{row.row} {row.column}: {row.why}" for row in made.corrections.filter(verdict="REFUSED")]


def test_it_replaces_what_is_corrected_and_runs_only_that() -> None:
    batch = failed_table()
    made = fix(batch, download(batch, {1: {"mode": "ok"}}))
    assert (made.changed, made.unchanged, made.refused, made.not_in_file) == (1, 1, 0, 0)
    assert (made.retry.kind, made.retry.items, made.state) == ("fix", 1, "APPLIED")
    finish(batch)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert item(batch, 1).payload == {"mode": "ok", "note": "=1+1", "token": "t-1"}
    assert item(batch, 2).attempts == 1
    assert Retry.objects.get().outcome()["recovered"] == 1
    assert RetriedItem.objects.get().code_before == "PRICE"


def test_it_keeps_what_was_replaced_by_whom_and_when() -> None:
    batch = failed_table()
    fix(batch, download(batch, {1: {"mode": "ok", "note": "two"}}), reason="Ana read the manual")
    row = Correction.objects.get(verdict="CHANGED")
    assert (row.item, row.row, row.key) == (item(batch, 1), 2, "2")
    assert row.before == {"mode": "invalid", "note": "=1+1", "token": "t-1"}
    assert row.after == {"mode": "ok", "note": "two", "token": "t-1"}
    last = batch.transitions.order_by("-pk")[0]
    assert (last.verb, last.actor) == ("fix", "ana")
    assert last.reason == "fix 1: 1 changed, 1 unchanged, of fix.csv. Ana read the manual"


def test_what_fails_again_is_told_apart() -> None:
    batch = failed_table()
    made = fix(batch, download(batch, {1: {"mode": "error"}, 2: {"note": "still wrong"}}))
    finish(batch)
    assert {k: n for k, n in made.retry.outcome().items() if n} == {
        "failed_again": 2,
        "failed_same": 1,
        "failed_differently": 1,
    }


def test_the_same_file_twice_is_one_retry() -> None:
    batch = failed_table()
    content = download(batch, {1: {"mode": "ok"}})
    first = fix(batch, content)
    assert fix(batch, content).pk == check(batch, content).pk == first.pk
    finish(batch)
    assert fix(batch, content, "renamed.csv").retry == first.retry
    assert (Retry.objects.count(), item(batch, 1).attempts) == (1, 2)


ROWS: list[tuple[Any, str]] = [
    (lambda text: text.replace('"invalid","\'=1+1"', '"ok","\'=1+1"').replace('"2"', '"99"'), "no item '99'"),
    (lambda text: text.replace('"3"', '"2"'), "rows 2 and 3 have the key '2'"),
    (lambda text: text.replace('"3"', '"4"'), "item '4' is succeeded now, not failed"),
    (lambda text: text.replace('"3"', '""'), "has no key"),
    (lambda text: text.replace('"\'=1+1"', '"a[redacted]b"'), "stands for a hidden value"),
]


def test_a_row_that_cannot_be_taken_refuses_the_file() -> None:
    batch = failed_table()
    for change, told in ROWS:
        content = change(download(batch, {1: {"mode": "ok"}}))
        assert any(told in why for why in whys(check(batch, content)))
        with pytest.raises(InvalidInput, match=r"row [23], column") as refused:
            fix(batch, content)
        assert any(told in why for rows in refused.value.errors.values() for why in rows)
    assert not Retry.objects.exists()
    assert item(batch, 1).payload["mode"] == "invalid"


def test_refused_rows_are_left_out_if_a_person_says_so() -> None:
    batch = failed_table()
    content = download(batch, {1: {"mode": "ok"}}).replace('"3"', '"4"')
    made = fix(batch, content, leave_out=True)
    assert (made.changed, made.refused, made.retry.items) == (1, 1, 1)
    finish(batch)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_unchanged_rows_run_again_if_a_person_says_so() -> None:
    batch = failed_table()
    assert fix(batch, download(batch), retry_unchanged=True).retry.items == 2


FILES = [
    ("", "fix.csv", "empty"),
    ("mode,note,token,_item_key\n", "fix.csv", "no rows"),
    ("mode,note,token\nok,a,b\n", "fix.csv", "'_item_key'.*missing"),
    ("mode,note,token,_item_key\nok,a,b,\n", "fix.csv", "missing or empty"),
    ("mode,note,_item_key\nok,a,2\n", "fix.csv", "column 'token' is missing|'token' is missing"),
    ("Mode,note,token,_item_key\nok,a,b,2\n", "fix.csv", "'mode' is missing, and 'Mode' is not"),
    ("mode,note,token,more,_item_key\nok,a,b,c,2\n", "fix.csv", "column 'more': the batch has no such column"),
    ("mode,note,token,_item_key\nok,a,2\n", "fix.csv", "row 2.*3 fields, the header has 4"),
    ('mode,note,token,_item_key\nok,"a,b,2\n', "fix.csv", "never closed"),
    ("mode,note,token,_item_key\nok,a,b,zz\nok,a,b,zy\n", "fix.csv", "None of its 2 keys.*another batch"),
    ("x", "batch-t2-errors-20260101T000000Z.csv", "named after batch t2"),
    ('{"batch":{"id":"t2"},"rows":[{"_item_key":"2"}],"complete":true}', "fix.json", "download of another batch"),
    ('{"batch":{"id":"t1"},"rows":[{"_item_key":"2"}],"complete":false}', "fix.json", "Download it again, whole"),
    ('{"batch":{"id":"t1"},"rows":[{"_item_key":"2"}', "fix.json", "not a JSON"),
    ('{"a": 1}', "fix.json", 'without "rows"'),
    ("x", "fix.pdf", "no known extension"),
    ("x", "fix.xlsx", "no Excel workbook"),
    ('{"mode": "ok"', "fix.ndjson", "not JSON"),
    ('[{"mode": "ok", "note": "", "token": ""}]', "fix.json", "missing or empty"),
    ('[{"mode": "ok", "note": "", "_item_key": 2}]', "fix.json", "column 'token': the field is missing"),
    ('[{"mode": "ok", "note": "", "token": 1, "b": 1, "_item_key": 2}]', "fix.json", "column 'b': the batch has"),
]


def test_a_file_that_cannot_be_taken_changes_nothing() -> None:
    batch = failed_table()
    for content, filename, told in FILES:
        with pytest.raises(InvalidInput, match=told):
            fix(batch, content, filename)
    assert (Fix.objects.count(), Retry.objects.count(), Correction.objects.count()) == (0, 0, 0)


def test_a_file_that_is_too_large_is_refused(settings: Any) -> None:
    settings.PORTAL_MAX_UPLOAD_MB = 0.00001
    with pytest.raises(InputRefused, match="is the limit"):
        fix(failed_table(), "x" * 100)


def test_it_corrects_only_a_batch_at_rest() -> None:
    batch = failed_table()
    content = download(batch)
    operations.retry(batch.pk, all_failed=True)
    with pytest.raises(InvalidTransition):
        fix(batch, content)


def test_a_canary_goes_first() -> None:
    batch = failed_table()
    made = fix(batch, download(batch, {1: {"mode": "error"}, 2: {"mode": "ok"}}), canary=1, needed=1)
    finish(batch)
    made.retry.refresh_from_db()
    assert (made.retry.state, made.retry.outcome()["waiting"]) == ("HELD", 1)
