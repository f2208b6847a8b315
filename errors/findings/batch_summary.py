"""A batch as the detectors see it, read from its items and error records."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from sys import intern
from typing import Any

from django.db.models import Q, QuerySet

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
    """The items that have an outcome, wherever they stand: all of them once the batch is done.

    `peek` is the number of this look at a batch that still runs; 0 for the only look at one that is over.
    """
    failures = final_failures(batch)
    positions = settled_positions(batch, failures)
    settled = frozenset(positions)
    streams = streams_of({position: kind for position, kind in failures.items() if position in settled})
    sample = sample_positions(batch.pk, positions)
    first = first_attempts(batch, settled) if streams else FirstAttempts()
    rows = rows_of(batch, streams, sample, settled)
    return Summary(
        total=len(positions),
        streams=streams,
        order=start_order(first, positions),
        started=first.started,
        ended=first.ended,
        rows=with_circumstances(batch, rows, first),
        sample=sample,
        sizes=sorted({batch.checkpoint_every, *USUAL_SIZES}),
        peek=peek,
        positions=None if isinstance(positions, range) else positions,
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


def settled_positions(batch: Batch, failures: Mapping[int, Any]) -> Sequence[int]:
    """Where the items that have an outcome stand, in the input's order; a range if none is missing between them."""
    if not batch.processor:
        return range(max(batch.total_items, max(failures, default=-1) + 1))
    settled = batch.items.exclude(status__in=[Item.Status.PENDING, Item.Status.RUNNING]).order_by("position")
    positions = list(settled.values_list("position", flat=True))
    return range(len(positions)) if not positions or positions[-1] == len(positions) - 1 else positions


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


def sample_positions(seed: str, positions: Sequence[int]) -> frozenset[int] | None:
    """Positions chosen whatever became of their items; None: all."""
    if len(positions) <= SAMPLE_SIZE:
        return None
    return frozenset(random.Random(seed).sample(positions, SAMPLE_SIZE))  # noqa: S311


def rows_of(
    batch: Batch, streams: Sequence[Stream], sample: frozenset[int] | None, settled: Collection[int]
) -> dict[int, Mapping[str, Any]]:
    """Payloads of the sample and of failed items, without their secrets, by position."""
    if not streams:
        return {}
    if sample is None:
        return {position: row for position, row in payloads(batch.items.all()).items() if position in settled}
    failed = streams[0].failed
    positions = sorted(sample.union(failed) if len(failed) <= SAMPLE_SIZE else sample)
    rows: dict[int, Mapping[str, Any]] = {}
    for start in range(0, len(positions), PARAMETERS_PER_STATEMENT):
        rows |= payloads(batch.items.filter(position__in=positions[start : start + PARAMETERS_PER_STATEMENT]))
    return rows


def payloads(items: QuerySet[Item]) -> dict[int, Mapping[str, Any]]:
    """As much of each payload as detectors can speak of, by position."""
    rows = items.order_by().values_list("position", "payload").iterator()
    return {position: slim(redact(payload)) for position, payload in rows if isinstance(payload, dict)}


def start_order(first: FirstAttempts, positions: Sequence[int]) -> list[int] | None:
    """Items by when their first attempt began; None if that is the input's order, or nobody knows."""
    if not first.complete:
        return None
    started = first.started
    order = sorted(started, key=lambda position: (started[position], position))
    return None if order == list(positions) else order
