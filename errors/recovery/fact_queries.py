"""What the rules of advice read of a batch, in a number of queries that does not grow with its errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean

from django.db.models import Count, F, Sum
from django.db.models.functions import TruncMinute

from batches.isolation.time_limits import longest_item_timeout
from batches.models import Batch, Checkpoint, Item
from batches.processors import all_processors
from errors.advice.concurrency import concurrency_target
from errors.advice.facts import Facts, History
from errors.advice.problems import Problem
from errors.advice.recurring import HISTORY_BATCHES
from errors.advice.rules.group_advice import LEAST_ERRORS
from errors.advice.timeouts import Verdict, timeout_verdict
from errors.findings import findings_of
from errors.findings.failure_kinds import kinds_of
from errors.findings.problem_items import histories_of, judged, problem_candidates
from errors.models import BatchGroup, ErrorRecord
from errors.recovery import retry_windows
from errors.recovery.group_facts import group_facts, records_of_failed_items

DURATIONS_READ = 20_000
"""Successes whose durations are read; the timeouts beside them are counted in proportion."""
PROBLEMS_READ = 200


@dataclass(frozen=True, slots=True)
class Counts:
    """Of items: how many succeeded or were skipped, how many failed finally, and how many were tried at all."""

    succeeded: int
    failed: int
    tried: int


def facts_of(batch: Batch) -> Facts:
    rows = list(BatchGroup.objects.filter(batch=batch).select_related("group__assignee").order_by("-errors", "pk"))
    errors = sum(row.errors for row in rows)
    if not errors:
        return Facts(batch.total_items, 0, 0, 0, 0)
    counts = counts_of(batch, rows)
    durations = durations_of(batch)
    item_seconds = mean(durations) if durations else 0.0
    history, errors_before = history_of(batch)
    return Facts(
        total=max(batch.total_items, counts.tried),
        tried=counts.tried,
        failed=counts.failed,
        errors=errors,
        attempts=counts.succeeded + errors,
        active=batch.status in Batch.WORKABLE,
        groups=group_facts(batch, rows, errors_before),
        timeout_verdict=verdict_of(batch, rows, durations, counts.succeeded),
        timeout_seconds=timeout_seconds_of(batch, rows),
        item_timeout=batch.item_timeout,
        timeout_bound=longest_item_timeout(),
        concurrency=batch.concurrency,
        parallel=parallel_of(batch),
        concurrency_target=target_of(batch, rows, item_seconds),
        item_seconds=item_seconds,
        max_attempts=batch.max_attempts,
        findings=retry_windows.with_scopes(batch, findings_of(batch)),
        history=history,
        problems=problems_of(batch),
    )


def counts_of(batch: Batch, rows: Sequence[BatchGroup]) -> Counts:
    """From the lanes' counters; a batch of the Python API has none, and its items fail at most all."""
    if not batch.processor:
        failing = sum(row.items for row in rows)
        failed = min(failing, batch.total_items or failing)
        return Counts(succeeded=0, failed=failed, tried=max(batch.total_items, failed))
    sums = Checkpoint.objects.filter(batch=batch).aggregate(
        succeeded=Sum(F("succeeded") + F("skipped"), default=0), failed=Sum(F("failed") + F("quarantined"), default=0)
    )
    return Counts(sums["succeeded"], sums["failed"], sums["succeeded"] + sums["failed"])


def durations_of(batch: Batch) -> list[float]:
    """Seconds that the first successes by position took."""
    done = batch.items.filter(status=Item.Status.SUCCEEDED, started_at__isnull=False, finished_at__isnull=False)
    times = done.order_by("position").values_list("started_at", "finished_at")[:DURATIONS_READ]
    return [(finished - started).total_seconds() for started, finished in times if started and finished]


def parallel_of(batch: Batch) -> int:
    """Calls that each lane has under way side by side."""
    its = (processor for processor in all_processors() if processor.name == batch.processor)
    return next((processor.parallel for processor in its if processor.effects == "external"), 1)


def errors_in(rows: Sequence[BatchGroup], category: str) -> int:
    return sum(row.errors for row in rows if row.group.category == category)


def verdict_of(batch: Batch, rows: Sequence[BatchGroup], durations: Sequence[float], succeeded: int) -> Verdict | None:
    """Whether more time would help; None with too few timeouts."""
    timeouts = errors_in(rows, "timeout")
    if timeouts < LEAST_ERRORS:
        return None
    share_read = len(durations) / succeeded if succeeded > len(durations) > 0 else 1.0
    return timeout_verdict(durations, timeouts * share_read, batch.item_timeout)


def timeout_seconds_of(batch: Batch, rows: Sequence[BatchGroup]) -> tuple[float, float] | None:
    """Between which durations four fifths of the timeouts lie, in seconds; None with too few of them."""
    if errors_in(rows, "timeout") < LEAST_ERRORS:
        return None
    timed_out = ErrorRecord.objects.filter(batch=batch, category="timeout").order_by("pk")
    times = timed_out.values_list("started_at", "finished_at")[:DURATIONS_READ]
    seconds = sorted((finished - started).total_seconds() for started, finished in times)
    return (seconds[len(seconds) // 10], seconds[-1 - len(seconds) // 10]) if seconds else None


def target_of(batch: Batch, rows: Sequence[BatchGroup], item_seconds: float) -> int | None:
    """The concurrency that the other side bears, from the minutes in which it turned something away."""
    if errors_in(rows, "rate_limit") < LEAST_ERRORS:
        return None
    turned_away = ErrorRecord.objects.filter(batch=batch, category="rate_limit").order_by()
    minutes = turned_away.annotate(minute=TruncMinute("finished_at")).values_list("minute", flat=True).distinct()
    done = batch.items.filter(status=Item.Status.SUCCEEDED, finished_at__isnull=False).order_by()
    by_minute = done.annotate(minute=TruncMinute("finished_at")).values_list("minute").annotate(n=Count("pk"))
    succeeded: dict[datetime, int] = dict(by_minute)
    return concurrency_target([succeeded[minute] for minute in minutes if minute in succeeded], item_seconds)


def history_of(batch: Batch) -> tuple[History, dict[int, list[int]]]:
    """The last finished batches of the processor, and group -> errors in each of them that saw it."""
    errors_before: dict[int, list[int]] = defaultdict(list)
    if not batch.processor:
        return History(), errors_before
    earlier = Batch.objects.filter(
        processor=batch.processor, status=Batch.Status.COMPLETED, created_at__lt=batch.created_at
    ).exclude(pk=batch.pk)
    sizes = dict(earlier.order_by("-created_at").values_list("pk", "total_items")[:HISTORY_BATCHES])
    failed: dict[str, int] = defaultdict(int)
    rows = BatchGroup.objects.filter(batch__in=list(sizes)).order_by()
    for pk, group, errors, items in rows.values_list("batch", "group", "errors", "items"):
        errors_before[group].append(errors)
        failed[pk] += items
    rates = [failed[pk] / max(1, size) for pk, size in sizes.items()]
    return History(len(sizes), rates), errors_before


def problems_of(batch: Batch) -> list[Problem]:
    """Failed items with many attempts or crashes, the worst first, but for those that are quarantined."""
    items = problem_candidates(batch, records_of_failed_items(batch), PROBLEMS_READ)
    histories, kinds = histories_of(items), kinds_of(batch)
    return [judged(item, histories[item.pk], kinds) for item in items]
