"""What the detectors say about a batch: read from its records, found once, kept until there is more to see."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from sys import intern
from typing import Any

from django.db.models import Max, Q, QuerySet, Sum
from django.utils import timezone

from batches.models import Batch, Item
from batches.redaction import redact
from errors.detectors import Finding, Stream, Summary, find
from errors.detectors.conditions import slim
from errors.detectors.periods import USUAL_SIZES
from errors.detectors.runs import scattered
from errors.findings.circumstances import FirstAttempts, first_attempts, with_circumstances
from errors.findings.problem_items import problem_items
from errors.models import AdviceRevision, BatchGroup, ErrorRecord, Findings

LEAST_FAILED = 5
MOST_GROUPS = 10
DRAWN = 20_000
"""Payloads looked at besides those of failed items, and at most as many of these."""
LOOK_EVERY = timedelta(seconds=30)
GROWTH = 1.1
AT_ONCE = 200_000
"""Batches up to this size are looked at while their report is asked for."""
IN_PAGE = 5_000
"""And up to this size, while a page is."""
STRETCHES = 400
"""What lies closer than this part of the whole is drawn as one."""


def findings(batch: Batch, *, large: bool = True, most: int = AT_ONCE) -> list[dict[str, Any]]:
    """The batch's findings, strongest first; the stored ones while they are current, or if it is too large for now."""
    stored = Findings.objects.filter(batch=batch).first()
    errors = BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors"))["n"] or 0
    if errors < LEAST_FAILED:
        return []
    if (stored and is_current(stored, batch, errors)) or (not large and batch.total_items > most):
        return list(stored.findings) if stored else []
    return looked_at(batch, stored, errors)


def is_current(stored: Findings, batch: Batch, errors: int) -> bool:
    """A running batch is looked at now and then, as every look spends of the false-alarm budget."""
    if stored.errors == errors and stored.finished_at == batch.finished_at:
        return True
    soon = timezone.now() < stored.at + LOOK_EVERY or errors < GROWTH * stored.errors
    return bool(batch.processor) and batch.finished_at is None and soon


def looked_at(batch: Batch, stored: Findings | None, errors: int) -> list[dict[str, Any]]:
    looks = stored.looks + 1 if stored else 1
    peek = 0 if looks == 1 and batch.finished_at else looks
    summary = summary_of(batch, peek)
    seen = find(summary)
    times = times_of(batch, frozenset().union(*(one.items for one in seen)))
    found = [as_dict(one) | drawn(one, batch.total_items, times) for one in seen]
    known = {
        "findings": found,
        "scatter": scattered(summary.streams[0].failed, summary.total) if summary.streams else "",
        "problems": problem_items(batch),
        "looks": looks,
        "errors": errors,
        "finished_at": batch.finished_at,
        "at": timezone.now(),
    }
    Findings.objects.update_or_create(batch=batch, defaults=known)
    return found


def large_and_over(since: datetime) -> list[str]:
    """Batches too large to be looked at while a page is made, that came to their end since then."""
    over = Batch.objects.filter(total_items__gt=IN_PAGE, finished_at__gt=since, error_groups__isnull=False)
    return list(over.order_by().values_list("pk", flat=True).distinct())


def is_due(batch: Batch) -> bool:
    """Whether another look would see more than the stored one did, or say what to do about it."""
    errors = BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors"))["n"] or 0
    stored = Findings.objects.filter(batch=batch).first()
    if errors < LEAST_FAILED:
        return False
    return stored is None or not is_current(stored, batch, errors) or is_ahead(stored, batch)


def is_ahead(stored: Findings, batch: Batch) -> bool:
    """The advice on a finished batch is worked out right after its findings; until then somebody is at it."""
    said = AdviceRevision.objects.filter(batch=batch).first()
    return batch.finished_at is not None and (said is None or said.at < stored.at)


def times_of(batch: Batch, positions: frozenset[int]) -> dict[int, float]:
    """When the items of findings failed last, in seconds since 1970."""
    if not positions:
        return {}
    last = ErrorRecord.objects.filter(batch=batch, final=True).order_by()
    rows = last.values_list("position", "finished_at").iterator()
    return {position: at.timestamp() for position, at in rows if position in positions}


def drawn(found: Finding, total: int, times: Mapping[int, float]) -> dict[str, Any]:
    """Where its failures lie by position and in time: from, to; neighbours that no picture can tell apart are one."""
    moments = [times[position] for position in found.items if position in times]
    span = max(times.values(), default=0.0) - min(times.values(), default=0.0)
    return {
        "stretches": stretches(found.items, total / STRETCHES),
        "times": [[round(first, 3), round(last, 3)] for first, last in stretches(moments, span / STRETCHES)],
    }


def stretches(points: Iterable[float], near: float) -> list[list[float]]:
    found: list[list[float]] = []
    for point in sorted(points):
        if found and point - found[-1][1] <= max(near, 1 if isinstance(point, int) else 0):
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


def scatter_of(batch: Batch) -> str:
    """Whether the failures clump, in a sentence, as they were looked at last."""
    return Findings.objects.filter(batch=batch).values_list("scatter", flat=True).first() or ""


def as_dict(found: Finding) -> dict[str, Any]:
    return {
        "detector": found.detector,
        "stream": found.stream,
        "text": found.text,
        "sentence": found.sentence,
        "failed": found.failed,
        "size": found.size,
        "others_failed": found.others_failed,
        "others": found.others,
        "p": found.p,
        "confidence": found.confidence,
        "also": list(found.also),
        "note": found.note,
        "where": {name: list(value) if isinstance(value, tuple) else value for name, value in found.where.items()},
    }


def summary_of(batch: Batch, peek: int = 0) -> Summary:
    """The items in front of the first one that has no outcome yet: all of them once the batch is done."""
    failures = failed_finally(batch)
    total = seen_items(batch, failures)
    streams = streams_of({position: kind for position, kind in failures.items() if position < total})
    drawn = drawn_from(batch.pk, total)
    first = first_attempts(batch, total) if streams else FirstAttempts()
    return Summary(
        total=total,
        streams=streams,
        order=finish_order(first, total),
        finished=first.finished,
        rows=with_circumstances(batch, rows_of(batch, streams, drawn, total), first),
        sample=drawn,
        sizes=sorted({batch.checkpoint_every, *USUAL_SIZES}),
        peek=peek,
    )


def failed_finally(batch: Batch) -> dict[int, tuple[str, str]]:
    """position -> category and fingerprint of the last failure of each item that failed, by position."""
    last = ErrorRecord.objects.filter(
        Q(item__failed_at__isnull=False) | Q(item__isnull=True), batch=batch, final=True
    ).order_by("position", "attempt")
    kinds = last.values_list("position", "category", "group__fingerprint")
    return {position: (intern(category), intern(fingerprint)) for position, category, fingerprint in kinds.iterator()}


def seen_items(batch: Batch, failures: Mapping[int, Any]) -> int:
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
        groups[fingerprint].append(position)
    largest = sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))[:MOST_GROUPS]
    every = [("any", list(failures)), *sorted(categories.items()), *largest]
    distinct = {tuple(failed): name for name, failed in reversed(every) if len(failed) >= LEAST_FAILED}
    return [Stream(name, failed) for failed, name in reversed(distinct.items())]


def drawn_from(seed: str, total: int) -> frozenset[int] | None:
    """Positions chosen whatever became of them, the same at every look; None: all."""
    if total <= DRAWN:
        return None
    return frozenset(random.Random(seed).sample(range(total), DRAWN))  # noqa: S311


def rows_of(
    batch: Batch, streams: Sequence[Stream], drawn: frozenset[int] | None, total: int
) -> dict[int, Mapping[str, Any]]:
    """Payloads without their secrets, by position."""
    if not streams:
        return {}
    items = batch.items.filter(position__lt=total)
    if drawn is None:
        return payloads(items)
    failed = streams[0].failed
    wanted = sorted(drawn.union(failed) if len(failed) <= DRAWN else drawn)
    rows: dict[int, Mapping[str, Any]] = {}
    for start in range(0, len(wanted), 900):  # SQLite takes no more parameters
        rows |= payloads(items.filter(position__in=wanted[start : start + 900]))
    return rows


def payloads(items: QuerySet[Item]) -> dict[int, Mapping[str, Any]]:
    rows = items.order_by().values_list("position", "payload").iterator()
    return {position: slim(redact(payload)) for position, payload in rows if isinstance(payload, dict)}


def finish_order(first: FirstAttempts, total: int) -> list[int] | None:
    """Items by when their first attempt was over; None if that is the input's order, or nobody knows."""
    if not first.complete:
        return None
    finished = first.finished
    order = sorted(finished, key=lambda position: (finished[position], position))
    return None if order == list(range(total)) else order
