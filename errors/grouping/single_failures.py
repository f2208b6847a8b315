"""One failure more of a group that its batch has met lately, on SQLite in two statements.

A script that reports its failures one by one pays for each statement, and nearly all of them are of this kind. The
statement itself says what must hold for that; where anything else does, nothing is written, and the failure takes the
way of all others (`errors.receivers`).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.db import connection

from batches.failures import Failure
from batches.models import Batch
from errors.grouping.group_counters import LAST_SEEN_PRECISION
from errors.grouping.record_rows import COLUMNS, db_time, record_row
from errors.grouping.seen_failures import SeenFailure, see
from errors.models import ErrorGroup

NEXT_ATTEMPT = """(SELECT coalesce(max(attempt), 0) + 1 FROM errors_errorrecord
  WHERE batch_id = %s AND item_id IS NULL AND item_key = %s)"""
OPEN = ", ".join(f"'{state.value}'" for state in ErrorGroup.OPEN)
INSERT = f"""
INSERT INTO errors_errorrecord ({", ".join(COLUMNS)})
SELECT {{values}}
FROM batches_batch b JOIN errors_batchgroup m ON m.batch_id = b.id JOIN errors_errorgroup g ON g.id = m.group_id
WHERE b.id = %s AND b.processor = '' AND g.processor = '' AND g.fingerprint = %s AND g.state IN ({OPEN})
  AND g.merged_into_id IS NULL AND NOT g.by_place AND g.last_seen >= %s
  AND (%s IS NULL OR EXISTS (SELECT 1 FROM errors_traceback WHERE sha256 = %s))
  AND NOT EXISTS (SELECT 1 FROM batches_item WHERE batch_id = b.id AND key = %s)
  AND NOT EXISTS (SELECT 1 FROM errors_errorrecord
    WHERE batch_id = b.id AND item_id IS NULL AND item_key = %s AND attempt = %s)
"""  # noqa: S608 - only constants
COUNT = """
UPDATE errors_batchgroup SET errors = errors + 1, first_seen = min(first_seen, %s), last_seen = max(last_seen, %s),
  items = items + NOT EXISTS (SELECT 1 FROM errors_errorrecord r WHERE r.batch_id = errors_batchgroup.batch_id
    AND r.item_id IS NULL AND r.item_key = %s AND r.group_id = errors_batchgroup.group_id AND r.id <> %s)
WHERE batch_id = %s AND group_id = (SELECT group_id FROM errors_errorrecord WHERE id = %s)
"""


def record_single(batch_id: str, failure: Failure, *, next_attempt: bool) -> bool:
    """Record the failure of an item that an ad hoc batch has no row for; False, and nothing is written, if that is not
    so, the group is new, closed, merged or not seen for a while, or the attempt is recorded. In a transaction.

    `next_attempt`: its number is the item's next one.
    """
    if connection.vendor != "sqlite":
        return False
    batch = Batch(pk=batch_id)
    seen = see(batch, failure)
    with connection.cursor() as cursor:
        cursor.execute(*insert_statement(batch, seen, next_attempt=next_attempt))
        if cursor.rowcount != 1:
            return False
        record, at = cursor.lastrowid, db_time(failure.finished_at)
        cursor.execute(COUNT, (at, at, failure.item_key, record, batch_id, record))
    return True


def insert_statement(batch: Batch, seen: SeenFailure, *, next_attempt: bool) -> tuple[str, list[Any]]:
    failure, digest = seen.failure, sha256(seen.stack.encode()).digest() if seen.stack else None
    own: dict[str, tuple[str, list[Any]]] = {"group_id": ("g.id", [])}
    if next_attempt:
        own["attempt"] = (NEXT_ATTEMPT, [batch.pk, failure.item_key])
    row = zip(COLUMNS, record_row(batch, seen, 0, digest), strict=True)
    values = [own.get(column, ("%s", [value])) for column, value in row]
    since = db_time(failure.finished_at - LAST_SEEN_PRECISION)
    attempt = None if next_attempt else failure.attempt
    conditions = [batch.pk, seen.fingerprint, since, digest, digest, failure.item_key, failure.item_key, attempt]
    sql = INSERT.format(values=", ".join(place for place, _ in values))
    return sql, [value for _, given in values for value in given] + conditions
