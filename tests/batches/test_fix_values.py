"""Values that come back in a fix file: masks, guards and kinds are kept, a changed cell has its column's kind."""

from __future__ import annotations

import json

import pytest

from batches.exceptions import InvalidInput
from batches.redaction import MASK, redact
from tests.helpers.batches import item, ran
from tests.helpers.fixes import check, download, failed_objects, failed_table, fix

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def test_masks_guards_types_and_nested_values_come_back_untouched() -> None:
    batch = failed_objects()
    before = {row.pk: row.payload for row in batch.items.all()}
    made = check(batch, download(batch))
    assert (made.changed, made.unchanged, made.refused) == (0, 3, 0)
    with pytest.raises(InvalidInput, match="all rows say what is stored"):
        fix(batch, download(batch))
    assert {row.pk: row.payload for row in batch.items.all()} == before


def test_a_changed_cell_keeps_the_kind_of_its_column() -> None:
    batch = failed_objects()
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

    batch = failed_objects()
    made = check(batch, download(batch, {2: {"n": "sixty"}, 3: {"zip": "1234"}}), as_written=True)
    rows = list(made.corrections.filter(verdict="CHANGED"))
    assert changes_of(rows[0]) == [{"field": "n", "old": 5, "new": "sixty", "note": "was number, becomes text"}]
    assert "did a spreadsheet change it?" in changes_of(rows[1])[0]["note"]


def test_it_takes_json_objects_and_keeps_what_is_masked_in_them() -> None:
    batch = failed_objects()
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


def test_it_takes_the_document_that_was_downloaded() -> None:
    batch = failed_table()
    row = item(batch, 1).payload | {"mode": "ok", "token": MASK, "_item_key": "2"}
    said = {"batch": {"id": "t1", "name": "rows"}, "errors": [], "rows": [row], "row_count": 1, "complete": True}
    assert fix(batch, json.dumps(said), "batch-t1-errors-20260101T000000Z.json").changed == 1
    assert item(batch, 1).payload["token"] == "t-1"


@pytest.mark.parametrize("form", ["table", "objects"])
@pytest.mark.parametrize("written", ["p-5", "a guess"])
def test_what_a_mask_hides_is_compared_with_nothing_that_is_written_over_it(form: str, written: str) -> None:
    from batches.intake.corrections import changes_of

    batch = failed_objects()
    shown = redact(item(batch, 2).payload) | {"password": written, "_item_key": item(batch, 2).key}
    is_table = form == "table"
    content = download(batch, {2: {"password": written}}) if is_table else json.dumps(shown)
    made = check(batch, content, "fix.csv" if is_table else "fix.ndjson")
    (row,) = made.corrections.filter(key=shown["_item_key"])
    (change,) = changes_of(row)
    assert (made.changed, row.verdict) == (1, "CHANGED")
    note = "written anew; what it hides is not compared"
    assert change == {"field": "password", "old": MASK, "new": MASK, "note": note}
