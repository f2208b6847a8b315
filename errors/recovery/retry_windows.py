"""Windows in which failures of one kind lie, as a scope that a retry takes: exactly these items, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batches.lanes.classification import CODES
from batches.lifecycle.retry_selection import select_failed
from batches.models import Batch
from errors.filters.scopes import items_of_matching
from errors.models import BatchGroup


def scoped(batch: Batch, findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The findings; a window that can be retried has its `scope`, and how many items of it would be tried: `still`."""
    if not batch.processor or not findings:
        return list(findings)
    kinds = BatchGroup.objects.filter(batch=batch).order_by().values_list("group__category", flat=True).distinct()
    all_one = kinds[0] if len(kinds) == 1 else ""
    return [with_scope(batch, found, all_one) for found in findings]


def with_scope(batch: Batch, found: Mapping[str, Any], all_one: str) -> Mapping[str, Any]:
    matching = matching_of(found, all_one)
    if not matching:
        return found
    still = select_failed(batch, items_of_matching(batch, matching), permanent=False).tried
    exact = "positions" in matching or still == found["failed"]
    return {**found, "scope": {"matching": matching}, "still": still} if still and exact else found


def matching_of(found: Mapping[str, Any], all_one: str) -> dict[str, str]:
    """As the desk filters: the kind of failure, and from where to where; empty if it is no window of one kind.

    `all_one` is the category if all failures are of one.
    Its times are those of first attempts, so that it means other items once these were tried again.
    """
    where, stream = found["where"], all_one if found["stream"] == "any" else str(found["stream"])
    if "after" not in where or not stream:
        return {}
    kind = {"category" if stream in CODES else "group": stream}
    if "start" in where:
        return {**kind, "positions": f"{where['start']}-{where['end']}"}
    return {**kind, "since": where["from"], "until": where["to"]} if "from" in where else {}
