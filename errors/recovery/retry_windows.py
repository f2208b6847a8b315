"""Windows in which failures of one kind lie, as a scope that a retry takes: exactly these items, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batches.lanes.classification import CODES
from batches.lifecycle.retry_selection import select_failed
from batches.models import Batch
from errors.detectors.findings import EVERYTHING
from errors.filters.scopes import items_of_matching
from errors.models import BatchGroup


def with_scopes(batch: Batch, findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The findings; a window to retry has a `scope` besides, and `still`, the number of its items to be tried."""
    if not batch.processor or not findings:
        return list(findings)
    groups = BatchGroup.objects.filter(batch=batch).order_by()
    categories = groups.values_list("group__category", flat=True).distinct()
    only_category = categories[0] if len(categories) == 1 else ""
    return [with_scope(batch, finding, only_category) for finding in findings]


def with_scope(batch: Batch, finding: Mapping[str, Any], only_category: str) -> Mapping[str, Any]:
    query = window_query(finding, only_category)
    if not query:
        return finding
    still = select_failed(batch, items_of_matching(batch, query), permanent=False).tried
    is_exact = "positions" in query or still == finding["failed"]
    return {**finding, "scope": {"matching": query}, "still": still} if still and is_exact else finding


def window_query(finding: Mapping[str, Any], only_category: str) -> dict[str, str]:
    """The desk's filter for the kind of failure, from where to where; empty if it is no window of one kind.

    `only_category` is the category of all failures, if they have one in common. A window's times are those of first
    attempts, so that they mean other items once these were tried again.
    """
    where = finding["where"]
    stream = only_category if finding["stream"] == EVERYTHING else str(finding["stream"])
    if "after" not in where or not stream:
        return {}
    kind = {"category" if stream in CODES else "group": stream}
    if "start" in where:
        return {**kind, "positions": f"{where['start']}-{where['end']}"}
    return {**kind, "since": where["from"], "until": where["to"]} if "from" in where else {}
