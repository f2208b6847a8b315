"""A batch as the detectors see it, read from its items and error records."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any

from django.db.models import Max, Q, QuerySet

from batches.models import Batch, Item
from batches.redaction import redact
from errors.detectors import Stream, Summary
from errors.detectors.conditions import slim
from errors.detectors.findings import EVERYTHING
from errors.detectors.periods import USUAL_SIZES
from errors.findings.circumstances import FirstAttempts, first_attempts, with_circumstances
from errors.grouping.fingerprints import OTHER
from errors.models import ErrorRecord

MIN_FAILED = 5
"""Failures of one kind that are worth a look."""
MAX_GROUPS = 10
SAMPLE_SIZE = 20_000
"""Payloads looked at besides those of failed items, and at most as many of these."""
PARAMETERS_PER_STATEMENT = 900
"""SQLite takes few more."""


def summary_of(batch: Batch, peek: int = 0) -> Summary:
    """The items in front of the first one that has no outcome yet: all of them once the batch is done.

    `peek` is the number of this look at a batch that still runs; 0 for the only look at one that is over.
    """
    failures = final_failures(batch)
    total = settled_items(batch, failures)
    streams = streams_of({position: kind for position, kind in failures.items() if position < total})
    sample = sample_positions(batch.pk, total)
    first = first_attempts(batch, total) if streams else FirstAttempts()
    return Summary(
        total=total,
        streams=streams,
        order=start_order(first, total),
        started=first.started,
        ended=first.ended,
        rows=with_circumstances(batch, rows_of(batch, streams, sample, total), first),
        sample=sample,
        sizes=sorted({batch.checkpoint_every, *USUAL_SIZES}),
        peek=peek,
    )


def final_failures(batch: Batch) -> dict[int, tuple[str, str]]:
    """position -> category and fingerprint of the last failure of each item that failed, by position.

    The fingerprint is empty for the remainder of groups beyond the cap: it begins late in every batch.
    """
    last = ErrorRecord.objects.filter(
        Q(item__failed_at__isnull=False) | Q(item__isnull=True), batch=batch, final=True
    ).order_by("position", "attempt")
    kinds = last.values_list("position", "category", "group__fingerprint", "group__key")
    return {
        position: (intern(category), intern("" if key == OTHER else fingerprint))
        for position, category, fingerprint, key in kinds.iterator()
    }


def settled_items(batch: Batch, failures: Mapping[int, Any]) -> int:
    """How many items stand in front of the first one without an outcome."""
    if not batch.processor:
        return max(batch.total_items, max(failures, default=-1) + 1)
    untouched = batch.items.filter(status__in=[Item.Status.PENDING, Item.Status.RUNNING]).order_by("position")
    first = untouched.values_list("position", flat=True).first()
    if first is not None:
        return first
    last: int | None = batch.items.aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


def streams_of(failures: Mapping[int, tuple[str, str]]) -> list[Stream]:
    """All failures, those of each category, and those of the largest groups; a handful is no stream."""
    categories, groups = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for position, (category, fingerprint) in failures.items():
        categories[category].append(position)
        if fingerprint:
            groups[fingerprint].append(position)
    largest = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[:MAX_GROUPS]
    every = [(EVERYTHING, list(failures)), *sorted(categories.items()), *largest]
    distinct = {tuple(failed): name for name, failed in reversed(every) if len(failed) >= MIN_FAILED}
    return [Stream(name, failed) for failed, name in reversed(distinct.items())]


def sample_positions(seed: str, total: int) -> frozenset[int] | None:
    """Positions chosen whatever became of them, the same at every look; None: all."""
    if total <= SAMPLE_SIZE:
        return None
    return frozenset(random.Random(seed).sample(range(total), SAMPLE_SIZE))  # noqa: S311


def rows_of(
    batch: Batch, streams: Sequence[Stream], sample: frozenset[int] | None, total: int
) -> dict[int, Mapping[str, Any]]:
    """Payloads of the sample and of failed items, without their secrets, by position."""
    if not streams:
        return {}
    items = batch.items.filter(position__lt=total)
    if sample is None:
        return payloads(items)
    failed = streams[0].failed
    positions = sorted(sample.union(failed) if len(failed) <= SAMPLE_SIZE else sample)
    rows: dict[int, Mapping[str, Any]] = {}
    for start in range(0, len(positions), PARAMETERS_PER_STATEMENT):
        rows |= payloads(items.filter(position__in=positions[start : start + PARAMETERS_PER_STATEMENT]))
    return rows


def payloads(items: QuerySet[Item]) -> dict[int, Mapping[str, Any]]:
    """As much of each payload as detectors can speak of, by position."""
    rows = items.order_by().values_list("position", "payload").iterator()
    return {position: slim(redact(payload)) for position, payload in rows if isinstance(payload, dict)}


def start_order(first: FirstAttempts, total: int) -> list[int] | None:
    """Items by when their first attempt began; None if that is the input's order, or nobody knows."""
    if not first.complete:
        return None
    started = first.started
    order = sorted(started, key=lambda position: (started[position], position))
    return None if order == list(range(total)) else order
