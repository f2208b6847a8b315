"""Rows of a fix file whose keys a spreadsheet rewrote, and columns that begin with `_` as the portal's own do."""

from __future__ import annotations

import io

import pytest

from batches import operations
from batches.exceptions import InvalidInput
from batches.models import Batch
from tests.helpers.fixes import check, finish, fix

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]


def failed(table: str) -> Batch:
    """A batch whose rows all failed, with the column `sku` as their keys."""
    batch = operations.submit(
        processor="test.do",
        file=io.BytesIO(table.encode()),
        filename="rows.csv",
        batch_id="t1",
        actor="ana",
        key_column="sku",
        max_error_rate=None,
    ).batch
    return finish(batch)


def with_keys(*keys: str) -> Batch:
    return failed("sku,mode\n" + "".join(f"{key},invalid\n" for key in keys))


@pytest.mark.parametrize(
    ("key", "rewritten"),
    [
        ("00123", "123"),
        ("100000", "1E+05"),
        ("1E05", "1.00E+05"),
        ("123456789012", "1.23457E+11"),
        ("MAR1", "1-Mar"),
        ("2026-12-05", "12/5/2026"),
    ],
)
@pytest.mark.full
def test_it_finds_the_item_of_a_key_that_a_spreadsheet_rewrote(key: str, rewritten: str) -> None:
    batch = with_keys(key, "x-1")
    fix(batch, f"sku,mode,_item_key\n{rewritten},ok,{rewritten}\n")
    assert batch.items.get(key=key).payload == {"sku": key, "mode": "ok"}


def test_it_refuses_a_rewritten_key_that_could_be_that_of_several_items() -> None:
    batch = with_keys("00123", "0123", "7")
    made = check(batch, "sku,mode,_item_key\n123,ok,123\n7,ok,7\n")
    refused = made.corrections.get(verdict="REFUSED")
    assert (made.changed, made.refused) == (1, 1)
    assert refused.why.startswith("'123' may be any of the items '00123', '0123'. Put its key back")


def test_it_refuses_two_rows_that_are_about_one_item_by_different_spellings() -> None:
    batch = with_keys("00123", "7")
    made = check(batch, "sku,mode,_item_key\n00123,ok,00123\n123,ok,123\n")
    assert (made.changed, made.refused) == (0, 2)


def test_it_takes_another_items_number_for_no_rewritten_key() -> None:
    with pytest.raises(InvalidInput, match="None of its 1 key is the key of an item"):
        check(with_keys("00123"), "sku,mode,_item_key\n124,ok,124\n")


def test_it_corrects_a_users_column_that_begins_with_an_underscore() -> None:
    batch = failed("sku,mode,_note\nA,invalid,old\n")
    fix(batch, "sku,mode,_note,_seen_by,_item_key\nA,ok,new,ana,A\n")
    assert batch.items.get(key="A").payload == {"sku": "A", "mode": "ok", "_note": "new"}


def test_it_misses_a_users_column_that_begins_with_an_underscore() -> None:
    with pytest.raises(InvalidInput, match="the batch's column '_note' is missing"):
        check(failed("sku,mode,_note\nA,invalid,old\n"), "sku,mode,_item_key\nA,ok,A\n")
