"""Acts of an operator on very many items, for `tests.bench.held_buttons`: what they act upon, and how each is asked for
and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

ITEMS, PATIENCE = 100_000, 300
KEYS = 10_000
"""As many as a body may name; a worker writes the list down from 5,000 on."""
ITEM = """INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, message,
    code, lane, failed_at, available_at, started_at, finished_at)
  WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < %s)
  SELECT %s, n, n, '{"a": 1}', %s, 1, 0, 0, 'broken', 'BROKEN', %s, %s, %s, %s, %s FROM c"""
RECORD = """INSERT INTO errors_errorrecord (batch_id, item_id, group_id, item_key, position, attempt, error_type, code,
    category, classified_by, message, fields, final, started_at, finished_at, worker)
  SELECT batch_id, id, %s, key, position, 1, 'ValueError', 'BROKEN', 'validation', 'class', 'broken', '[]', %s, %s, %s,
    '' FROM batches_item WHERE batch_id = %s AND position %% 2 = %s"""
COUNT = """INSERT INTO errors_batchgroup (batch_id, group_id, errors, items, failing, first_seen, last_seen)
  VALUES (%s, %s, %s, %s, %s, %s, %s)"""


def fill() -> None:
    """Three batches of so many items: `waiting` for their next try, `failed`, and `grouped`, failed in two groups."""
    from django.db import connection
    from django.utils import timezone

    from batches import operations
    from batches.models import Batch, Checkpoint
    from errors.models import ErrorGroup

    now, half = timezone.now(), ITEMS // 2
    for name in ("waiting", "failed", "grouped"):
        waits = name == "waiting"
        outcome = ["PENDING", None, None, "2100-01-01"] if waits else ["FAILED", 0, now, None]
        operations.submit(processor="check_rows", params={"schema": "{}"}, items=[{"a": 1}], batch_id=name)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM batches_item WHERE batch_id = %s", [name])
            cursor.execute(ITEM, [ITEMS - 1, name, *outcome, now, now])
            for part in (0, 1):
                known = {"error_type": "ValueError", "code": "BROKEN", "category": "validation"}
                title = f"{name}-{part}"
                seen = {"processor": "check_rows", "first_seen": now, "last_seen": now}
                group = ErrorGroup.objects.create(fingerprint=title, title=title, **seen, **known)
                cursor.execute(RECORD, [group.pk, not waits, now, now, name, part])
                cursor.execute(COUNT, [name, group.pk, half, half, 0 if waits else half, now, now])
        status = "PAUSED" if waits else "COMPLETED"
        Checkpoint.objects.filter(batch=name).update(failed=0 if waits else ITEMS, position=ITEMS - 1)
        Batch.objects.filter(pk=name).update(status=status, total_items=ITEMS, started_at=now)


def give_up(rest: httpx.Client) -> int:
    answer = rest.post("/api/batches/waiting/give_up", json={"count": ITEMS})
    answer.raise_for_status()
    return answer.status_code


def merge(rest: httpx.Client) -> int:
    """A worker does it; it is over when one group has all of the errors."""
    groups = "/api/batches/grouped/errors/groups"
    answer = rest.post(f"{groups}/grouped-0/merge", json={"into": "grouped-1"})
    answer.raise_for_status()
    wait_for(lambda: [group["errors"] for group in rest.get(groups).json()["results"]] == [ITEMS])
    return answer.status_code


def retry_by_keys(rest: httpx.Client) -> int:
    """A worker writes the list down, and then puts the first of the items back."""
    answer = rest.post("/api/batches/failed/retry", json={"item_keys": [str(n) for n in range(KEYS)], "rate": 0.01})
    answer.raise_for_status()
    retry = "/api/batches/failed/retries/1"
    wait_for(lambda: rest.get(retry).json()["state"] != "PREPARING")
    return answer.status_code


ACTS: dict[str, Callable[[httpx.Client], int]] = {
    f"{ITEMS:,} items given up": give_up,
    f"{ITEMS // 2:,} errors merged": merge,
    f"{KEYS:,} items retried by keys": retry_by_keys,
}


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so() and time.monotonic() < until:
        time.sleep(0.5)
