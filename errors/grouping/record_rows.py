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
from errors.grouping.existing_groups import GroupSnapshot
from errors.grouping.fingerprints import last_frame
from errors.grouping.group_counters import new_items
from errors.grouping.locks import Statement
from errors.grouping.seen_failures import SeenFailure
from errors.models import ErrorRecord

ROWS_PER_STATEMENT = 500
"""SQLite takes 32,766 values in one statement."""

HOLD_TRACEBACKS = "SELECT 1 FROM errors_traceback WHERE sha256 IN ({places}) ORDER BY sha256 FOR KEY SHARE"
"""Nobody removes them before these errors point at them; lanes do not wait for each other."""
INSERT_TRACEBACKS = "INSERT INTO errors_traceback (sha256, frame, text) VALUES {rows} ON CONFLICT DO NOTHING"
ADD_TO_COUNTERS = """
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
INSERT_RECORDS = f"INSERT INTO {ErrorRecord._meta.db_table} ({', '.join(COLUMNS)}) VALUES {{rows}}"  # noqa: S608 - only constants


def write(batch: Batch, failures: Sequence[SeenFailure], groups: Mapping[str, GroupSnapshot]) -> None:
    """All that is written of a chunk's failures once their groups are known."""
    digests = {stack: sha256(stack.encode()).digest() for stack in {seen.stack for seen in failures} if stack}
    counters = counter_statement(batch, failures, groups)
    execute([*traceback_statements(failures, digests), counters, *record_statements(batch, failures, groups, digests)])


def execute(statements: Sequence[Statement]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(";".join(sql for sql, _ in statements), [value for _, row in statements for value in row])
            return
        for sql, params in statements:
            cursor.execute(sql, params)


def insert(sql: str, rows: Sequence[Sequence[Any]], **names: str) -> Statement:
    """An INSERT of these rows; `names` fill the statement's other placeholders."""
    row_places = f"({', '.join(['%s'] * len(rows[0]))})"
    return sql.format(rows=", ".join([row_places] * len(rows)), **names), [value for row in rows for value in row]


def traceback_statements(failures: Sequence[SeenFailure], digests: Mapping[str, bytes]) -> Iterator[Statement]:
    """Every stack once, in the order of their digests; those that are there are held."""
    frames = {seen.stack: seen.failure.exception.__traceback__ for seen in failures if seen.stack}
    rows = [
        (digests[stack], storable(last_frame(frames[stack]))[:200], stack)
        for stack in sorted(frames, key=digests.get)  # type: ignore[arg-type]
    ]
    if rows and connection.vendor == "postgresql":
        yield HOLD_TRACEBACKS.format(places=", ".join(["%s"] * len(rows))), [digest for digest, _, _ in rows]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield insert(INSERT_TRACEBACKS, rows[start : start + ROWS_PER_STATEMENT])


def counter_statement(batch: Batch, failures: Sequence[SeenFailure], groups: Mapping[str, GroupSnapshot]) -> Statement:
    """Add to the batch's counters what this chunk saw, in one order."""
    new = new_items(batch, failures, groups)
    times: dict[str, list[datetime]] = {}
    for seen in failures:
        times.setdefault(seen.fingerprint, []).append(seen.failure.finished_at)
    rows = [
        (batch.pk, groups[key].id, len(ends), new[groups[key].id], db_time(min(ends)), db_time(max(ends)))
        for key, ends in sorted(times.items())
    ]
    return added_counters(rows)


def added_counters(rows: Sequence[Sequence[Any]]) -> Statement:
    """Rows of batch, group, errors, items and the times of the first and the last, added to what is counted."""
    least, greatest = ("MIN", "MAX") if connection.vendor == "sqlite" else ("LEAST", "GREATEST")
    return insert(ADD_TO_COUNTERS, rows, least=least, greatest=greatest)


def db_time(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def record_statements(
    batch: Batch, failures: Sequence[SeenFailure], groups: Mapping[str, GroupSnapshot], digests: Mapping[str, bytes]
) -> Iterator[Statement]:
    rows = [record_row(batch, seen, groups[seen.fingerprint].id, digests.get(seen.stack)) for seen in failures]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield insert(INSERT_RECORDS, rows[start : start + ROWS_PER_STATEMENT])


def record_row(batch: Batch, seen: SeenFailure, group: int, digest: bytes | None) -> tuple[Any, ...]:
    """The values of one error record, in the order of `COLUMNS`."""
    failure, classification = seen.failure, seen.classification
    return (
        batch.pk,
        failure.item_id or None,
        group,
        seen.origin,
        failure.item_key,
        failure.position,
        failure.attempt,
        seen.error_type,
        classification.code,
        classification.category,
        classification.classified_by,
        classification.retryable,
        seen.message,
        json.dumps(seen.fields),
        seen.asked_wait,
        digest,
        failure.final,
        db_time(failure.started_at),
        db_time(failure.finished_at),
        failure.worker,
    )
