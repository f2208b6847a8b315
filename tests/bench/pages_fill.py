"""One big batch and a history of small ones, as runs would have left them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

BIG, GROUPS, FAILED_SHARE, ROWS_PER_COPY = "big", 50, 33, 200_000
"""An item in 33 of the big batch failed, in up to 50 ways."""
ITEM_COLUMNS = (
    "batch_id position key payload status attempts forgiven crashes lane message code failed_at started_at finished_at"
)
RECORDS = """
INSERT INTO errors_errorrecord (batch_id, item_id, group_id, item_key, position, attempt, error_type, code, category,
  classified_by, message, fields, final, started_at, finished_at, worker)
SELECT i.batch_id, i.id, %s + i.position / %s %% CASE i.batch_id WHEN 'big' THEN %s ELSE 3 END, i.key,
  i.position, a, 'ValueError', 'BROKEN',
  'validation', 'class', 'broken ' || i.position, '[]', a = 2, i.started_at, i.finished_at + a * interval '1 s', ''
FROM batches_item i, generate_series(1, 2) a WHERE i.failed_at IS NOT NULL
"""
OF_BATCHES = """
INSERT INTO errors_batchgroup (batch_id, group_id, errors, items, failing, first_seen, last_seen)
SELECT batch_id, group_id, count(*), count(*) / 2, count(*) / 2, min(finished_at), max(finished_at)
FROM errors_errorrecord GROUP BY 1, 2
"""


def fill(items: int, history: int, batches: int) -> dict[str, Any]:
    """The tables; values for the parts of addresses."""
    from django.db import connection
    from django.utils import timezone

    from batches.models import Item

    now = timezone.now()
    insert_batches(items, history // batches, batches, now)
    copy_items(BIG, items, now)
    for n in range(batches):
        copy_items(f"old-{n:05}", history // batches, now - timedelta(hours=n + 3))
    groups = insert_groups(now)
    with connection.cursor() as cursor:
        cursor.execute(RECORDS, [groups[0].pk, FAILED_SHARE, GROUPS])
        cursor.execute(OF_BATCHES)
        cursor.execute("VACUUM ANALYZE")
    count_failing()
    item = Item.objects.filter(batch=BIG, failed_at__isnull=False).order_by("position")[0]
    common = {"number": 1, "file_format": "csv", "item": item.pk, "processor": "check_rows", "kind": "summary"}
    return {"batch_id": BIG, "fingerprint": groups[7].fingerprint, **common}


def count_failing() -> None:
    """As they were counted when somebody looked at each batch after it had ended."""
    from django.utils import timezone

    from errors.grouping.failing_now import sums_of
    from errors.models import FailingCount

    at = timezone.now()
    FailingCount.objects.all().delete()
    FailingCount.objects.bulk_create(
        FailingCount(batch_id=pk, revision=sums.revision, at=at) for pk, sums in sums_of().items()
    )


def failures(size: int) -> int:
    return -(-size // FAILED_SHARE)


def insert_batches(items: int, size: int, batches: int, now: datetime) -> None:
    from batches.models import Batch, Checkpoint, Transition

    sizes = {BIG: items} | {f"old-{n:05}": size for n in range(batches)}
    ids = list(sizes)
    times = {pk: now - timedelta(hours=3 + n) for n, pk in enumerate(ids)}
    Batch.objects.bulk_create(
        Batch(pk=pk, processor="check_rows", status="COMPLETED", total_items=sizes[pk], started_at=times[pk])
        for pk in ids
    )
    for pk in ids:
        Batch.objects.filter(pk=pk).update(created_at=times[pk], finished_at=times[pk] + timedelta(hours=1))
    Checkpoint.objects.bulk_create(
        Checkpoint(
            batch_id=pk,
            failed=failures(sizes[pk]),
            succeeded=sizes[pk] - failures(sizes[pk]),
            position=sizes[pk] - 1,
            sequence=sizes[pk],
        )
        for pk in ids
    )
    steps = (("start", "PENDING", "QUEUED"), ("run", "QUEUED", "RUNNING"), ("finish", "RUNNING", "COMPLETED"))
    Transition.objects.bulk_create(
        Transition(batch_id=pk, verb=verb, from_status=old, to_status=new) for pk in ids for verb, old, new in steps
    )


def copy_items(batch_id: str, size: int, at: datetime) -> None:
    from django.db import connection

    rows = item_rows(batch_id, size, at.isoformat())
    with connection.cursor() as cursor:
        for _ in range(0, size, ROWS_PER_COPY):
            lines = io.StringIO("".join(islice(rows, ROWS_PER_COPY)))
            cursor.copy_expert(f"COPY batches_item ({', '.join(ITEM_COLUMNS.split())}) FROM STDIN", lines)


def item_rows(batch_id: str, size: int, at: str) -> Iterator[str]:
    r"""Lines of COPY's text form, where \N is NULL."""
    for n in range(size):
        failed = n % FAILED_SHARE == 0
        payload = f'{{"n": {n}, "sku": "SKU-{n}", "country": "{("DE", "FR", "IT")[n % 3]}"}}'
        outcome = ("FAILED", 2, 0, 0, 0, "broken", "BROKEN", at) if failed else ("SUCCEEDED", 1, 0, 0, 0, "", "", r"\N")
        yield "\t".join(map(str, (batch_id, n, f"SKU-{n}", payload, *outcome, at, at))) + "\n"


def insert_groups(now: datetime) -> list[Any]:
    from errors.models import ErrorGroup

    common = {"processor": "check_rows", "error_type": "ValueError", "code": "BROKEN", "category": "validation"}
    return ErrorGroup.objects.bulk_create(
        ErrorGroup(fingerprint=f"{n:016x}", title=f"broken {n}", first_seen=now, last_seen=now, **common)
        for n in range(GROUPS)
    )
