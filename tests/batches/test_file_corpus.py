"""Every file of the corpus is read as its people mean it, or refused in words that name the cause and the remedy."""

from __future__ import annotations

import io

import pytest

from batches.exceptions import InputRefused
from batches.intake.readers import open_reader
from tests.corpus import documents, error_cells, headers, texts, workbooks
from tests.corpus.bombs import BOMBS
from tests.corpus.case import Case

CASES = [*texts.CASES, *documents.CASES, *workbooks.CASES, *error_cells.CASES, *headers.CASES]
pytestmark = pytest.mark.any_database


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.about}" for number, case in enumerate(CASES)])
def test_it_reads_or_refuses(case: Case) -> None:
    try:
        reader = open_reader(io.BytesIO(case.content), case.name, **case.options)
        rows, words = [row.payload for row in reader], " ".join(reader.report().get("notes", ()))
    except InputRefused as refused:
        rows, words = None, str(refused)
    assert rows == case.rows, words
    assert [missing for missing in case.words if missing not in words] == [], words


@pytest.mark.full
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning", "error::ResourceWarning")
def test_it_refuses_what_bursts() -> None:
    """In words, and in no more time and memory than the process that reads files has."""
    read = {}
    for about, name, make in BOMBS:
        try:
            read[about] = len(list(open_reader(io.BytesIO(make()), name)))
        except InputRefused:
            continue
    assert read == {}
