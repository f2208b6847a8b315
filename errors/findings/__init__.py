"""What the detectors say about a batch: worked out once, kept until there is more to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from batches.lanes.lane_counts import counters_of
from batches.models import Batch
from batches.wording import quantity
from errors.detectors import find
from errors.detectors.findings import Finding, Summary
from errors.detectors.runs import LIKE_CHANCE, scattered
from errors.findings.batch_summary import MIN_FAILED, summary_of
from errors.findings.problem_items import problem_items
from errors.findings.stretches import last_failure_times, marks_of
from errors.models import AdviceRevision, BatchGroup, Findings

LOOK_INTERVAL = timedelta(seconds=30)
GROWTH = 1.1
"""A running batch is looked at again when its errors are this many times those of the last look."""
IN_REPORT_LIMIT = 200_000
"""Items of a batch that is looked at while a program of ours asks for its report."""
IN_PAGE_LIMIT = 5_000
"""Items of a batch that is looked at while a page or an answer of REST waits for it."""


def findings_of(batch: Batch, *, up_to: int | None = None) -> list[dict[str, Any]]:
    """The batch's findings, the strongest first: the stored ones while they are current, else worked out anew.

    A batch of more than `up_to` items is not looked at now: what is stored is all there is until a worker has.
    """
    stored = Findings.objects.filter(batch=batch).first()
    errors = errors_of(batch)
    if errors < MIN_FAILED:
        return []
    too_large = up_to is not None and batch.total_items > up_to
    if too_large or (stored and is_current(stored, batch, errors)):
        return list(stored.findings) if stored else []
    return work_out(batch, stored, errors)


def errors_of(batch: Batch) -> int:
    """Failed attempts, by the counters of the batch's groups."""
    return int(BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors", default=0))["n"])


def is_current(stored: Findings, batch: Batch, errors: int) -> bool:
    """A running batch is looked at now and then only, as every look spends of the false-alarm budget."""
    if stored.errors == errors and stored.finished_at == batch.finished_at:
        return True
    soon = timezone.now() < stored.at + LOOK_INTERVAL or errors < GROWTH * stored.errors
    return bool(batch.processor) and batch.finished_at is None and soon


def work_out(batch: Batch, stored: Findings | None, errors: int) -> list[dict[str, Any]]:
    """Look at the batch, store what there is to see, and answer the findings."""
    looks = stored.looks + 1 if stored else 1
    summary = summary_of(batch, peek=0 if looks == 1 and batch.finished_at else looks)
    seen = find(summary)
    times = last_failure_times(batch, frozenset().union(*(finding.items for finding in seen)))
    findings = [
        finding.as_dict() | marks_of(finding, batch.total_items, times) | {"looked_at": summary.total}
        for finding in seen
    ]
    values = {
        "findings": findings,
        "scatter": scatter_beside(seen, summary, is_part=summary.total < batch.total_items),
        "problems": problem_items(batch),
        "looks": looks,
        "items": summary.total,
        "errors": errors,
        "finished_at": batch.finished_at,
        "at": timezone.now(),
    }
    Findings.objects.update_or_create(batch=batch, defaults=values)
    return findings


def scatter_beside(findings: Sequence[Finding], summary: Summary, *, is_part: bool) -> str:
    """Whether the failures clump, in a sentence; none beside a pattern, and over a part nothing of chance."""
    if not summary.streams or any(not finding.by_chance for finding in findings):
        return ""
    sentence = scattered(summary.ranks_of(summary.streams[0].failed), summary.total)
    return "" if sentence == LIKE_CHANCE and is_part else sentence


def scatter_of(batch: Batch) -> str:
    """Whether the failures clump, in a sentence, as of the last look."""
    return Findings.objects.filter(batch=batch).values_list("scatter", flat=True).first() or ""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """How much of a batch the last look was at: `looked_at` of its `items`."""

    looked_at: int
    items: int

    @property
    def is_part(self) -> bool:
        return self.looked_at < self.items

    @property
    def text(self) -> str:
        """`Looked at 19,981 of 20,000 items.`; empty if that was all of them."""
        return f"Looked at {self.looked_at:,} of {quantity(self.items, 'item')}." if self.is_part else ""


def looked_at(batch: Batch, done: int | None = None) -> LookedAt:
    """As of the last look; a batch that nobody has looked at was looked at as far as it is `done`."""
    items = Findings.objects.filter(batch=batch).values_list("items", flat=True).first()
    if items is None:
        items = sum(counters_of(batch.pk).values()) if done is None else done
    return LookedAt(items if batch.processor else batch.total_items, batch.total_items)


def large_batches_over_since(moment: datetime) -> list[str]:
    """Batches with errors, too large to be looked at while a page is made, that came to their end since then."""
    over = Batch.objects.filter(total_items__gt=IN_PAGE_LIMIT, finished_at__gt=moment, error_groups__isnull=False)
    return list(over.order_by().values_list("pk", flat=True).distinct())


def is_due(batch: Batch) -> bool:
    """Whether another look would see more than the stored one did, or say what to do about it."""
    errors = errors_of(batch)
    if errors < MIN_FAILED:
        return False
    stored = Findings.objects.filter(batch=batch).first()
    return stored is None or not is_current(stored, batch, errors) or lacks_advice(stored, batch)


def lacks_advice(stored: Findings, batch: Batch) -> bool:
    """The advice on a finished batch is worked out right after its findings; until then a worker is at it."""
    revision = AdviceRevision.objects.filter(batch=batch).first()
    return batch.finished_at is not None and (revision is None or revision.at < stored.at)
