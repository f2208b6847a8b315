"""The payload that failed: an item's as it was before somebody corrected it, and what was corrected since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from batches.models import Correction, Item

PastPayloads = Sequence[tuple[datetime, Any]]
"""When a correction was applied, and the payload before it; the earliest first."""


def past_payloads(item: Item | None) -> PastPayloads:
    if item is None:
        return ()
    applied = Correction.objects.filter(
        item=item, verdict=Correction.Verdict.CHANGED, fix__applied_at__isnull=False
    ).order_by("fix__applied_at", "pk")
    return [(at, before) for at, before in applied.values_list("fix__applied_at", "before") if at is not None]


def payload_at(item: Item, moment: datetime, past: PastPayloads) -> Any:
    """The item's payload as an attempt had it that began at the moment."""
    return next((before for applied_at, before in past if applied_at > moment), item.payload)


def changed_fields(then: Any, now: Any) -> list[str]:
    """Names of the fields that are others by now."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return []
    return [name for name in {**then, **now} if then.get(name) != now.get(name) or (name in then) != (name in now)]
