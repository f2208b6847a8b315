"""The marks of calls to the outside, in the transaction that claims them: the items are RUNNING in the lane, their keys
in progress. Committed before the calls begin, they say what was out when a worker died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from batches import clock
from batches.keys import PROCESS, key_of
from batches.lanes.leases import Lease
from batches.lanes.outcomes import Claimed


@dataclass(frozen=True, slots=True)
class Marks:
    """When the calls begin, by this machine's clock; whether they are made under the keys of their items."""

    at: datetime
    with_keys: bool


MARK_SQLITE = """
UPDATE batches_item SET status = 'RUNNING', lane = %s, claimed_at = %s, started_at = %s, available_at = NULL
WHERE id = %s
"""
HOLD_SQLITE = """
INSERT INTO batches_idempotencyrecord (key, request_hash, state, created_at) VALUES (%s, '', 'IN_PROGRESS', %s)
ON CONFLICT DO NOTHING
"""
REMEMBERED_SQLITE = """
SELECT coalesce(response, 'null') FROM batches_idempotencyrecord WHERE key = %s AND state = 'DONE' AND expires_at > %s
"""


def mark_sqlite(lease: Lease, items: Sequence[Claimed], marks: Marks) -> dict[int, str]:
    """Mark the items; returns by item id the results, as JSON, of those that are done already under their keys."""
    at = clock.sqlite_text(marks.at)
    with connection.cursor() as cursor:
        cursor.executemany(MARK_SQLITE, [(lease.lane, at, at, item.id) for item in items])
        if not marks.with_keys:
            return {}
        keys = {item.id: bytes.fromhex(key_of(lease.batch_id, item.key, PROCESS)) for item in items}
        cursor.executemany(HOLD_SQLITE, [(key, at) for key in keys.values()])
        if cursor.rowcount == len(keys):
            return {}  # none was there before
        remembered = {}
        for item_id, key in keys.items():
            cursor.execute(REMEMBERED_SQLITE, (key, at))
            if row := cursor.fetchone():
                remembered[item_id] = row[0]
        return remembered
