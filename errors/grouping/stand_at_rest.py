"""Whether anything has changed about batches at rest, in one statement that adds up and compares nothing.

A year's batches are compared one by one only after something did: after that a look costs this statement alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from batches.models import Batch
from errors.models import ErrorGroup

STAND = """
WITH active AS (SELECT id FROM batches_batch WHERE status IN ({active}))
SELECT EXISTS (SELECT 1 FROM active), lanes.*, counters.*, counts.*, open_groups.*
FROM (SELECT count(*), sum(succeeded * id), sum(failed * id), sum(skipped * id), sum(quarantined * id)
      FROM batches_checkpoint
      WHERE batch_id NOT IN (SELECT id FROM active)) lanes,
     (SELECT sum(errors * id), sum(errors * group_id), sum(id * group_id) FROM errors_batchgroup
      WHERE batch_id NOT IN (SELECT id FROM active)) counters,
     (SELECT count(*), max(at) FROM errors_failingcount
      WHERE batch_id NOT IN (SELECT id FROM active)) counts,
     (SELECT count(*), sum(id) FROM errors_errorgroup WHERE state IN ({open})) open_groups
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """What the lanes and groups of batches at rest have counted, when failing items were counted last, and which groups
    are open. Lanes, counters and groups are weighted by their ids: what moves from one to another changes a sum."""

    is_any_active: bool = field(compare=False)
    sums: tuple[Any, ...]


@dataclass(slots=True)
class LastLook:
    """What this process remembers: how batches at rest stood when all of their counts were up to date."""

    up_to_date: Stand | None = None


LAST_LOOK = LastLook()


def stand_at_rest() -> Stand:
    sql = STAND.format(active=places(Batch.ACTIVE), open=places(ErrorGroup.OPEN))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*map(str, Batch.ACTIVE), *map(str, ErrorGroup.OPEN)])
        is_any_active, *sums = cursor.fetchone()
    return Stand(bool(is_any_active), tuple(sums))


def places(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
