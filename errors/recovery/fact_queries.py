"""What the rules of advice read of a batch, in a number of queries that does not grow with its errors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from statistics import mean, median
from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import TruncMinute

from batches.isolation.time_limits import longest_item_timeout
from batches.lifecycle.quarantined_items import quarantined_by_person
from batches.models import AsideItem, Batch, Checkpoint, Item, RetriedItem
from errors.advice.concurrency import concurrency_target
from errors.advice.facts import Facts, Group, History
from errors.advice.problems import Problem, TwoKinds, prior_kinds, problem
from errors.advice.recurring import LAST
from errors.advice.rules import LEAST
from errors.advice.timeouts import Verdict, timeout_verdict
from errors.findings import findings
from errors.findings.failure_kinds import kinds_of
from errors.models import MANY_ATTEMPTS, BatchGroup, ErrorRecord, GroupChange
from errors.recovery import retry_windows

DURATIONS = 20_000
"""Successes whose durations are read; the timeouts beside them are counted in proportion."""
PROBLEMS = 200


def facts_of(batch: Batch) -> Facts:
    """Everything the rules want to know."""
    rows = list(BatchGroup.objects.filter(batch=batch).select_related("group__assignee").order_by("-errors", "pk"))
    errors = sum(row.errors for row in rows)
    if not errors:
        return Facts(batch.total_items, 0, 0, 0, 0)
    counts = counts_of(batch, rows)
    durations = durations_of(batch)
    seconds = mean(durations) if durations else 0.0
    kinds = kinds_of(batch)
    history, seen = history_of(batch)
    return Facts(
        total=max(batch.total_items, counts["tried"]),
        tried=counts["tried"],
        failed=counts["failed"],
        errors=errors,
        attempts=counts["succeeded"] + errors,
        active=batch.status in (Batch.Status.QUEUED, Batch.Status.RUNNING),
        groups=groups_of(batch, rows, seen),
        verdict=verdict_of(batch, rows, durations, counts["succeeded"]),
        item_timeout=batch.item_timeout,
        longest=longest_item_timeout(),
        concurrency=batch.concurrency,
        target=target_of(batch, rows, seconds),
        seconds=seconds,
        max_attempts=batch.max_attempts,
        findings=retry_windows.scoped(batch, findings(batch)),
        history=history,
        problems=problems_of(batch, kinds),
        kinds=kinds,
    )


def counts_of(batch: Batch, rows: list[BatchGroup]) -> dict[str, int]:
    """From the lanes' counters; a batch of the Python API has none, and its items fail at most all."""
    if not batch.processor:
        failed = min(sum(row.items for row in rows), batch.total_items or sum(row.items for row in rows))
        return {"succeeded": 0, "failed": failed, "tried": max(batch.total_items, failed)}
    found = Checkpoint.objects.filter(batch=batch).aggregate(
        ok=Sum("succeeded", default=0),
        skipped=Sum("skipped", default=0),
        failed=Sum(F("failed") + F("quarantined"), default=0),
    )
    done = found["ok"] + found["skipped"]
    return {"succeeded": done, "failed": found["failed"], "tried": done + found["failed"]}


def failed_by_group(batch: Batch) -> dict[int, int]:
    """group -> items that failed finally, by their last error, and are not set aside."""
    last = ErrorRecord.objects.filter(batch=batch, item__failed_at__isnull=False, attempt=F("item__attempts"))
    last = last.exclude(item__in=AsideItem.objects.filter(aside__batch=batch, back_at__isnull=True).values("item"))
    return dict(last.order_by().values_list("group").annotate(n=Count("pk")))


def groups_of(batch: Batch, rows: list[BatchGroup], seen: Mapping[int, list[int]]) -> list[Group]:
    failed = failed_by_group(batch) if batch.processor else {row.group_id: row.items for row in rows}
    retried, notes, waits = retried_by_group(batch), last_notes(rows), asked_waits(batch, rows)
    named = named_fields(batch, rows)
    return [
        Group(
            fingerprint=row.group.fingerprint,
            title=row.group.title,
            category=row.group.category,
            items=failed.get(row.group_id, 0),
            errors=row.errors,
            tried=retried.get(row.group_id, (0, 0))[0],
            worked=retried.get(row.group_id, (0, 0))[1],
            recent=len(seen.get(row.group_id, [])),
            usual=round(median(seen[row.group_id])) if row.group_id in seen else 0,
            first_seen=f"{row.group.first_seen:%Y-%m-%d}",
            owner=row.group.assignee.get_username() if row.group.assignee else "",
            last_note=notes.get(row.group_id, ""),
            fields=fields_in(row.group.title, named.get(row.group_id, [])),
            asked_wait=waits.get(row.group_id, 0.0),
        )
        for row in rows
    ]


NOTE = 300
TOP = 5
PLACEHOLDER = re.compile(r"<([^<>]{1,100})>")
KINDS = {"num", "id", "str", "url", "email", "uuid", "ip", "date", "time", "hex", "path"}
"""Placeholders of a template that are no fields."""


def last_notes(rows: list[BatchGroup]) -> dict[int, str]:
    """What people wrote last about groups, by group."""
    notes = GroupChange.objects.filter(group__in=[row.group_id for row in rows], verb="note").order_by("pk")
    return {group: text[:NOTE] for group, text in notes.values_list("group", "reason")}


def asked_waits(batch: Batch, rows: list[BatchGroup]) -> dict[int, float]:
    """The longest wait that was asked for, by group of rate limits."""
    groups = [row.group_id for row in rows if row.group.category == "rate_limit"]
    if not groups:
        return {}
    records = ErrorRecord.objects.filter(batch=batch, group__in=groups, asked_wait__isnull=False).order_by()
    return {group: wait for group, wait in records.values_list("group").annotate(wait=Max("asked_wait")) if wait}


def named_fields(batch: Batch, rows: list[BatchGroup]) -> dict[int, list[str]]:
    """The fields that processors named as culprits, of the largest groups of invalid input, by one sample each."""
    groups = [row.group_id for row in rows if row.group.category == "validation"][:TOP]
    samples = (ErrorRecord.objects.filter(batch=batch, group=group).order_by("pk").first() for group in groups)
    return {one.group_id: list(one.fields) for one in samples if one is not None}


def fields_in(title: str, named: list[str]) -> list[str]:
    """The processor's word first, then what the message's template names."""
    return list(dict.fromkeys([*named, *(name for name in PLACEHOLDER.findall(title) if name not in KINDS)]))


def retried_by_group(batch: Batch) -> dict[int, tuple[int, int]]:
    """group -> items of this batch's bulk retries that had failed so, and how many of them came right."""
    over = RetriedItem.objects.filter(retry__batch=batch).exclude(
        item__status__in=[Item.Status.PENDING, Item.Status.RUNNING]
    )
    worked = Count("item", distinct=True, filter=Q(item__status__in=Item.SUCCESSFUL_STATUSES))
    rows = over.order_by().values_list("item__error_records__group").annotate(n=Count("item", distinct=True), ok=worked)
    return {group: (tried, ok) for group, tried, ok in rows if group}


def durations_of(batch: Batch) -> list[float]:
    done = batch.items.filter(status=Item.Status.SUCCEEDED, started_at__isnull=False, finished_at__isnull=False)
    times = done.order_by("position").values_list("started_at", "finished_at")[:DURATIONS]
    return [(finished - started).total_seconds() for started, finished in times if started and finished]


def errors_in(rows: list[BatchGroup], category: str) -> int:
    return sum(row.errors for row in rows if row.group.category == category)


def verdict_of(batch: Batch, rows: list[BatchGroup], durations: list[float], succeeded: int) -> Verdict | None:
    errors = errors_in(rows, "timeout")
    if errors < LEAST:
        return None
    share = len(durations) / succeeded if succeeded > len(durations) > 0 else 1.0
    return timeout_verdict(durations, errors * share, batch.item_timeout)


def target_of(batch: Batch, rows: list[BatchGroup], seconds: float) -> int | None:
    """From the minutes in which the other side turned something away."""
    if errors_in(rows, "rate_limit") < LEAST:
        return None
    turned_away = ErrorRecord.objects.filter(batch=batch, category="rate_limit").order_by()
    minutes = set(turned_away.annotate(minute=TruncMinute("finished_at")).values_list("minute", flat=True).distinct())
    done = batch.items.filter(status=Item.Status.SUCCEEDED, finished_at__isnull=False).order_by()
    worked: dict[datetime, int] = dict(
        done.annotate(minute=TruncMinute("finished_at")).values_list("minute").annotate(n=Count("pk"))
    )
    plateau = [worked[minute] for minute in minutes if minute in worked]
    return concurrency_target(plateau, seconds)


def history_of(batch: Batch) -> tuple[History, dict[int, list[int]]]:
    """The last finished batches of its processor, and group -> errors in each of them that saw it."""
    seen: dict[int, list[int]] = defaultdict(list)
    if not batch.processor:
        return History(), seen
    earlier = Batch.objects.filter(processor=batch.processor, status=Batch.Status.COMPLETED).exclude(pk=batch.pk)
    sizes = dict(
        earlier.filter(created_at__lt=batch.created_at).order_by("-created_at").values_list("pk", "total_items")[:LAST]
    )
    failed: dict[str, int] = defaultdict(int)
    found = BatchGroup.objects.filter(batch__in=list(sizes)).order_by()
    for pk, group, errors, items in found.values_list("batch", "group", "errors", "items"):
        seen[group].append(errors)
        failed[pk] += items
    return History(len(sizes), [failed[pk] / max(1, size) for pk, size in sizes.items()]), seen


def problems_of(batch: Batch, kinds: TwoKinds | None) -> list[Problem]:
    """Failed items with many attempts, those with the most first, and items that took workers down."""
    bad = Q(attempts__gte=MANY_ATTEMPTS) | Q(crashes__gte=2)
    items = {
        pk: (key, attempts, crashes)
        for pk, key, attempts, crashes in batch.items.filter(bad, ~quarantined_by_person(), failed_at__isnull=False)
        .order_by("-attempts", "position")
        .values_list("pk", "key", "attempts", "crashes")[:PROBLEMS]
    }
    records = ErrorRecord.objects.filter(item__in=list(items)).order_by().values_list("item", "group", "category")
    ways: dict[int, set[int]] = defaultdict(set)
    category: dict[Any, str] = {}
    for item, group, kind in records:
        ways[item].add(group)
        category[item] = kind
    return [
        problem(key, attempts, len(ways[pk]), kinds or prior_kinds(category.get(pk, "")), crashes=crashes)
        for pk, (key, attempts, crashes) in items.items()
    ]
