"""The export of kind=fix is what the upload of a fix takes: unchanged it changes nothing, corrected it changes that."""

from __future__ import annotations

import io

import pytest

from batches import operations
from batches.models import Batch
from errors.exports.request import ExportRequest
from tests.corpus.formulas import FORMULAS, HARMLESS
from tests.helpers.batches import modes, ran
from tests.helpers.failed_rows import exported, failed_rows

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def checked(batch: Batch, file_format: str, content: bytes) -> tuple[int, int, int, int]:
    found = operations.check_fix(batch.pk, file=io.BytesIO(content), filename=f"fix.{file_format}")
    return found.rows, found.changed, found.unchanged, found.refused


@pytest.mark.full
@pytest.mark.parametrize("file_format", ["csv", "xlsx", "ndjson", "json"])
def test_a_file_that_nobody_changed_changes_nothing(file_format: str) -> None:
    texts = [*FORMULAS, *HARMLESS, "x" * 40_000]
    batch = failed_rows(texts)
    assert checked(batch, file_format, exported(batch, "fix", file_format)) == (len(texts), 0, len(texts), 0)


@pytest.mark.parametrize("file_format", ["csv", "xlsx", "ndjson", "json"])
@pytest.mark.full
def test_values_of_all_kinds_come_back(file_format: str) -> None:
    odd = {"n": 0.1, "t": True, "no": None, "deep": {"a": [1, None]}, "big": 2**60, "=cmd": "=1", "text": "007"}
    batch = ran([{**row, **odd} for row in modes("value", "value")], max_attempts=1)
    assert checked(batch, file_format, exported(batch, "fix", file_format)) == (2, 0, 2, 0)


def test_a_corrected_cell_is_the_only_change() -> None:
    batch = failed_rows(["x", "=1+1"])
    content = b"".join(ExportRequest(batch, kind="fix").blocks()).replace(b"\r\nx,0,", b"\r\nno such,0,")
    assert checked(batch, "csv", content) == (2, 1, 1, 0)
