"""What a JSON document says beside its rows: the batch, its totals, its groups, findings and recommendations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from batches import progress_tracker
from batches.models import Batch
from batches.proportions import wilson
from batches.redaction import redact
from errors.exports.tables import Table
from errors.exports.tables.base import iso
from errors.exports.tables.summary import Summary
from errors.findings import IN_PAGE_LIMIT, errors_of, findings_of
from errors.findings.failed import failed_items
from errors.recovery import recommendations

SCHEMA = "batchportal.error-report/1"


def envelope(table: Table, generated_at: datetime) -> dict[str, Any]:
    """Everything but the rows. Of a large batch, findings and recommendations as a worker stored them when it was over:
    to work them out now would take a web process more memory and time than the whole file.
    """
    batch = table.batch
    summary = Summary(batch, table.error_filter, table.frozen_to)
    errors = errors_of(batch)
    advice = recommendations.listed(batch, errors, up_to=IN_PAGE_LIMIT)  # before the groups, which name it
    return {
        "schema": SCHEMA,
        "generated_at": iso(generated_at),
        "kind": table.kind,
        "batch": batch_facts(batch),
        "filters": table.error_filter.as_dict(),
        "totals": totals(batch, errors),
        "groups": [summary.as_object(row) for page in summary.pages() for row in page.rows],
        "findings": findings_of(batch, up_to=IN_PAGE_LIMIT),
        "recommendations": advice,
    }


def batch_facts(batch: Batch) -> dict[str, Any]:
    names = ("id", "name", "processor", "status", "reason", "total_items")
    times = ("created_at", "started_at", "finished_at")
    return {
        **{name: getattr(batch, name) for name in names},
        **{name: iso(getattr(batch, name)) for name in times},
        "outcome": progress_tracker.get_progress(batch.pk).outcome,
        "params": redact(batch.params),
    }


def totals(batch: Batch, errors: int) -> dict[str, Any]:
    """`failed` items now of those done, in percent with Wilson's 95 % interval; `errors` are failed attempts."""
    failed = failed_items(batch)
    low, high = wilson(failed.affected, failed.done) if failed.done else (0.0, 0.0)
    return {
        "items": batch.total_items,
        "failed": failed.affected,
        "errors": errors,
        "rate": floored(failed.affected / failed.done) if failed.done else 0.0,
        "wilson95": [floored(low), floored(high)],
    }


def floored(share: float) -> float:
    """Percent with one decimal, rounded down."""
    return int(share * 1000 + 1e-9) / 10
