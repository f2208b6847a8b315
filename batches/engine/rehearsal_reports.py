"""The report of a rehearsal: what the error report of the run would be, chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from batches.extensions import FailureDescription, registered
from batches.failures import Failure
from batches.lanes import outcomes
from batches.lanes.outcomes import Outcome
from batches.models import Batch

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


def describe(batch: Batch, failures: list[Failure]) -> Sequence[FailureDescription]:
    """Each failure as the first extension that groups failures would record it; without one, by its code."""
    if not failures:
        return []
    for extension in registered():
        if extension.describe_failures is not None:
            return extension.describe_failures(batch, failures)
    return [describe_by_code(batch, failure) for failure in failures]


def describe_by_code(batch: Batch, failure: Failure) -> FailureDescription:
    error = failure.exception
    text = failure.text or outcomes.describe_failure(error, failure.code, failure.payload, batch.params)
    code, category = text.classification.code, text.classification.category
    return FailureDescription(code, text.message, code, category, type(error).__qualname__, text.message)


def add(report: dict[str, Any], failure: Failure, described: FailureDescription) -> None:
    """Count one failure in the report's tables, its group and its list of items."""
    for table, name in COUNTED.items():
        counted = report.setdefault(table, {})
        key = getattr(described, name)
        counted[key] = counted.get(key, 0) + 1
    groups = report.setdefault("groups", {})
    fingerprint = described.fingerprint
    if fingerprint not in groups and len(groups) >= SHOWN_GROUPS:
        fingerprint = "other"
    group = groups.setdefault(fingerprint, {**asdict(described), "count": 0, "item_keys": []})
    group["count"] += 1
    if len(group["item_keys"]) < SHOWN_ITEMS:
        group["item_keys"].append(failure.item_key)
    shown = report.setdefault("problematic_items", [])
    if len(shown) < SHOWN_FAILURES:
        place = {"item_key": failure.item_key, "position": failure.position}
        shown.append(place | {"code": described.code, "message": described.message})
