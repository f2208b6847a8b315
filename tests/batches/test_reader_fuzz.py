"""Any bytes under any name are read, or refused in words; what was read can be stored, and no row is lost."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.exceptions import InputRefused
from batches.intake.readers import READERS, open_reader
from tests.corpus import documents, error_cells, headers, texts, workbooks

SEEDS = [
    (case.name, case.content)
    for case in (*texts.CASES, *documents.CASES, *workbooks.CASES, *error_cells.CASES, *headers.CASES)
    if case.content
]
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "encoding": st.sampled_from(("utf-8", "utf-16", "cp1252", "cp1250", "shift_jis")),
        "delimiter": st.sampled_from((",", ";", "tab", "|")),
        "sheet": st.sampled_from(("1", "2", "Sheet1", "a.csv")),
        "header_row": st.integers(1, 5),
        "name_columns": st.booleans(),
        "short_rows": st.booleans(),
    },
)
CELL = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x00"), min_size=1, max_size=8)
pytestmark = pytest.mark.any_database


def read(content: bytes, name: str, options: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The payloads, or None where the file is refused in words; anything else fails."""
    try:
        reader = open_reader(io.BytesIO(content), name, **options)
        rows = [row.payload for row in reader]
        json.dumps(reader.report())
    except InputRefused as refused:
        return None if refused.problem.strip() and refused.remedy.strip() else pytest.fail("a refusal without words")
    for row in rows:
        json.dumps(row, allow_nan=False).encode()
    return rows


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.sampled_from([*READERS, ".csv.gz", ".zip"]), OPTIONS)
def test_it_survives_any_bytes(content: bytes, suffix: str, options: dict[str, Any]) -> None:
    read(content, f"f{suffix}", options)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 1_000_000), st.binary(max_size=4), st.integers(0, 8), OPTIONS)
def test_it_survives_files_that_were_damaged(
    seed: tuple[str, bytes], at: int, inserted: bytes, removed: int, options: dict[str, Any]
) -> None:
    name, content = seed
    place = at % len(content)
    read(content[:place] + inserted + content[place + removed :], name, options)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12), st.sampled_from((",", ";", "\t", "|")))
def test_it_has_as_many_rows_as_the_file(rows: list[tuple[str, str]], delimiter: str) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([("first", "second"), *rows])
    filled = [list(row) for row in rows if any(map(str.strip, row))]
    read_rows = read(stream.getvalue().encode(), "f.csv", {"encoding": "utf-8", "delimiter": delimiter}) or []
    assert [list(row.values()) for row in read_rows] == filled
