"""Fix and resubmit: a file of corrected rows replaces what failed, whole or not at all, and only its rows run again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from batches import operations
from batches.engine import runner
from batches.exceptions import InputRefused, InvalidInput, InvalidTransition, OperationInProgress, UnknownBatch
from batches.intake import cells, fixes
from batches.models import Batch, Correction, Fix, Item, RetriedItem, Retry
from batches.redaction import MASK
from tests.batches.factories import item, ran, statuses
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
TABLE = "mode,note,token\nok,first,t-0\ninvalid,=1+1,t-1\ninvalid,007,t-2\nok,last,t-3\n"


def table(**options: Any) -> Batch:
    """Four rows of a CSV file, of which the second and the third failed."""
    batch = operations.submit(
        processor="test.do", file=io.BytesIO(TABLE.encode()), filename="rows.csv", batch_id="t1", actor="ana"
    ).batch
    return finish(batch)


def finish(batch: Batch) -> Batch:
    if batch.status == Batch.Status.PENDING:
        operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert operations.verify(batch.pk) == []
    return batch


def objects() -> Batch:
    """Items with values of every kind; the last three failed."""
    good = {"mode": "ok", "n": 1, "flag": True, "tags": ["a"], "password": "p-0", "zip": "01234", "gone": None}
    bad = [good | {"mode": "invalid", "n": n, "password": f"p-{n}", "at": {"token": "deep", "x": 1}} for n in (5, 6, 7)]
    return ran([good, good | {"n": 2}, *bad], max_attempts=1)


def download(batch: Batch, change: dict[int, dict[str, Any]] | None = None) -> str:
    """The failing rows as the export writes them into a table, some of their cells changed."""
    from batches.redaction import redact

    rows = list(Item.objects.filter(batch=batch, failed_at__isnull=False).order_by("position"))
    columns = list(dict.fromkeys(name for row in rows for name in row.payload))
    lines = [",".join(map(quoted, [*columns, "_error_code", "_item_key"]))]
    for row in rows:
        shown = redact(row.payload) | (change or {}).get(row.position, {})
        values = [shown.get(name) for name in columns] + [row.code, row.key]
        lines.append(",".join(quoted(value) for value in values))
    return "\ufeff" + "\r\n".join(lines) + "\r\n"


def quoted(value: Any) -> str:
    cell = cells.guarded(value) if isinstance(value, str) else cells.as_text(value)
    return '"' + cell.replace('"', '""') + '"'


def fix(batch: Batch, content: str, filename: str = "fix.csv", **options: Any) -> Fix:
    return operations.correct(batch.pk, file=io.BytesIO(content.encode()), filename=filename, actor="ana", **options)


def check(batch: Batch, content: str, filename: str = "fix.csv") -> Fix:
    return operations.check_fix(batch.pk, file=io.BytesIO(content.encode()), filename=filename, actor="ana")


def whys(made: Fix) -> list[str]:
    return [f"{row.row} {row.column}: {row.why}" for row in made.corrections.filter(verdict="REFUSED")]


def test_it_replaces_what_is_corrected_and_runs_only_that() -> None:
    batch = table()
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
    batch = table()
    fix(batch, download(batch, {1: {"mode": "ok", "note": "two"}}), reason="Ana read the manual")
    row = Correction.objects.get(verdict="CHANGED")
    assert (row.item, row.row, row.key) == (item(batch, 1), 2, "2")
    assert row.before == {"mode": "invalid", "note": "=1+1", "token": "t-1"}
    assert row.after == {"mode": "ok", "note": "two", "token": "t-1"}
    last = batch.transitions.order_by("-pk")[0]
    assert (last.verb, last.actor) == ("fix", "ana")
    assert last.reason == "fix 1: 1 changed, 1 unchanged, of fix.csv. Ana read the manual"


def test_what_fails_again_is_told_apart() -> None:
    batch = table()
    made = fix(batch, download(batch, {1: {"mode": "error"}, 2: {"note": "still wrong"}}))
    finish(batch)
    assert {k: n for k, n in made.retry.outcome().items() if n} == {
        "failed_again": 2,
        "failed_same": 1,
        "failed_differently": 1,
    }


def test_the_same_file_twice_is_one_retry() -> None:
    batch = table()
    content = download(batch, {1: {"mode": "ok"}})
    first = fix(batch, content)
    assert fix(batch, content).pk == check(batch, content).pk == first.pk
    finish(batch)
    assert fix(batch, content, "renamed.csv").retry == first.retry
    assert (Retry.objects.count(), item(batch, 1).attempts) == (1, 2)


def test_masks_guards_types_and_nested_values_come_back_untouched() -> None:
    batch = objects()
    before = {row.pk: row.payload for row in batch.items.all()}
    made = check(batch, download(batch))
    assert (made.changed, made.unchanged, made.refused) == (0, 3, 0)
    with pytest.raises(InvalidInput, match="all rows say what is stored"):
        fix(batch, download(batch))
    assert {row.pk: row.payload for row in batch.items.all()} == before


def test_a_changed_cell_keeps_the_kind_of_its_column() -> None:
    batch = objects()
    new = {"mode": "ok", "n": "60", "flag": "FALSE", "tags": '["b", 2]', "zip": "00007", "gone": "x"}
    fix(batch, download(batch, {2: new, 3: {"n": 6.5, "password": "new"}, 4: {"at": {"token": MASK, "x": 2}}}))
    assert item(batch, 2).payload == {
        "mode": "ok",
        "n": 60,
        "flag": False,
        "tags": ["b", 2],
        "password": "p-5",
        "zip": "00007",
        "gone": "x",
        "at": {"token": "deep", "x": 1},
    }
    assert item(batch, 3).payload["n"] == 6.5
    assert item(batch, 3).payload["password"] == "new"
    assert item(batch, 4).payload["at"] == {"token": "deep", "x": 2}


def test_a_wrong_text_becomes_a_number_where_those_that_succeeded_have_one() -> None:
    batch = ran([{"mode": "ok", "n": 1}, {"mode": "invalid", "n": "three"}, {"mode": "invalid", "n": None}])
    fix(batch, download(batch, {1: {"n": "3"}, 2: {"n": "4"}}))
    assert [item(batch, place).payload["n"] for place in (1, 2)] == [3, 4]


def test_what_does_not_fit_its_column_stays_text_and_says_so() -> None:
    from batches.intake.corrections import changes_of

    batch = objects()
    made = check(batch, download(batch, {2: {"n": "sixty"}, 3: {"zip": "1234"}}))
    rows = list(made.corrections.filter(verdict="CHANGED"))
    assert changes_of(rows[0].before, rows[0].after) == [
        {"field": "n", "old": 5, "new": "sixty", "note": "was number, becomes text"}
    ]
    assert "did a spreadsheet change it?" in changes_of(rows[1].before, rows[1].after)[0]["note"]


def test_it_takes_json_objects_and_keeps_what_is_masked_in_them() -> None:
    batch = objects()
    rows = [
        {**item(batch, 2).payload, "n": 50, "password": MASK, "at": {"token": MASK, "y": []}, "extra": 1},
        {**item(batch, 3).payload, "password": MASK, "at": {"token": MASK, "x": 1}},
    ]
    rows = [row | {"_item_key": str(place), "_error_code": "PRICE"} for place, row in enumerate(rows, 3)]
    made = fix(batch, "\n".join(map(json.dumps, rows)), "fix.ndjson")
    assert (made.changed, made.unchanged, made.not_in_file) == (1, 1, 1)
    after = item(batch, 2).payload
    assert (after["n"], after["password"], after["at"], after["extra"]) == (50, "p-5", {"token": "deep", "y": []}, 1)
    assert "_item_key" not in after


ROWS: list[tuple[Any, str]] = [
    (lambda text: text.replace('"invalid","\'=1+1"', '"ok","\'=1+1"').replace('"2"', '"99"'), "no item '99'"),
    (lambda text: text.replace('"3"', '"2"'), "rows 2 and 3 have the key '2'"),
    (lambda text: text.replace('"3"', '"4"'), "item '4' is succeeded now, not failed"),
    (lambda text: text.replace('"3"', '""'), "has no key"),
    (lambda text: text.replace('"\'=1+1"', '"a[redacted]b"'), "stands for a hidden value"),
]


def test_a_row_that_cannot_be_taken_refuses_the_file() -> None:
    batch = table()
    for change, told in ROWS:
        content = change(download(batch, {1: {"mode": "ok"}}))
        assert any(told in why for why in whys(check(batch, content)))
        with pytest.raises(InvalidInput, match=r"row [23], column") as refused:
            fix(batch, content)
        assert any(told in why for rows in refused.value.errors.values() for why in rows)
    assert not Retry.objects.exists()
    assert item(batch, 1).payload["mode"] == "invalid"


def test_refused_rows_are_left_out_if_a_person_says_so() -> None:
    batch = table()
    content = download(batch, {1: {"mode": "ok"}}).replace('"3"', '"4"')
    made = fix(batch, content, leave_out=True)
    assert (made.changed, made.refused, made.retry.items) == (1, 1, 1)
    finish(batch)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_unchanged_rows_run_again_if_a_person_says_so() -> None:
    batch = table()
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
    batch = table()
    for content, filename, told in FILES:
        with pytest.raises(InvalidInput, match=told):
            fix(batch, content, filename)
    assert (Fix.objects.count(), Retry.objects.count(), Correction.objects.count()) == (0, 0, 0)


def test_a_file_that_is_too_large_is_refused(settings: Any) -> None:
    settings.PORTAL_MAX_UPLOAD_MB = 0.00001
    with pytest.raises(InputRefused, match="is the limit"):
        fix(table(), "x" * 100)


def test_it_corrects_only_a_batch_at_rest() -> None:
    batch = table()
    content = download(batch)
    operations.retry(batch.pk, all_failed=True)
    with pytest.raises(InvalidTransition):
        fix(batch, content)


def test_what_changed_since_the_check_refuses_its_row() -> None:
    batch = table()
    mine = check(batch, download(batch, {1: {"mode": "ok"}, 2: {"mode": "ok"}}))
    fix(batch, download(batch, {1: {"mode": "ok"}}))
    finish(batch)
    with pytest.raises(InvalidInput, match="item '2' is succeeded by now"):
        operations.apply_fix(batch.pk, mine.number, actor="bob")
    mine.refresh_from_db()
    assert (mine.changed, mine.refused, mine.state) == (1, 1, "CHECKED")
    assert item(batch, 2).payload["mode"] == "invalid"
    assert operations.apply_fix(batch.pk, mine.number, actor="bob", leave_out=True).retry.items == 1


def test_what_somebody_else_corrected_meanwhile_is_not_overwritten() -> None:
    batch = table()
    mine = check(batch, download(batch, {1: {"note": "mine"}}))
    fix(batch, download(batch, {1: {"note": "theirs"}}))
    finish(batch)
    with pytest.raises(InvalidInput, match="corrected by somebody else meanwhile"):
        operations.apply_fix(batch.pk, mine.number)
    assert item(batch, 1).payload["note"] == "theirs"


def test_an_upload_that_nobody_applies_is_forgotten() -> None:
    batch = table()
    old, kept = check(batch, download(batch, {1: {"mode": "ok"}})), fix(batch, download(batch, {2: {"mode": "ok"}}))
    Fix.objects.filter(pk=old.pk).update(expires_at="2020-01-01T00:00Z")
    finish(batch)
    with pytest.raises(InvalidInput, match="expired"):
        operations.apply_fix(batch.pk, old.number)
    assert fixes.forget_expired() > 0
    assert list(Fix.objects.all()) == [kept]


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[int], None]) -> None:
    """Rows are stored one by one, and before each of them something happens, which is told how many are stored."""
    judged = fixes.corrections

    def rows(batch: Batch, reader: Any) -> Iterator[Correction]:
        for stored, row in enumerate(judged(batch, reader)):
            happens(stored)
            yield row

    monkeypatch.setattr(fixes, "corrections", rows)
    monkeypatch.setattr("batches.intake.corrections.ROWS_PER_PAGE", 1)


def test_a_check_holds_no_transaction_and_nobody_sees_it_before_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, seen = table(), []

    def look(stored: int) -> None:
        assert not connection.in_atomic_block
        seen.append((stored, Correction.objects.count(), Fix.objects.get().state, list(fixes.listed(batch))))
        for act in (operations.get_fix, operations.apply_fix):
            with pytest.raises(UnknownBatch):
                act(batch.pk, 1)

    meanwhile(monkeypatch, look)
    made = check(batch, download(batch, {1: {"mode": "ok"}}))
    assert seen == [(0, 0, "CHECKING", []), (1, 1, "CHECKING", [])]
    assert (made.state, made.rows, operations.get_fix(batch.pk, 1), list(fixes.listed(batch))) == (
        "CHECKED", 2, made, [made])  # fmt: skip


@pytest.mark.parametrize("how", ["it breaks", "it is taken away"])
def test_of_a_check_that_is_not_finished_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    batch = table()

    def end(stored: int) -> None:
        if stored and how == "it breaks":
            raise RuntimeError(how)
        if stored:
            Fix.objects.all().delete()

    meanwhile(monkeypatch, end)
    with pytest.raises((RuntimeError, OperationInProgress), match=f"{how}|was given up meanwhile"):
        fix(batch, download(batch, {1: {"mode": "ok"}}))
    assert (Fix.objects.count(), Correction.objects.count(), item(batch, 1).payload["mode"]) == (0, 0, "invalid")


DIES = """
import io, os, sys
from batches import operations
from batches.intake import fixes
fixes.finish = lambda *_: os._exit(9)
operations.correct(sys.argv[1], file=io.BytesIO(sys.argv[2].encode()), filename="fix.csv")
"""


def test_what_a_dead_process_leaves_of_a_check_expires_unseen(in_process: Any) -> None:
    batch = table()
    content = download(batch, {1: {"mode": "ok"}})
    assert in_process(DIES, batch.pk, content).wait(PATIENCE) == 9
    left = Fix.objects.get()
    assert (left.state, left.corrections.count(), list(fixes.listed(batch))) == ("CHECKING", 2, [])
    with pytest.raises(UnknownBatch):
        operations.apply_fix(batch.pk, left.number)
    assert fix(batch, content).number == left.number + 1
    Fix.objects.filter(pk=left.pk).update(expires_at="2020-01-01T00:00Z")
    assert fixes.forget_expired() == 3


def test_a_canary_goes_first() -> None:
    batch = table()
    made = fix(batch, download(batch, {1: {"mode": "error"}, 2: {"mode": "ok"}}), canary=1, needed=1)
    finish(batch)
    made.retry.refresh_from_db()
    assert (made.retry.state, made.retry.outcome()["waiting"]) == ("HELD", 1)


RACE = """
import io, sys
from batches import operations
print("ready", flush=True)
sys.stdin.readline()
content = sys.argv[2].encode()
try:
    made = operations.correct(sys.argv[1], file=io.BytesIO(content), filename="fix.csv", actor=sys.argv[3])
    print("retry", made.retry.number, made.retry.actor)
except Exception as error:
    print(type(error).__name__)
"""


def test_it_takes_the_document_that_was_downloaded() -> None:
    batch = table()
    row = item(batch, 1).payload | {"mode": "ok", "token": MASK, "_item_key": "2"}
    said = {"batch": {"id": "t1", "name": "rows"}, "errors": [], "rows": [row], "row_count": 1, "complete": True}
    assert fix(batch, json.dumps(said), "batch-t1-errors-20260101T000000Z.json").changed == 1
    assert item(batch, 1).payload["token"] == "t-1"


@pytest.mark.parametrize("same", [True, False])
def test_of_two_uploads_at_once_one_is_applied(in_process: Any, same: bool) -> None:
    batch = table()
    contents = [download(batch, {1: {"mode": "ok", "note": note}}) for note in ("mine", "mine" if same else "theirs")]
    both = [in_process(RACE, batch.pk, content, name) for content, name in zip(contents, ("ana", "bob"), strict=True)]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    said = sorted(one.communicate(timeout=PATIENCE)[0].strip() for one in both)
    assert Retry.objects.count() == Fix.objects.filter(state="APPLIED").count() == Fix.objects.count() == 1
    winner = Retry.objects.get().actor
    assert said == ([f"retry 1 {winner}"] * 2 if same else ["InvalidTransition", f"retry 1 {winner}"])
    finish(batch)
    assert item(batch, 1).payload["note"] == ("mine" if same or winner == "ana" else "theirs")
