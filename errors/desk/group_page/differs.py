"""What sets the failing items of a group apart from all others: their payloads, in natural frequencies."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from batches.models import Batch
from errors.detectors.attributes import attributes
from errors.detectors.findings import Stream, Summary, percent
from errors.findings.batch_summary import MIN_FAILED, payloads, settled_items
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, Findings

IN_PAGE_LIMIT = 5_000
"""Batches up to this size are looked at while the page waits; of larger ones it shows what the detectors found."""


def differs(batch: Batch, rollup: BatchGroup) -> dict[str, Any]:
    """The conditions, the most telling first; `looked` says at what, for when there are none."""
    if rollup.items < MIN_FAILED:
        said = f"{MIN_FAILED} failed items are needed to tell a pattern from chance; here are {rollup.items:,}."
        return {"found": [], "looked": said}
    if batch.total_items <= IN_PAGE_LIMIT and batch.processor:
        return looked_at(batch, rollup.group)
    return stored(batch, rollup.group)


def looked_at(batch: Batch, group: ErrorGroup) -> dict[str, Any]:
    """This group's items against all others of the batch that have their outcome."""
    failed = failed_so(batch, group)
    total = settled_items(batch, dict.fromkeys(failed))
    failed = [position for position in failed if position < total]
    if len(failed) < MIN_FAILED:
        said = f"{len(failed):,} of its items fail now; {MIN_FAILED} are needed to tell a pattern from chance."
        return {"found": [], "looked": said}
    rows = payloads(batch.items.filter(position__lt=total))
    summary = Summary(total=total, streams=[Stream(group.fingerprint, failed)], rows=rows)
    fields = len({name for row in rows.values() for name in row})
    said = f"{len(failed):,} items that fail so, against the other {total - len(failed):,}, by {fields:,} fields."
    return {"found": [shown(finding.as_dict()) for finding in attributes(summary)], "looked": said}


def failed_so(batch: Batch, group: ErrorGroup) -> list[int]:
    """Positions of the items whose last failure is of this kind."""
    last = ErrorRecord.objects.filter(batch=batch, group=group, attempt=F("item__attempts"))
    return sorted(last.filter(item__failed_at__isnull=False).values_list("position", flat=True))


def stored(batch: Batch, group: ErrorGroup) -> dict[str, Any]:
    """What the detectors said of this group; else of its category, or of all failures."""
    kept = Findings.objects.filter(batch=batch).first()
    found = [one for one in kept.findings if "fields" in one["where"]] if kept else []
    for stream, whose in (
        (group.fingerprint, "this error"),
        (group.category, f"all {group.category} errors of the batch"),
        ("any", "all failures of the batch"),
    ):
        if mine := [shown(one) for one in found if one["stream"] == stream]:
            return {"found": mine, "looked": f"The batch is large: this was worked out of {whose} beforehand."}
    said = "The batch is large, and nothing was found beforehand that sets these items apart."
    return {"found": [], "looked": said if kept else "The batch is large, and its failures were not looked at yet."}


def shown(one: dict[str, Any]) -> dict[str, Any]:
    """With the length of its bars, in thousandths."""
    here = one["failed"] / one["size"] if one["size"] else 0
    elsewhere = one["others_failed"] / one["others"] if one["others"] else 0
    return {
        **one,
        "bars": [
            bar(f"items with {one['text']}", one["failed"], one["size"], here),
            bar("all others", one["others_failed"], one["others"], elsewhere),
        ],
        "by_chance": by_chance(one["p"]),
    }


def by_chance(p: float) -> str:
    """How often chance alone would do as much."""
    for least, words in ((1e-6, "less than once in a million batches"), (1e-3, "less than once in a thousand batches")):
        if p <= least:
            return words
    return f"about once in {1 / p:,.0f} batches" if p < 0.5 else "often"


def bar(whose: str, failed: int, size: int, rate: float) -> dict[str, Any]:
    return {"whose": whose, "failed": failed, "size": size, "percent": percent(rate), "width": round(1000 * rate, 1)}
