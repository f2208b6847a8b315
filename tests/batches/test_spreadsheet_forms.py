"""A cell that a spreadsheet rewrote is no correction; one that a person corrected is."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.intake import cells
from batches.intake.spreadsheet_forms import is_rewritten, meanings, roundings
from tests.helpers.batches import item, ran
from tests.helpers.fixes import check, fix
from tests.helpers.spreadsheets import saved_by_excel

FIRST_DAY = date(1900, 3, 1)
"""From which on Excel takes texts for dates, and counts them as calendars do."""
REWRITTEN = [
    ("12/5/2026", "2026-12-05"),
    ("05.12.2026", "2026-12-05"),
    ("2026-12-05T00:00:00", "2026-12-05"),
    ("12/5/2026 13:45", "2026-12-05 13:45:00"),
    ("3/4/2026", "03/04/2026"),
    ("1-Mar", "MAR1"),
    ("2-Jan", "1-2"),
    ("4567", "04567"),
    ("1200.5", "1,200.50"),
    ("1200,5", "1.200,50"),
    ("1.23457E+16", "12345678901234567"),
    ("12345678901234500", "12345678901234567"),
    ("TRUE", "true"),
    ("WAHR", "true"),
]
CORRECTED = [
    ("12/6/2026", "2026-12-05"),
    ("04/03/2026", "03/04/2026"),
    ("4568", "04567"),
    ("3.50", "3,50"),
    ("1.2", "12"),
    ("1.3E+11", "123456789012"),
    ("FALSE", "true"),
    ("", "true"),
    ("b", "a"),
]


@pytest.mark.parametrize(("cell", "stored"), REWRITTEN)
def test_it_sees_what_a_spreadsheet_does(cell: str, stored: str) -> None:
    assert is_rewritten(cell, stored)


@pytest.mark.parametrize(("cell", "stored"), CORRECTED)
def test_it_sees_what_a_person_does(cell: str, stored: str) -> None:
    assert not is_rewritten(cell, stored)


@given(st.text(max_size=40), st.text(max_size=40))
def test_it_compares_any_two_texts(cell: str, stored: str) -> None:
    assert is_rewritten(cell, stored) in (True, False)
    assert not is_rewritten(stored, stored)


@given(st.text("0123456789", min_size=1, max_size=20) | st.dates(FIRST_DAY).map(str))
def test_it_knows_whatever_excel_saves_of_numbers_and_dates(text: str) -> None:
    saved = saved_by_excel(text)
    assert saved == text or is_rewritten(saved, text)
    assert (meanings(saved) | roundings(saved)) & (meanings(text) | roundings(text))


@given(st.text("a😀\n=", min_size=1).map(lambda unit: unit * (40_000 // len(unit))))
def test_it_cuts_a_cell_by_the_units_of_excel(text: str) -> None:
    cut = cells.cut(text)
    assert len(cut.encode("utf-16-le")) // 2 <= 32_767
    assert cut == text or cells.is_cut(cut, text)


@pytest.mark.usefixtures("engine")
def test_it_keeps_rows_that_a_spreadsheet_alone_has_touched() -> None:
    rows = [
        {"mode": "invalid", "due": "2026-12-05", "zip": "04567", "paid": "true", "qty": "1"},
        {"mode": "invalid", "due": "2026-03-01", "zip": "01234", "paid": "false", "qty": "1"},
    ]
    batch = ran(rows)
    saved = "mode,due,zip,paid,qty,_item_key\ninvalid,12/5/2026,4567,TRUE,1,1\ninvalid,3/1/2026,1234,FALSE,3,2\n"
    checked = check(batch, saved)
    assert (checked.changed, checked.unchanged) == (1, 1)
    assert checked.notes[0].startswith("6 cells say what is stored")
    fix(batch, saved)
    assert [item(batch, place).payload for place in (0, 1)] == [rows[0], rows[1] | {"qty": "3"}]


@pytest.mark.usefixtures("engine")
def test_it_takes_a_file_as_it_is_written_where_that_is_meant() -> None:
    batch = ran([{"mode": "invalid", "zip": "04567"}])
    fix(batch, "mode,zip,_item_key\ninvalid,4567,1\n", as_written=True)
    assert item(batch, 0).payload["zip"] == "4567"
