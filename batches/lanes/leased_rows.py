"""Rows that one worker at a time holds: lanes, rehearsals, exports.

A lease says until when, by the database's clock; a fence says who, since it grows at every take-over. Elapsed time is
no proof of death: a worker that wakes up late finds the fence raised, and changes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from django.db.models import F, Model, Q, QuerySet

from batches.clock import now_sql
from batches.conf import settings


class LeasedRow(Protocol):
    """A stored row with the columns `fence` and `lease_expires_at`."""

    pk: Any
    fence: int


def lease_end() -> Any:
    """When a lease that begins now will end, for use within a statement."""
    return now_sql() + timedelta(seconds=settings.PORTAL_LEASE_SECONDS)


def has_no_lease() -> Q:
    """Nobody holds the row, or its holder's lease ran out."""
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=now_sql())


def take(rows: QuerySet[Any], **values: Any) -> bool:
    """Hold the row, if it is among `rows` still; one statement decides a race."""
    return bool(rows.update(fence=F("fence") + 1, lease_expires_at=lease_end(), **values))


def held(row: LeasedRow) -> QuerySet[Any]:
    """The row, if nobody has taken it over since it was read."""
    assert isinstance(row, Model)
    return type(row)._default_manager.filter(pk=row.pk, fence=row.fence)


def keep(rows: QuerySet[Any], **values: Any) -> bool:
    """Write values and a new lease; False when the row is held no longer. `rows` names its fence."""
    return bool(rows.update(lease_expires_at=lease_end(), **values))


def give_up(rows: QuerySet[Any], **values: Any) -> bool:
    """Write values and end the lease; False when the row is held no longer. `rows` names its fence."""
    return bool(rows.update(lease_expires_at=None, **values))
