"""The two statements of a chunk, by database: claim its items, and record everything that became of them.

The claim marks calls to the outside as such. PostgreSQL does each in one round trip, by a function of
`batches.engine.sql`; SQLite has no round trips. `record` changes the lane's row only if its fence is still this
worker's, and keeps it locked until the commit, so that the check and the commit are one act.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from batches import clock
from batches.clock import sqlite_text, utc_text
from batches.conf import settings
from batches.engine import sql
from batches.engine.call_marks import Marks, mark_sqlite
from batches.keys import PROCESS, TTL, key_of
from batches.lanes.lane_counts import COUNTERS
from batches.lanes.leases import Lease, lost
from batches.lanes.outcomes import Claimed, Outcome, encode_json
from batches.models import Item
from batches.processors import Processor


class AlreadyRemembered(Exception):
    """An item of the chunk was done before under the same idempotency key: run nothing, use the remembered response."""


class ItemsMoved(Exception):
    """An item of the chunk was given another status by somebody else while it ran."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The batch's status as the claim saw it, `HELD` while everything is paused, and the items it holds (locked on
    PostgreSQL). Of calls, by item id, the result of those that are done already, as JSON."""

    status: str
    items: list[Claimed]
    remembered: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Totals:
    """Items of the batch with an outcome, over all lanes, as this commit leaves them; other lanes may be ahead."""

    done: int
    failed: int


ITEM_COLUMNS = "id, position, key, payload, attempts, forgiven, crashes, available_at"

# How a claim finds items: onwards from the cursor within a window (so that no plan can read the whole batch),
# retries that are due, or one item by its id.
ONWARD = "position > %s AND position <= %s AND available_at IS NULL ORDER BY position"
DUE = "available_at <= %s AND available_at IS NOT NULL ORDER BY available_at, position"
BY_ID = "id = %s ORDER BY id"

CLAIM_POSTGRESQL = f"SELECT * FROM {sql.CLAIM}(%s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
CLAIM_CALLS_POSTGRESQL = f"SELECT * FROM {sql.CLAIM_CALLS}(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
HELD = "EXISTS (SELECT 1 FROM batches_globalpause WHERE in_force)"
CLAIM_SQLITE = f"""
SELECT CASE WHEN {HELD} THEN 'HELD' ELSE b.status END, i.*
FROM batches_checkpoint l JOIN batches_batch b ON b.id = l.batch_id
LEFT JOIN (
  SELECT {ITEM_COLUMNS} FROM batches_item WHERE batch_id = %s AND status = 'PENDING' AND {{condition}} LIMIT %s
) i ON b.status = 'RUNNING' AND NOT {HELD}
WHERE l.id = %s AND l.fence = %s
"""  # noqa: S608 - only constants of this module are put in


def claim(lease: Lease, limit: int, *, after: int, upto: int, marks: Marks | None = None) -> Claim:
    """The batch's status and at most `limit` pending items of a window, with `marks` as calls that are out;
    `LeaseLost` if the lane is another's."""
    return _claim(lease, limit, ONWARD, (after, upto), after=after, upto=upto, marks=marks)


def claim_due(lease: Lease, limit: int, marks: Marks | None = None) -> Claim:
    """The batch's status and at most `limit` retries whose time has come, with `marks` as calls that are out;
    `LeaseLost` if the lane is another's."""
    now = clock.machine_now()  # PostgreSQL goes by its own clock, by which what is due was written
    return _claim(lease, limit, DUE, (sqlite_text(now),), due=now, marks=marks)


def claim_one(lease: Lease, item_id: int) -> Claim:
    """The batch's status and that item, if it is still pending; `LeaseLost` if the lane is another's."""
    return _claim(lease, 1, BY_ID, (item_id,), item_id=item_id)


def _claim(
    lease: Lease,
    limit: int,
    condition: str,
    bounds: tuple[Any, ...],
    *,
    after: int | None = None,
    upto: int | None = None,
    due: datetime | None = None,
    item_id: int | None = None,
    marks: Marks | None = None,
) -> Claim:
    on_postgresql = connection.vendor == "postgresql"
    if on_postgresql:
        rows = _claim_postgresql(lease, [limit, after, upto, due], item_id, marks)
    else:
        rows = _claim_sqlite(lease, condition, [*bounds, limit])
    if not rows:
        raise lost(lease)
    if marks is not None and on_postgresql:
        return claim_of_calls(rows)
    items = [Claimed(*row[1:]) for row in rows if row[1] is not None]
    return Claim(rows[0][0], items, mark_sqlite(lease, items, marks) if marks and items else {})


def claim_of_calls(rows: Sequence[Any]) -> Claim:
    """The claim that PostgreSQL returns of calls."""
    items = [Claimed(*row[1:9]) for row in rows if row[1] is not None]
    return Claim(rows[0][0], items, {row[1]: row[10] for row in rows if row[9]})


def _claim_postgresql(lease: Lease, bounds: list[Any], item_id: int | None, marks: Marks | None) -> list[Any]:
    lane, idle_ms = [lease.checkpoint_id, lease.fence], settings.PORTAL_POOLED_IDLE_MS
    with connection.cursor() as cursor:
        if marks is None:
            cursor.execute(CLAIM_POSTGRESQL, [*lane, *bounds, item_id, idle_ms])
        else:
            keys_of = lease.batch_id if marks.with_keys else None
            cursor.execute(CLAIM_CALLS_POSTGRESQL, [*lane, *bounds, idle_ms, lease.lane, marks.at, keys_of])
        return cursor.fetchall()


def _claim_sqlite(lease: Lease, condition: str, bounds: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        params = [lease.batch_id, *bounds, lease.checkpoint_id, lease.fence]
        cursor.execute(CLAIM_SQLITE.format(condition=condition), params)
        return cursor.fetchall()


def record(lease: Lease, outcomes: Sequence[Outcome], *, position: int, careful: int, processor: Processor) -> Totals:
    """Write items, idempotency rows and, under the fence, the lane. Whatever it raises, roll back."""
    write = _record_postgresql if connection.vendor == "postgresql" else _record_sqlite
    counts = Counter(outcome.status for outcome in outcomes)
    keys = [None if processor.is_callers else key_to_remember(lease, outcome) for outcome in outcomes]
    lane = write(lease, outcomes, keys, counts, position, careful, processor.claims_as)
    if lane is None:
        raise lost(lease)
    written, remembered, totals = lane
    if written != len(outcomes):
        raise ItemsMoved(f"{len(outcomes) - written} items of the chunk changed status while they ran.")
    if remembered != len(keys) - keys.count(None):
        raise AlreadyRemembered()
    return totals


PENDING, SUCCEEDED = Item.Status.PENDING, Item.Status.SUCCEEDED
FAILED = Item.FAILED_STATUSES
COUNTED = tuple(name.upper() for name in COUNTERS)

RECORD_POSTGRESQL = f"SELECT * FROM {sql.RECORD}(%s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608

Recorded = tuple[int, int, Totals] | None


def _record_postgresql(
    lease: Lease,
    outcomes: Sequence[Outcome],
    keys: Sequence[str | None],
    counts: Counter[str],
    position: int,
    careful: int,
    from_status: str,
) -> Recorded:
    added = [counts[status] for status in COUNTED]
    lease_length = timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    rows = json_rows_of(lease, outcomes, keys)
    params: Any = (lease.checkpoint_id, lease.fence, rows, TTL, position, careful, lease_length, *added, from_status)
    with connection.cursor() as cursor:
        cursor.execute(RECORD_POSTGRESQL, params)
        row = cursor.fetchone()
    if row is None:
        return None
    written, remembered, done, failed = row  # the sums are as before this statement
    return written, remembered, Totals(done + sum(added), failed + added[1] + added[3])


def json_rows_of(lease: Lease, outcomes: Sequence[Outcome], keys: Sequence[str | None]) -> str:
    """Outcomes as a JSON array of objects, by the columns of `sql.CREATE_RECORD`; a name that is left out is NULL."""
    return f"[{','.join([json_row_of(lease, outcome, key) for outcome, key in zip(outcomes, keys, strict=True)])}]"


def json_row_of(lease: Lease, outcome: Outcome, key: str | None) -> str:
    """Put together as text: every item pays for it, and a dict and its encoder take three times as long."""
    item, status, finished_at = outcome.item, outcome.status, utc_text(outcome.finished_at)
    row = (
        f'{{"id":{item.id},"attempts":{item.attempts + outcome.tried},"forgiven":{item.forgiven + outcome.forgiven},'
        f'"started_at":"{utc_text(outcome.started_at)}","finished_at":"{finished_at}","status":"' + status + '"'
    )
    if key is not None:
        row += f',"remember":"{key}"'
    if outcome.result_json is not None:
        row += f',"result":{encode_json(outcome.result_json)}'
    if status != PENDING:
        row += f',"lane":{lease.lane}'
    if outcome.message or outcome.code:
        row += f',"message":{encode_json(outcome.message)},"code":{encode_json(outcome.code)}'
    if outcome.available_at is not None:
        row += f',"available_at":"{outcome.available_at.isoformat()}"'
    if status in FAILED:
        row += f',"failed_at":"{finished_at}"'
    return row + "}"


def _row_of(lease: Lease, outcome: Outcome) -> tuple[Any, ...]:
    """An outcome as the values of `ITEM_SQLITE`; times as text in UTC."""
    item, status, finished_at = outcome.item, outcome.status, sqlite_text(outcome.finished_at)
    return (
        str(status),
        item.attempts + outcome.tried,
        item.forgiven + outcome.forgiven,
        None if status == PENDING else lease.lane,
        outcome.result_json,
        outcome.message,
        outcome.code,
        None if outcome.available_at is None else sqlite_text(outcome.available_at),
        finished_at if status in FAILED else None,
        sqlite_text(outcome.started_at),
        finished_at,
        item.id,
    )


def key_to_remember(lease: Lease, outcome: Outcome) -> str | None:
    """The idempotency key under which the outcome's result is remembered; None when it is not."""
    if outcome.status != SUCCEEDED or outcome.remembered:
        return None
    return key_of(lease.batch_id, outcome.item.key, PROCESS)


ITEM_SQLITE = """
UPDATE batches_item SET status = %s, attempts = %s, forgiven = %s, lane = %s, result = %s, message = %s, code = %s,
  available_at = %s, failed_at = %s, started_at = %s, finished_at = %s, claimed_at = NULL
WHERE id = %s AND status = '{from_status}'
"""
REMEMBER_SQLITE = """
INSERT INTO batches_idempotencyrecord (key, request_hash, state, response, created_at, expires_at)
VALUES (%s, '', 'DONE', %s, %s, %s)
ON CONFLICT (key) DO UPDATE SET request_hash = '', state = 'DONE', response = excluded.response,
  created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE expires_at <= excluded.created_at OR (state = 'IN_PROGRESS' AND '{from_status}' = 'RUNNING')
"""
LANE_SQLITE = """
UPDATE batches_checkpoint SET position = %s, careful = %s, in_flight_id = NULL, sequence = sequence + 1,
  succeeded = succeeded + %s, failed = failed + %s, skipped = skipped + %s, quarantined = quarantined + %s,
  saved_at = %s, lease_expires_at = %s
WHERE id = %s AND fence = %s
"""
TOTALS_SQLITE = """
SELECT sum(succeeded + failed + skipped + quarantined), sum(failed + quarantined)
FROM batches_checkpoint WHERE batch_id = %s
"""


def _record_sqlite(
    lease: Lease,
    outcomes: Sequence[Outcome],
    keys: Sequence[str | None],
    counts: Counter[str],
    position: int,
    careful: int,
    from_status: str,
) -> Recorded:
    now = datetime.now(UTC)
    saved_at, forgotten_at = sqlite_text(now), sqlite_text(now + TTL)
    remembered_rows = [
        (bytes.fromhex(key), outcome.result_json, saved_at, forgotten_at)
        for outcome, key in zip(outcomes, keys, strict=True)
        if key is not None
    ]
    added = [counts[status] for status in COUNTED]
    lease_end = sqlite_text(now + timedelta(seconds=settings.PORTAL_LEASE_SECONDS))
    with connection.cursor() as cursor:
        cursor.executemany(
            ITEM_SQLITE.format(from_status=from_status), [_row_of(lease, outcome) for outcome in outcomes]
        )
        written = cursor.rowcount
        if remembered_rows:
            cursor.executemany(REMEMBER_SQLITE.format(from_status=from_status), remembered_rows)
        remembered = cursor.rowcount if remembered_rows else 0
        cursor.execute(LANE_SQLITE, (position, careful, *added, saved_at, lease_end, lease.checkpoint_id, lease.fence))
        if not cursor.rowcount:
            return None
        cursor.execute(TOTALS_SQLITE, (lease.batch_id,))
        done, failed = cursor.fetchone()
    return written, remembered, Totals(done, failed)
