"""Reads the tables after a run and says what is wrong. It shares no code with the engine."""

from __future__ import annotations

from typing import Any

from django.db import connection

CHECKS = {
    "items without a final status": """
        SELECT count(*) FROM batches_item WHERE batch_id = %s AND status IN ('PENDING', 'RUNNING')""",
    "items lost: succeeded without an effect": """
        SELECT count(*) FROM batches_item i WHERE batch_id = %s AND status = 'SUCCEEDED' AND NOT EXISTS (
          SELECT 1 FROM chaos_ledger l WHERE l.batch_id = i.batch_id AND l.item_key = i.key)""",
    "items doubled: more than one effect": """
        SELECT count(*) FROM (
          SELECT item_key FROM chaos_ledger WHERE batch_id = %s GROUP BY item_key HAVING count(*) > 1) doubled""",
    "effects of items that did not succeed": """
        SELECT count(*) FROM chaos_ledger l JOIN batches_item i ON i.batch_id = l.batch_id AND i.key = l.item_key
        WHERE l.batch_id = %s AND i.status <> 'SUCCEEDED'""",
    "lanes still held": "SELECT count(*) FROM batches_checkpoint WHERE batch_id = %s AND worker <> ''",
    "lanes that stand beyond the last item": """
        SELECT count(*) FROM batches_checkpoint l WHERE batch_id = %s AND position > (
          SELECT max(position) FROM batches_item i WHERE i.batch_id = l.batch_id)""",
    "failed items without an error record": """
        SELECT count(*) FROM batches_item i WHERE batch_id = %s AND status = 'FAILED' AND NOT EXISTS (
          SELECT 1 FROM errors_errorrecord e WHERE e.item_id = i.id)""",
    "error records of items that did not fail": """
        SELECT count(*) FROM errors_errorrecord e JOIN batches_item i ON i.id = e.item_id
        WHERE i.batch_id = %s AND i.status NOT IN ('FAILED', 'QUARANTINED')""",
    "milestones that are not 25, 50, 75 and 100": """
        SELECT abs(4 - count(*)) FROM batches_milestone WHERE batch_id = %s""",
}


def violations(batch_id: str) -> list[str]:
    """Every promise that is broken; empty when all hold."""
    found = [f"{n:,} {what}" for what, sql in CHECKS.items() if (n := one(sql, batch_id))]
    counted = one_row(
        "SELECT sum(succeeded), sum(failed), sum(skipped), sum(quarantined) FROM batches_checkpoint"
        " WHERE batch_id = %s",
        batch_id,
    )
    are = tuple(
        one("SELECT count(*) FROM batches_item WHERE batch_id = %s AND status = %s", batch_id, status)
        for status in ("SUCCEEDED", "FAILED", "SKIPPED", "QUARANTINED")
    )
    if counted != are:
        found.append(f"the lanes count {counted}, the items are {are}")
    remembered = one("SELECT count(*) FROM batches_idempotencyrecord WHERE state = 'DONE'")
    started = one("SELECT count(*) FROM batches_idempotencyrecord WHERE state <> 'DONE'")
    succeeded = one("SELECT count(*) FROM batches_item WHERE status = 'SUCCEEDED'")  # of all batches: keys name none
    if (remembered, started) != (succeeded, 0):
        found.append(f"{remembered:,} idempotency rows and {started:,} in progress for {succeeded:,} succeeded items")
    return found


def one(sql: str, *params: Any) -> int:
    return int(one_row(sql, *params)[0] or 0)


def one_row(sql: str, *params: Any) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
