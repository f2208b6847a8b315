"""Values as cells: no spreadsheet runs them, and every one comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from batches.intake import cells

HOSTILE = some.text(alphabet=" \t\r\n\"'=+-@|＝\ufeff\u00a0\u200b019.eEx", max_size=8)
TEXTS = HOSTILE | some.text(alphabet=some.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
SCALARS = TEXTS | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.booleans() | some.none()
VALUES = SCALARS | some.lists(SCALARS, max_size=3) | some.dictionaries(TEXTS, SCALARS, max_size=3)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        *(("=1+1", "'=1+1"), ("-5", "-5"), ("-5.25", "-5.25"), ("+1", "+1"), ("-1,234.50", "'-1,234.50")),
        *(("+49 30 123", "'+49 30 123"), ("-- c", "'-- c"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1")),
        *((' "=1"', '\' "=1"'), ("\ufeff=1", "'\ufeff=1"), ("a=b", "a=b"), ("-", "'-"), ("|x", "'|x"), ("", "")),
    ],
)
def test_it_guards_what_a_spreadsheet_would_run(text: str, cell: str) -> None:
    assert cells.guarded(text) == cell
    assert cells.unguarded(cell) == text


@given(TEXTS)
def test_a_guard_is_taken_off_exactly(text: str) -> None:
    assert cells.unguarded(cells.guarded(text)) == text
    assert not cells.is_formula(cells.guarded(text)) or cells.guarded(text)[0] == "'"


@given(VALUES)
def test_a_cell_says_its_value_in_any_table(value: Any) -> None:
    cell = cells.guarded(value) if isinstance(value, str) else cells.as_text(value)
    assert cells.says(cell, value)


@given(TEXTS)
def test_another_text_in_a_text_column_is_read_as_it_was_meant(text: str) -> None:
    assert cells.read(cells.guarded(text), cells.TEXT) == text


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        *(("6", cells.NUMBER, 6), ("6.5", cells.NUMBER, 6.5), ("", cells.NUMBER, None), ("007", cells.NUMBER, "007")),
        *(("six", cells.NUMBER, "six"), ("9" * 5000, cells.NUMBER, "9" * 5000), ("TRUE", cells.TRUTH, True)),
        *(("6", cells.TEXT, "6"), ("6", None, "6"), (6, cells.TEXT, "6"), (6, cells.NUMBER, 6)),
    ],
)
def test_a_changed_cell_has_the_kind_of_its_column(cell: Any, kind: str | None, value: Any) -> None:
    found = cells.read(cell, kind)
    assert (found, type(found)) == (value, type(value))


def test_a_cell_of_another_kind_or_number_says_something_else() -> None:
    assert not cells.says("1", True)
    assert not cells.says("5", 6)
    assert not cells.says("", "x")
    assert cells.says("5.0", 5)
    assert cells.says("two\r\nlines", "two\nlines")
    assert cells.says("a long te…[cut]", "a long text")


def test_it_tells_a_number_that_a_spreadsheet_wrote_anew() -> None:
    assert cells.same_number("007", "7")
    assert cells.same_number("123456789012", "1.23457E+11")
    assert not cells.same_number("7", "8")
    assert not cells.same_number("x", "7")
