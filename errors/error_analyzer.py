"""The error report of a batch: its counters, what stands out in them, and what to do about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from batches import arguments
from batches.clock import iso_utc
from batches.lanes.classification import RETRYABLE
from batches.models import Batch
from batches.proportions import percent_of
from batches.wording import quantity, quantity_are
from errors.advice import Facts, GroupFacts, advise
from errors.detectors.runs import runs_of
from errors.findings import IN_REPORT_LIMIT, findings_of, looked_at, scatter_of
from errors.findings.problem_items import failure_histories, tried_most
from errors.grouping import failing_now
from errors.models import REPEATED, BatchGroup, ErrorRecord
from errors.recovery import plans
from errors.recovery import recommendations as advised
from errors.reported_errors import record_error, record_errors

__all__ = [
    "ErrorReport",
    "aggregate_errors",
    "identify_patterns",
    "record_error",
    "record_errors",
]

PROBLEMATIC_LIMIT = 100
PATTERNS_LIMIT = 200_000
"""Records that are read to find patterns."""
KINDS = {
    "high_rate": "High error rate",
    "timeout": "Timeouts",
    "rate_limit": "Rate limits",
    "validation": "Validation errors",
    "network": "Network errors",
    "credentials": "Auth errors",
    "certificate": "Certificate errors",
    "code": "Defects",
    "memory": "Resource errors",
    "disk": "Resource errors",
    "files": "Resource errors",
    "missing": "Not found errors",
    "place": "Errors at one place",
    "deadlock": "Conflicts",
    "duplicate": "Conflicts",
    "unknown": "Unknown errors",
    "attribute": "In common",
    "recurring": "Recurring error",
}
"""What the rules speak of, as a recommendation begins."""
LEAST_OF_ONE_GROUP = 3
"""Errors of the largest group, from which on the report names it."""
RULES_OF = {
    "upstream": ("network",),
    "network": ("network", "certificate"),
    "auth": ("credentials",),
    "defect": ("code",),
    "resource": ("memory", "disk", "files"),
    "not_found": ("missing",),
    "conflict": ("deadlock", "duplicate"),
}
"""Rules that speak of a category, if not the one of its name; where none does, a recommendation says where to look."""
MAY_PASS = [category for category, retryable in RETRYABLE.items() if retryable is not False]
CRASHED = "Some items kill their worker: they are set aside. Look at them before you retry them."


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """`error_rate` is errors / total items x 100, floored to one decimal.

    `problematic_items` are the ids of items that failed two times or more, at most 100, those with the most errors
    first; `problem_items` say of each where it stands, how many errors it has and how many different ones.
    """

    batch_id: str
    total_errors: int
    errors_by_type: dict[str, int]
    errors_by_code: dict[str, int]
    error_rate: float
    problematic_items: list[str]
    recommendations: list[str]
    problem_items: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    scatter: str = ""
    looked_at: int = 0
    """Items among which the findings were looked for: those that have an outcome."""
    advice: list[dict[str, Any]] = field(default_factory=list)
    recovery_plan: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; its lists are the report's own, not copies."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def aggregate_errors(batch_id: str, total_items: int | None = None) -> ErrorReport:
    """Everything there is to say about a batch's errors. `total_items` defaults to what the batch says it has."""
    batch = Batch.objects.filter(pk=arguments.checked_id(batch_id)).first()
    if total_items is not None:
        arguments.whole_number("total_items", total_items)
    items = (batch.total_items if batch else 0) if total_items is None else total_items
    return report_of(batch_id, batch, items, look_up_to=IN_REPORT_LIMIT)


def report_of(batch_id: str, batch: Batch | None, items: int, *, look_up_to: int) -> ErrorReport:
    """The report; a batch of more items than `look_up_to` is not looked at for it: a worker's last look is in it."""
    if batch:
        failing_now.refresh(batch)
    rows = list(BatchGroup.objects.filter(batch=batch_id).select_related("group").order_by("-errors", "group__title"))
    total = sum(row.errors for row in rows)
    types, codes = Counter[str](), Counter[str]()
    for row in rows:
        types[row.group.error_type] += row.errors
        codes[row.group.code] += row.errors
    rate = percent_of(total, items) if items else 0.0
    advice = advised.listed(batch, total, up_to=look_up_to) if batch else []
    repeated = problem_items(batch_id)
    return ErrorReport(
        batch_id=batch_id,
        total_errors=total,
        errors_by_type=dict(types.most_common()),
        errors_by_code=dict(codes.most_common()),
        error_rate=rate,
        problematic_items=[row["item"] for row in repeated],
        problem_items=repeated,
        recommendations=recommendations(rows, items, advice),
        groups=[group_of(row) for row in rows],
        findings=findings_of(batch, up_to=look_up_to) if batch else [],
        scatter=scatter_of(batch) if batch else "",
        looked_at=looked_at(batch).looked_at if batch else 0,
        advice=advice,
        recovery_plan=plans.steps_of(batch.pk) if batch else [],
    )


def group_of(row: BatchGroup) -> dict[str, Any]:
    return {
        "fingerprint": row.group.fingerprint,
        "title": row.group.title,
        "error_type": row.group.error_type,
        "code": row.group.code,
        "category": row.group.category,
        "state": row.group.state,
        "errors": row.errors,
        "items": row.items,
        "failing": row.failing,
        "set_aside": row.set_aside,
        "waiting": row.waiting,
        "first_seen": iso_utc(row.first_seen),
        "last_seen": iso_utc(row.last_seen),
    }


def problem_items(batch_id: str, limit: int = PROBLEMATIC_LIMIT) -> list[dict[str, Any]]:
    """Items with two errors or more, those with the most first."""
    worst = tried_most(ErrorRecord.objects.filter(batch=batch_id), limit, REPEATED)
    stored = ErrorRecord.objects.filter(item__in=[item for item, _ in worst if item])
    strays = ErrorRecord.objects.filter(
        batch=batch_id, item__isnull=True, item_key__in=[key for item, key in worst if not item]
    )
    fields = ("position", "finished_at")
    histories = failure_histories(stored, "item_key", *fields) | failure_histories(strays, "item_key", *fields)
    rows = [
        {
            "item": key,
            "index": history.last[0],
            "errors": history.errors,
            "different_errors": len(history.groups),
            "last_failed_at": iso_utc(history.last[1]),
        }
        for key, history in histories.items()
        if history.errors >= REPEATED
    ]
    return sorted(rows, key=lambda row: (-row["errors"], row["index"]))


def recommendations(rows: list[BatchGroup], items: int, advice: list[dict[str, Any]]) -> list[str]:
    """Plain sentences, so that every kind of error present is named: the batch's advice, as far as it was worked out.

    For the rest the same rules are asked about the counters alone. Whether the rate is high depends on `items`, which
    may be another number than the batch's own.
    """
    open_advice = [piece for piece in advice if piece["state"] == "open"]
    stored = {piece["rule"]: (piece["title"], piece["why"]) for piece in reversed(open_advice)}
    stored.pop("high_rate", None)
    counted = advise(counted_facts(rows, items))
    plain = {piece.rule: (piece.title, piece.why) for piece in counted if piece.rule == "high_rate" or not stored}
    sentences = [f"{KINDS[rule]}: {title}. {why}" for rule, (title, why) in (plain | stored).items() if rule in KINDS]
    top = max(rows, key=lambda row: row.errors, default=None)
    if top is not None and top.errors >= LEAST_OF_ONE_GROUP and "recurring" not in plain | stored:
        sentences.append(f"{KINDS['recurring']}: {quantity_are(top.errors, 'error')} the same: {top.group.title}.")
    categories = Counter[str]()
    for row in rows:
        categories[row.group.category] += row.errors
    for category, errors in categories.most_common():
        if not (plain | stored).keys() & {category, *RULES_OF.get(category, ())}:
            kind = category.replace("_", " ").capitalize()
            advice_on = CRASHED if category == "crash" else f"{kind} errors: look at the group's samples."
            sentences.append(f"{advice_on} ({quantity(errors, 'error')})")
    return sentences


def counted_facts(rows: list[BatchGroup], items: int) -> Facts:
    """What the rules of advice can be told from counters."""
    errors, failed = sum(row.errors for row in rows), min(items, sum(row.items for row in rows))
    groups = [
        GroupFacts(
            fingerprint=row.group.fingerprint,
            title=row.group.title,
            category=row.group.category,
            items=row.items,
            errors=row.errors,
            error_type=row.group.error_type,
            permanent=0 if row.group.category in MAY_PASS else row.items,
        )
        for row in rows
    ]
    return Facts(
        total=items, tried=items, failed=failed, errors=errors, attempts=items - failed + errors, groups=groups
    )


def identify_patterns(batch_id: str) -> dict[str, Any]:
    """Where errors lie together: bursts in time, runs of neighbouring items, and kinds that come back."""
    records = list(
        ErrorRecord.objects.filter(batch=arguments.checked_id(batch_id), attempt=1)
        .order_by("finished_at", "pk")
        .values_list("position", "finished_at", "error_type", "code")[:PATTERNS_LIMIT]
    )
    kinds = Counter((error_type, code) for _, _, error_type, code in records)
    return {
        "time_clustering": time_clusters([at for _, at, _, _ in records]),
        "index_patterns": [
            {"start": run[0], "end": run[-1], "count": len(run)}
            for run in runs_of(sorted({position for position, _, _, _ in records}))
        ],
        "recurring_types": [
            {"error_type": error_type, "code": code, "count": n}
            for (error_type, code), n in kinds.most_common()
            if n >= 2
        ],
    }


def time_clusters(times: list[datetime], gap: float = 5.0, least: int = 3) -> list[dict[str, Any]]:
    """Three or more failures, none later than 5 s after the one before; the times are in order."""
    clusters: list[list[datetime]] = []
    for at in times:
        if clusters and (at - clusters[-1][-1]).total_seconds() <= gap:
            clusters[-1].append(at)
        else:
            clusters.append([at])
    return [{"start": iso_utc(c[0]), "end": iso_utc(c[-1]), "count": len(c)} for c in clusters if len(c) >= least]
