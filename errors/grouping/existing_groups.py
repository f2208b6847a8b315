"""The error groups that a chunk's failures belong to, as they are before the chunk records anything."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from batches.models import Batch
from errors.grouping.locks import Statement
from errors.models import ErrorGroup


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """One group; `merged_into` is the fingerprint of another, `in_batch` whether the batch has met the group before."""

    id: int
    state: str
    last_seen: datetime
    resolved_at: datetime | None
    resolved_in: str
    ignored_at: datetime | None
    until: dict[str, Any]
    merged_into: str | None
    by_place: bool
    in_batch: bool

    @property
    def is_overridden(self) -> bool:
        """Whether its errors count elsewhere."""
        return self.by_place or self.merged_into is not None

    @property
    def may_reopen(self) -> bool:
        """Whether an error can bring it back."""
        ignored = self.state == ErrorGroup.State.IGNORED
        return self.state == ErrorGroup.State.RESOLVED or (ignored and bool(self.until))


SELECT_GROUPS = """
SELECT g.fingerprint, g.id, g.state, g.last_seen, g.resolved_at, g.resolved_in, g.ignored_at, g.until,
  m.fingerprint, g.by_place,
  EXISTS (SELECT 1 FROM errors_batchgroup b WHERE b.batch_id = %s AND b.group_id = g.id)
FROM errors_errorgroup g LEFT JOIN errors_errorgroup m ON m.id = g.merged_into_id
WHERE g.processor = %s AND g.fingerprint IN ({places})
"""


def existing_groups(
    batch: Batch, fingerprints: Collection[str], first: Statement | None = None
) -> dict[str, GroupSnapshot]:
    """fingerprint -> group, as far as there are any. On PostgreSQL `first` is sent along, in the same round trip."""
    if not fingerprints:
        return {}
    sql = SELECT_GROUPS.format(places=", ".join(["%s"] * len(fingerprints)))
    params = [batch.pk, batch.processor, *fingerprints]
    if first is not None and connection.vendor == "postgresql":
        sql, params = f"{first[0]}; {sql}", [*first[1], *params]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {fingerprint: snapshot(*row) for fingerprint, *row in cursor.fetchall()}


def snapshot(
    pk: int,
    state: str,
    last_seen: Any,
    resolved_at: Any,
    resolved_in: str,
    ignored_at: Any,
    until: str,
    merged_into: str | None,
    by_place: Any,
    in_batch: Any,
) -> GroupSnapshot:
    """The group in a row of `SELECT_GROUPS`, as the driver gives it."""
    return GroupSnapshot(
        id=pk,
        state=state,
        last_seen=as_datetime(last_seen),
        resolved_at=as_datetime(resolved_at),
        resolved_in=resolved_in,
        ignored_at=as_datetime(ignored_at),
        until=json.loads(until),
        merged_into=merged_into,
        by_place=bool(by_place),
        in_batch=bool(in_batch),
    )


def as_datetime(value: Any) -> Any:
    """SQLite keeps times as text."""
    if connection.vendor == "sqlite":
        ops: Any = connection.ops
        return ops.convert_datetimefield_value(value, None, connection)
    return value
