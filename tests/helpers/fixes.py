"""Batches with failed rows, downloaded to be corrected, and the files that correct them."""

from __future__ import annotations

import io
from typing import Any

from batches import operations
from batches.engine import runner
from batches.intake import cells
from batches.models import Batch, Fix, Item
from tests.helpers.batches import ran

TABLE = "mode,note,token\nok,first,t-0\ninvalid,=1+1,t-1\ninvalid,007,t-2\nok,last,t-3\n"


def failed_table(**options: Any) -> Batch:
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


def failed_objects() -> Batch:
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


def check(batch: Batch, content: str, filename: str = "fix.csv", **options: Any) -> Fix:
    return operations.check_fix(batch.pk, file=io.BytesIO(content.encode()), filename=filename, actor="ana", **options)
