"""What the engine is held against: hand-written loops, and the engine itself without what makes it safe.

F2 does per chunk what the engine must do, with nothing else around it: read 10 items, write 10 idempotency rows and 10
item rows in one statement each, the checkpoint, commit. F1 puts a savepoint around every item.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from typing import Any

CHUNK = 10


def trivial(payload: dict[str, Any], context: Any) -> dict[str, str]:
    return {"sha256": hashlib.sha256(json.dumps(payload).encode()).hexdigest()}


def run_unguarded(batch_id: str) -> None:
    """The engine without what makes it safe: no idempotency rows, nothing around an item, no regard for the fence."""
    from django.db import connection

    from batches.engine import runner, sql, statements
    from batches.isolation.guard import Isolation
    from batches.lanes import outcomes

    def forgetful(*given: Any) -> Any:
        outcome = succeeded(*given)
        outcome.remembered = True
        return outcome

    succeeded, item, lane = outcomes.succeeded, Isolation.item, statements.LANE_SQLITE
    body = sql.CREATE_RECORD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    outcomes.succeeded = forgetful  # type: ignore[assignment]
    Isolation.item = lambda self: nullcontext()  # type: ignore[assignment, method-assign, return-value]
    statements.LANE_SQLITE = lane.replace("AND fence = %s", "AND %s IS NOT NULL")
    if connection.vendor == "postgresql":
        execute(body.replace("AND l.fence = lane_fence", "").replace("AND i.status = from_status", ""))
    try:
        runner.work_slice(batch_id, seconds=3_600)
    finally:
        outcomes.succeeded, Isolation.item, statements.LANE_SQLITE = succeeded, item, lane  # type: ignore[method-assign]
        if connection.vendor == "postgresql":
            execute(body)


def execute(sql: str) -> None:
    """In a session that then ends: it would keep the plan of the function it knew."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def run_floor(batch_id: str) -> None:
    from django.db import connection

    (floor_postgresql if connection.vendor == "postgresql" else floor_sqlite)(batch_id)


READ = "SELECT id, key, payload FROM batches_item WHERE batch_id = {} AND position > {} ORDER BY position LIMIT {}"


def outcome(batch_id: str, key: str, payload: str) -> tuple[bytes, str]:
    digest = hashlib.sha256(f"{batch_id}:{key}:process".encode()).digest()
    return digest, json.dumps(trivial(json.loads(payload), None))


def floor_postgresql(batch_id: str, write: bool = False) -> None:
    """Seven round trips a chunk: BEGIN, lane, items, idempotency rows, item rows, checkpoint, COMMIT.

    With `write` it is F1: a savepoint for every item, and the ORM call that the processor `bench.write` makes.
    """
    from django.contrib.auth.models import Group
    from django.db import connection, transaction
    from psycopg2.extras import execute_values

    connection.ensure_connection()
    raw = connection.connection
    transaction.set_autocommit(False)
    position = -1
    with raw.cursor() as cursor:
        while True:
            cursor.execute("SELECT status FROM batches_batch WHERE id = %s", (batch_id,))
            cursor.execute(READ.format("%s", "%s", "%s") + " FOR UPDATE SKIP LOCKED", (batch_id, position, CHUNK))
            rows = cursor.fetchall()
            if not rows:
                break
            done = []
            for pk, key, payload in rows:
                if write:
                    cursor.execute("SAVEPOINT item")
                    Group.objects.create(name=f"{batch_id}/{key}")
                done.append((pk, *outcome(batch_id, key, payload)))
                if write:
                    cursor.execute("RELEASE SAVEPOINT item")
            execute_values(
                cursor,
                "INSERT INTO batches_idempotencyrecord (key, request_hash, state, response, created_at, expires_at) "
                "VALUES %s",
                [(key, result) for _, key, result in done],
                template="(%s, '', 'DONE', %s, now(), now() + interval '24 hours')",
            )
            execute_values(
                cursor,
                "UPDATE batches_item i SET status = 'SUCCEEDED', attempts = 1, lane = 0, result = v.result::jsonb, "
                "finished_at = now() FROM (VALUES %s) AS v (id, result) WHERE i.id = v.id",
                [(pk, result) for pk, _, result in done],
            )
            position += len(rows)
            cursor.execute(
                "UPDATE batches_checkpoint SET position = %s, succeeded = succeeded + %s, saved_at = now() "
                "WHERE batch_id = %s",
                (position, len(rows), batch_id),
            )
            raw.commit()
    raw.rollback()
    transaction.set_autocommit(True)


def floor_sqlite(batch_id: str) -> None:
    """The same statements in one process."""
    from django.db import connection

    connection.ensure_connection()
    cursor = connection.connection.cursor()
    position = -1
    while True:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("SELECT status FROM batches_batch WHERE id = ?", (batch_id,))
        rows = cursor.execute(READ.format("?", "?", "?"), (batch_id, position, CHUNK)).fetchall()
        if not rows:
            break
        done = [(pk, *outcome(batch_id, key, payload)) for pk, key, payload in rows]
        cursor.executemany(
            "INSERT INTO batches_idempotencyrecord (key, request_hash, state, response, created_at, expires_at) "
            "VALUES (?, '', 'DONE', ?, datetime('now'), datetime('now', '+24 hours'))",
            [(key, result) for _, key, result in done],
        )
        cursor.executemany(
            "UPDATE batches_item SET status = 'SUCCEEDED', attempts = 1, lane = 0, result = ?, "
            "finished_at = datetime('now') WHERE id = ?",
            [(result, pk) for pk, _, result in done],
        )
        position += len(rows)
        cursor.execute(
            "UPDATE batches_checkpoint SET position = ?, succeeded = succeeded + ?, saved_at = datetime('now') "
            "WHERE batch_id = ?",
            (position, len(rows), batch_id),
        )
        cursor.execute("COMMIT")
    cursor.execute("ROLLBACK")
