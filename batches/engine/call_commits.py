"""Calls that succeeded and the claim of those that take their places, as one statement that commits by itself.

A transaction of its own statements waits for the database four times, and each time for its turn among the threads that
make the calls.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil, isinf
from typing import Any

from django.db import DatabaseError, connection

from batches import clock
from batches.conf import settings
from batches.engine import sql
from batches.engine.claiming import looks_for_retries, most_items
from batches.engine.slices import Slice
from batches.engine.statements import Claim, Totals, claim_of_calls, json_rows_of, key_to_remember
from batches.keys import TTL
from batches.lanes.outcomes import Outcome

RECORD_CALLS = f"SELECT * FROM {sql.RECORD_CALLS}({', '.join(['%s'] * 15)})"  # noqa: S608


def record_and_claim(slice_: Slice, group: list[Outcome], room: int) -> tuple[Totals, Claim] | None:
    """Commit the outcomes of a group, all of them successes, under the lane's fence, and a claim for so much room.

    None, and nothing is written, where a transaction of several statements is needed: a milestone is reached, retries
    are looked for, something was refused; or the database is not PostgreSQL.
    """
    milestone_at = next_milestone(slice_)
    if connection.vendor != "postgresql" or looks_for_retries(slice_) or slice_.lease.careful:
        return None
    if milestone_at is not None and slice_.done + len(group) >= milestone_at:
        return None
    if not connection.get_autocommit():
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute(RECORD_CALLS, [*recorded(slice_, group), milestone_at, *claimed(slice_, room)])
            rows = cursor.fetchall()
    except DatabaseError as error:
        if getattr(error.__cause__, "pgcode", None) == sql.APART:
            return None
        raise
    return Totals(rows[0][0], rows[0][1]), claim_of_calls([row[2:] for row in rows])


def next_milestone(slice_: Slice) -> int | None:
    """How many items are done at the batch's next milestone; None after the last."""
    percent = slice_.next_milestone
    return None if isinf(percent) else ceil(percent * slice_.batch.total_items / 100)


def recorded(slice_: Slice, group: list[Outcome]) -> list[Any]:
    """What is recorded, as the statement's first parameters."""
    lease = slice_.lease
    keys = [key_to_remember(lease, outcome) for outcome in group]
    position = max(lease.position, *(outcome.item.position for outcome in group))
    held_for = timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    to_remember = len(keys) - keys.count(None)
    return [lease.checkpoint_id, lease.fence, json_rows_of(lease, group, keys), TTL, position, held_for, to_remember]


def claimed(slice_: Slice, room: int) -> list[Any]:
    """What is claimed, as its last ones."""
    lease, after = slice_.lease, slice_.cursor
    bounds = [most_items(slice_, room), after, after + slice_.window]
    return [*bounds, settings.PORTAL_POOLED_IDLE_MS, lease.lane, clock.machine_now(), lease.batch_id]
