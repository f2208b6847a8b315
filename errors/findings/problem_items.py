"""Items that are a problem of their own: poison, shape-shifters, flaky ones, and those that take workers down."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from batches.models import Batch, Item
from errors.advice.problems import TwoKinds, prior_kinds, problem
from errors.detectors.findings import percent
from errors.findings.failure_kinds import kinds_of
from errors.models import MANY_ATTEMPTS, ErrorRecord

SHOWN = 20
CRASH = "crash"


def problem_items(batch: Batch, most: int = SHOWN) -> list[dict[str, Any]]:
    """The worst first: what each is, in words, and where to look at it."""
    items = worst(batch, most)
    if not items:
        return []
    records = ErrorRecord.objects.filter(item__in=[item.pk for item in items]).order_by("pk")
    groups: dict[int, set[int]] = defaultdict(set)
    category: dict[Any, str] = {}
    for pk, group, kind in records.values_list("item", "group", "category"):
        if pk is not None:
            groups[pk].add(group)
            category[pk] = kind
    kinds = kinds_of(batch)
    return [
        said(item, len(groups[item.pk]), kinds or prior_kinds(category.get(item.pk, "")))
        for item in sorted(items, key=lambda item: (-item.crashes, -item.attempts, item.position))
    ]


def worst(batch: Batch, most: int) -> list[Item]:
    """By two small indexes: of attempts from the third on, and of the groups of crashes."""
    many = ErrorRecord.objects.filter(batch=batch, attempt__gte=MANY_ATTEMPTS, item__isnull=False)
    often = list(dict.fromkeys(many.order_by("-attempt", "position").values_list("item", flat=True)[: 10 * most]))
    crashed = ErrorRecord.objects.filter(batch=batch, group__category=CRASH, group__batches__batch=batch)
    items = Item.objects.filter(pk__in={*often[:most], *crashed.order_by().values_list("item", flat=True)[:most]})
    shown = items.only("position", "key", "attempts", "crashes", "status", "batch")
    return [item for item in shown if item.crashes >= 2 or item.attempts >= MANY_ATTEMPTS][:most]


def said(item: Item, different: int, kinds: TwoKinds) -> dict[str, Any]:
    done = item.status in Item.SUCCESSFUL_STATUSES
    failures = item.attempts - 1 if done else item.attempts
    one = problem(item.key, failures, different, kinds, succeeded=done, crashes=item.crashes)
    return {
        "item": item.pk,
        "key": item.key,
        "position": item.position,
        "label": one.label,
        "words": words(item, failures, different, one.label),
        "next_works": round(one.next_works, 3),
        "next_percent": percent(one.next_works),
        "status": item.status,
    }


def words(item: Item, failures: int, different: int, label: str) -> str:
    if label == "crasher":
        aside = ", and is set aside" if item.status == Item.Status.QUARANTINED else ""
        return f"crashed {item.crashes} workers{aside}"
    if label == "flaky":
        return f"failed {failures} times, then succeeded"
    ways = f"{different} different errors" if different > 1 else "always the same error"
    return f"failed {failures} times, {ways}"
