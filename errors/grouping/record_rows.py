"""The rows of a chunk's failures: tracebacks, counters and records, on PostgreSQL in one message.

A batch in which everything fails spends its time here, so nothing is built that is not written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import connection

from batches.lanes.outcomes import storable
from batches.models import Batch
from errors.grouping.existing_groups import Known, SeenFailure
from errors.grouping.fingerprints import last_frame
from errors.grouping.group_counters import new_items
from errors.grouping.locks import Statement
from errors.models import ErrorRecord

AT_ONCE = 500
"""Rows of a statement; SQLite takes 32,766 values in one."""

KEEP = "INSERT INTO errors_traceback (sha256, frame, text) VALUES {rows} ON CONFLICT DO NOTHING"
COUNT = """
INSERT INTO errors_batchgroup AS old (batch_id, group_id, errors, items, first_seen, last_seen) VALUES {rows}
ON CONFLICT (batch_id, group_id) DO UPDATE SET
  errors = old.errors + excluded.errors, items = old.items + excluded.items,
  first_seen = {least}(old.first_seen, excluded.first_seen), last_seen = {greatest}(old.last_seen, excluded.last_seen)
"""
COLUMNS = (
    *("batch_id", "item_id", "group_id", "origin_id", "item_key", "position", "attempt", "error_type", "code"),
    *("category", "classified_by", "retryable", "message", "fields", "asked_wait", "traceback_id", "final"),
    *("started_at", "finished_at", "worker"),
)
RECORD = f"INSERT INTO {ErrorRecord._meta.db_table} ({', '.join(COLUMNS)}) VALUES {{rows}}"  # noqa: S608 - only constants


def write(batch: Batch, seen: Sequence[SeenFailure], groups: Mapping[str, Known]) -> None:
    """All that is written of a chunk's failures once their groups are known."""
    digests = {stack: sha256(stack.encode()).digest() for stack in {one.stack for one in seen} if stack}
    send([*stacks(seen, digests), counters(batch, seen, groups), *records(batch, seen, groups, digests)])


def send(statements: Sequence[Statement]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(";".join(sql for sql, _ in statements), [value for _, row in statements for value in row])
            return
        for sql, params in statements:
            cursor.execute(sql, params)


def values(sql: str, rows: Sequence[Sequence[Any]], **words: str) -> Statement:
    place = f"({', '.join(['%s'] * len(rows[0]))})"
    return sql.format(rows=", ".join([place] * len(rows)), **words), [value for row in rows for value in row]


def stacks(seen: Sequence[SeenFailure], digests: Mapping[str, bytes]) -> Iterator[Statement]:
    """Every stack once, in the order of their digests."""
    frames = {one.stack: one.failure.exception.__traceback__ for one in seen if one.stack}
    rows = [
        (digests[stack], storable(last_frame(frames[stack]))[:200], stack)
        for stack in sorted(frames, key=digests.get)  # type: ignore[arg-type]
    ]
    for start in range(0, len(rows), AT_ONCE):
        yield values(KEEP, rows[start : start + AT_ONCE])


def counters(batch: Batch, seen: Sequence[SeenFailure], groups: Mapping[str, Known]) -> Statement:
    """Add to the batch's counters what this chunk saw, in one order."""
    new = new_items(batch, seen, groups)
    times: dict[str, list[datetime]] = {}
    for one in seen:
        times.setdefault(one.identity.fingerprint, []).append(one.failure.finished_at)
    rows = [
        (batch.pk, groups[key].id, len(ends), new[groups[key].id], stored(min(ends)), stored(max(ends)))
        for key, ends in sorted(times.items())
    ]
    least, greatest = ("MIN", "MAX") if connection.vendor == "sqlite" else ("LEAST", "GREATEST")
    return values(COUNT, rows, least=least, greatest=greatest)


def stored(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def records(
    batch: Batch, seen: Sequence[SeenFailure], groups: Mapping[str, Known], digests: Mapping[str, bytes]
) -> Iterator[Statement]:
    rows = [row_of(batch, one, groups[one.identity.fingerprint].id, digests.get(one.stack)) for one in seen]
    for start in range(0, len(rows), AT_ONCE):
        yield values(RECORD, rows[start : start + AT_ONCE])


def row_of(batch: Batch, one: SeenFailure, group: int, digest: bytes | None) -> tuple[Any, ...]:
    """In the order of `COLUMNS`."""
    failure, found = one.failure, one.found
    return (
        batch.pk,
        failure.item_id or None,
        group,
        one.origin,
        failure.item_key,
        failure.position,
        failure.attempt,
        one.error_type,
        found.code,
        found.category,
        found.classified_by,
        found.retryable,
        one.message,
        json.dumps(one.fields),
        one.asked_wait,
        digest,
        failure.final,
        stored(failure.started_at),
        stored(failure.finished_at),
        failure.worker,
    )
