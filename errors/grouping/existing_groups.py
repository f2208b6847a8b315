"""What recording works on: a failure as it was seen, and a group as the chunk found it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db import connection

from batches.lanes.classification import Classification
from batches.lanes.outcomes import Failure
from batches.models import Batch
from errors.grouping.fingerprints import Identity
from errors.grouping.locks import Statement
from errors.models import ErrorGroup

State = ErrorGroup.State


class SeenFailure(Protocol):
    """What is counted: a failure with its words, kind and identity."""

    @property
    def failure(self) -> Failure: ...
    @property
    def error_type(self) -> str: ...
    @property
    def found(self) -> Classification: ...
    @property
    def identity(self) -> Identity: ...
    @property
    def stack(self) -> str: ...
    @property
    def origin(self) -> int | None: ...
    @property
    def message(self) -> str: ...
    @property
    def fields(self) -> list[str]: ...
    @property
    def asked_wait(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """A group as the chunk found it."""

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
    def overridden(self) -> bool:
        """Whether its errors count elsewhere."""
        return self.by_place or self.merged_into is not None

    @property
    def may_change(self) -> bool:
        """Whether an error can bring it back."""
        return self.state == State.RESOLVED or (self.state == State.IGNORED and bool(self.until))


KNOWN = """
SELECT g.fingerprint, g.id, g.state, g.last_seen, g.resolved_at, g.resolved_in, g.ignored_at, g.until,
  m.fingerprint, g.by_place,
  EXISTS (SELECT 1 FROM errors_batchgroup b WHERE b.batch_id = %s AND b.group_id = g.id)
FROM errors_errorgroup g LEFT JOIN errors_errorgroup m ON m.id = g.merged_into_id
WHERE g.processor = %s AND g.fingerprint IN ({places})
"""


def known_groups(batch: Batch, fingerprints: Collection[str], first: Statement | None = None) -> dict[str, Known]:
    """The groups of these fingerprints, as far as there are any. On PostgreSQL `first` is sent with the question."""
    if not fingerprints:
        return {}
    sql, params = KNOWN.format(places=", ".join(["%s"] * len(fingerprints))), [batch.pk, batch.processor, *fingerprints]
    if first is not None and connection.vendor == "postgresql":
        sql, params = f"{first[0]}; {sql}", [*first[1], *params]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {fingerprint: known(*row) for fingerprint, *row in cursor.fetchall()}


def known(
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
) -> Known:
    """A row as the driver gives it."""
    seen, resolved, ignored = moment(last_seen), moment(resolved_at), moment(ignored_at)
    conditions = json.loads(until)
    return Known(
        pk, state, seen, resolved, resolved_in, ignored, conditions, merged_into, bool(by_place), bool(in_batch)
    )


def moment(value: Any) -> Any:
    """SQLite keeps times as text."""
    if connection.vendor == "sqlite":
        ops: Any = connection.ops
        return ops.convert_datetimefield_value(value, None, connection)
    return value
