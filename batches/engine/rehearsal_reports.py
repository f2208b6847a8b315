"""The report of a rehearsal: what the error report of the run would be, chunk by chunk."""

from __future__ import annotations

from typing import Any

from batches.lanes import outcomes
from batches.lanes.outcomes import Failure, Outcome
from batches.models import Batch
from batches.signals import items_rehearsed

SHOWN_ITEMS, SHOWN_GROUPS, SHOWN_FAILURES = 10, 200, 100
COUNTED = {"errors_by_type": "error_type", "errors_by_code": "code", "by_category": "category"}
"""Table of the report -> what of a failure is counted there."""


def extended(report: dict[str, Any], batch: Batch, done: list[Outcome]) -> dict[str, Any]:
    """The report with the outcomes of one more chunk in it."""
    report = dict(report)
    counts = report.setdefault("counts", {"succeeded": 0, "skipped": 0, "failed": 0})
    failures = [outcome.failure for outcome in done if outcome.failure is not None]
    for outcome in done:
        name = "failed" if outcome.failure is not None else outcome.status.lower()
        counts[name] += 1
    for failure, described in zip(failures, describe(batch, failures), strict=True):
        add(report, failure, described)
    return report


def describe(batch: Batch, failures: list[Failure]) -> list[dict[str, Any]]:
    """Each failure as the app that groups errors would record it; without one, by its code alone."""
    if not failures:
        return []
    for _, answer in items_rehearsed.send(Batch, batch=batch, failures=failures):
        if answer is not None:
            descriptions: list[dict[str, Any]] = answer  # type: ignore[assignment]
            return descriptions
    return [{"fingerprint": f.code, "title": outcomes.message_of(f.exception), "code": f.code} for f in failures]


def add(report: dict[str, Any], failure: Failure, described: dict[str, Any]) -> None:
    """Count one failure in the report's tables, its group and its list of items."""
    for table, name in COUNTED.items():
        counted = report.setdefault(table, {})
        key = str(described.get(name, ""))
        counted[key] = counted.get(key, 0) + 1
    groups = report.setdefault("groups", {})
    fingerprint = described["fingerprint"]
    if fingerprint not in groups and len(groups) >= SHOWN_GROUPS:
        fingerprint = "other"
    group = groups.setdefault(fingerprint, {**described, "count": 0, "item_keys": []})
    group["count"] += 1
    if len(group["item_keys"]) < SHOWN_ITEMS:
        group["item_keys"].append(failure.item_key)
    shown = report.setdefault("problematic_items", [])
    if len(shown) < SHOWN_FAILURES:
        code, message = described.get("code", ""), described.get("message", described["title"])
        shown.append({"item_key": failure.item_key, "position": failure.position, "code": code, "message": message})
