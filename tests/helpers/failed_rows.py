"""A batch of rows from a file, some of which failed, for the tests of exports; and what a download holds."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from python_calamine import CalamineWorkbook

from batches import operations
from batches.engine import runner
from batches.models import Batch
from errors.exports.request import ExportRequest

HEADER = ["zeta", "alpha", "=cmd", "api_token", "b"]
SECRET = "hunter2-hunter2"


def failed_rows(texts: list[str], batch_id: str = "b1", **more: Any) -> Batch:
    """Every row lacks a number in `b`; its `zeta` is one of the texts."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows([one, n, one, SECRET, "x"] for n, one in enumerate(texts))
    schema = json.dumps({"properties": {"b": {"type": "integer"}, "zeta": {"enum": ["no such"]}}})
    made = operations.submit(
        processor="check_rows",
        params={"schema": schema},
        file=io.BytesIO(text.getvalue().encode()),
        filename="rows.csv",
        batch_id=batch_id,
        **more,
    )
    operations.start(made.batch.pk)
    runner.work_until_idle(made.batch.pk)
    return operations.get_batch(made.batch.pk)


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def table(content: bytes, delimiter: str = ",") -> list[list[str]]:
    """The rows of a CSV file, header first."""
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter, strict=True))


def exported(batch: Batch, kind: str = "detail", file_format: str = "csv", **more: Any) -> bytes:
    """The content of an export."""
    return b"".join(ExportRequest(batch, kind=kind, format=file_format, **more).blocks())


def exported_rows(batch: Batch, kind: str = "detail", **more: Any) -> list[dict[str, str]]:
    header, *found = table(exported(batch, kind, **more))
    return [dict(zip(header, row, strict=True)) for row in found]


def sheet_of(content: bytes) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
