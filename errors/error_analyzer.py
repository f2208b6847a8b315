"""The error report of a batch: counted from rollups, said in words."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from batches import adhoc
from batches.clock import iso_utc
from batches.lanes.outcomes import Failure, storable
from batches.models import Batch, Item
from batches.signals import item_failed
from errors.findings import findings, scatter_of
from errors.models import MANY_ATTEMPTS, BatchGroup, ErrorRecord
from errors.recovery import plans
from errors.recovery import recommendations as advised

MANY = 50.0
PROBLEMATIC = 100
ADVICE = {
    "timeout": "Timeouts: consider a longer time limit, or look at what the slow items have in common.",
    "rate_limit": "Rate limits: lower the concurrency or the rate, then retry the items that were turned away.",
    "validation": "Validation errors: check the format of the input; correct these rows and submit them again.",
    "network": "Network errors: check connectivity to the other side, then retry these items.",
    "upstream": "The other side answered with errors: check its state, then retry these items.",
    "crash": "Some items kill their worker: they are set aside. Look at them before you retry them.",
}


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """`error_rate` is errors / total items x 100, floored to one decimal."""

    batch_id: str
    total_errors: int
    errors_by_type: dict[str, int]
    errors_by_code: dict[str, int]
    error_rate: float
    problematic_items: list[dict[str, Any]]
    recommendations: list[str]
    groups: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    scatter: str = ""
    advice: list[dict[str, Any]] = field(default_factory=list)
    recovery_plan: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def record_error(
    batch_id: str,
    item_id: str,
    item_index: int,
    error: BaseException,
    error_code: str = "",
    attempt: int | None = None,
) -> None:
    """Record one failed attempt of an item; the batch need not exist yet. An attempt is recorded once."""
    key = adhoc.checked_item(item_id)
    now = timezone.now()
    with transaction.atomic():
        batch = adhoc.locked_batch(batch_id)
        earlier = ErrorRecord.objects.filter(batch=batch, item__isnull=True, item_key=key)
        if attempt is not None and earlier.filter(attempt=attempt).exists():
            return
        failure = Failure(
            item_id=0,
            item_key=key,
            position=int(item_index),
            payload=Item.objects.filter(batch=batch, key=key).values_list("payload", flat=True).first() or {},
            attempt=attempt or (earlier.aggregate(last=Max("attempt"))["last"] or 0) + 1,
            exception=error,
            code=storable(str(error_code))[:64],
            final=True,
            started_at=now,
            finished_at=now,
            worker="",
        )
        item_failed.send(Batch, batch=batch, failures=[failure])


def aggregate_errors(batch_id: str, total_items: int | None = None) -> ErrorReport:
    """Everything there is to say about a batch's errors. `total_items` defaults to what the batch says it has."""
    batch = Batch.objects.filter(pk=adhoc.checked_id(batch_id)).first()
    rows = list(BatchGroup.objects.filter(batch=batch_id).select_related("group").order_by("-errors", "group__title"))
    total = sum(row.errors for row in rows)
    items = (batch.total_items if batch else 0) if total_items is None else total_items
    types, codes, categories = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        types[row.group.error_type] += row.errors
        codes[row.group.code] += row.errors
        categories[row.group.category] += row.errors
    rate = math.floor(1000 * total / items) / 10 if items else 0.0
    return ErrorReport(
        batch_id=batch_id,
        total_errors=total,
        errors_by_type=dict(types.most_common()),
        errors_by_code=dict(codes.most_common()),
        error_rate=rate,
        problematic_items=problematic_items(batch_id),
        recommendations=recommendations(rate, categories, rows),
        groups=[group_of(row) for row in rows],
        findings=findings(batch, large=False) if batch else [],
        scatter=scatter_of(batch) if batch else "",
        advice=advised.listed(batch, total, large=False) if batch else [],
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
        "first_seen": iso_utc(row.first_seen),
        "last_seen": iso_utc(row.last_seen),
    }


def problematic_items(batch_id: str, most: int = PROBLEMATIC) -> list[dict[str, Any]]:
    """Items with three failed attempts or more, those with the most first; read by index, not by counting records."""
    high = ErrorRecord.objects.filter(batch=batch_id, attempt__gte=MANY_ATTEMPTS).order_by("-attempt", "position")
    worst = list(dict.fromkeys(high.values_list("item", "item_key")[: 10 * most]))[:most]
    theirs = Q(item__in=[item for item, _ in worst if item]) | Q(
        batch=batch_id, item__isnull=True, item_key__in=[key for item, key in worst if not item]
    )
    rows = ErrorRecord.objects.filter(theirs).order_by().values("item_key")
    counted = rows.annotate(
        errors=Count("pk"), index=Min("position"), kinds=Count("group", distinct=True), last=Max("finished_at")
    )
    return [
        {
            "item": row["item_key"],
            "index": row["index"],
            "errors": row["errors"],
            "different_errors": row["kinds"],
            "last_failed_at": iso_utc(row["last"]),
        }
        for row in sorted(counted, key=lambda row: (-row["errors"], row["index"]))
        if row["errors"] >= MANY_ATTEMPTS
    ]


def recommendations(rate: float, categories: Counter[str], rows: list[BatchGroup]) -> list[str]:
    """Plain advice: every kind of error present is named."""
    said = []
    if rate > MANY:
        said.append(f"High error rate ({rate:g} %): review the input before running more of it.")
    for category, count in categories.most_common():
        advice = ADVICE.get(category, f"{category.replace('_', ' ').capitalize()} errors: look at the group's samples.")
        said.append(f"{advice} ({count:,} errors)")
    top = rows[0] if rows else None
    if top is not None and top.errors >= 3:
        said.append(f"Recurring error: {top.group.title!r} ({top.errors:,} times). Investigate its root cause.")
    return said


def identify_patterns(batch_id: str) -> dict[str, Any]:
    """Where errors lie together: bursts in time, runs of neighbouring items, and kinds that come back."""
    records = list(
        ErrorRecord.objects.filter(batch=adhoc.checked_id(batch_id), attempt=1)
        .order_by("finished_at", "pk")
        .values_list("position", "finished_at", "error_type", "code")[:200_000]
    )
    kinds = Counter((error_type, code) for _, _, error_type, code in records)
    return {
        "time_clustering": time_clusters([at for _, at, _, _ in records]),
        "index_patterns": runs(sorted({position for position, _, _, _ in records})),
        "recurring_types": [
            {"error_type": error_type, "code": code, "count": n}
            for (error_type, code), n in kinds.most_common()
            if n >= 2
        ],
    }


def time_clusters(times: list[Any], gap: float = 5.0, least: int = 3) -> list[dict[str, Any]]:
    clusters: list[list[Any]] = []
    for at in times:
        if clusters and (at - clusters[-1][-1]).total_seconds() <= gap:
            clusters[-1].append(at)
        else:
            clusters.append([at])
    return [{"start": iso_utc(c[0]), "end": iso_utc(c[-1]), "count": len(c)} for c in clusters if len(c) >= least]


def runs(positions: list[int], least: int = 3) -> list[dict[str, Any]]:
    """Three or more failed items in a row."""
    found: list[list[int]] = []
    for position in positions:
        if found and position == found[-1][-1] + 1:
            found[-1].append(position)
        else:
            found.append([position])
    return [{"start": run[0], "end": run[-1], "count": len(run)} for run in found if len(run) >= least]
