"""Items that are a problem of their own: poison, shape-shifters, flaky ones, and those that take workers down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Q, QuerySet

from batches.models import Batch, Item
from errors.advice.problems import Problem, TwoKinds, prior_kinds, problem
from errors.detectors.findings import percent
from errors.findings.failure_kinds import kinds_of
from errors.models import MANY_ATTEMPTS, REPEATED, ErrorRecord

SHOWN = 20
CRASH = "crash"
RECORDS_AN_ITEM = 10
"""Records of late attempts that are read for each item that is listed."""


@dataclass(slots=True)
class FailureHistory:
    """What the records of one item say: how many there are, of which groups, and the fields of the last one."""

    errors: int = 0
    groups: set[int] = field(default_factory=set)
    last: tuple[Any, ...] = ()


def failure_histories(records: QuerySet[ErrorRecord], key: str, *fields: str) -> dict[Any, FailureHistory]:
    """History by the records' `key` ("item" or "item_key"), in one pass over the records as they were written."""
    histories: dict[Any, FailureHistory] = {}
    for name, group, *last in records.order_by("pk").values_list(key, "group", *fields):
        history = histories.setdefault(name, FailureHistory())
        history.errors += 1
        history.groups.add(group)
        history.last = tuple(last)
    return histories


def tried_most(records: QuerySet[ErrorRecord], limit: int, least: int) -> list[tuple[int | None, str]]:
    """Item id and key of those with `least` failed attempts or more (two at least), the most first.

    Read by an index of the records of second and later attempts. Items of the Python API have no id.
    """
    late = records.filter(attempt__gte=REPEATED).order_by("-attempt", "position")
    if least > REPEATED:
        late = late.filter(attempt__gte=least)
    rows: QuerySet[ErrorRecord, tuple[int | None, str]] = late.values_list("item", "item_key")
    return list(dict.fromkeys(rows[: RECORDS_AN_ITEM * limit]))[:limit]


def problem_candidates(batch: Batch, records: QuerySet[ErrorRecord], limit: int) -> list[Item]:
    """Stored items of these records that were tried three times or more, or met by two crashes; the worst first."""
    often = [item for item, _ in tried_most(records.filter(item__isnull=False), limit, MANY_ATTEMPTS)]
    crashed = records.filter(item__isnull=False, group__category=CRASH, group__batches__batch=batch)
    ids = {*often, *crashed.order_by().values_list("item", flat=True)[:limit]}
    bad = Q(crashes__gte=2) | Q(attempts__gte=MANY_ATTEMPTS)
    items = Item.objects.filter(bad, pk__in=[pk for pk in ids if pk is not None])
    shown = items.only("position", "key", "attempts", "crashes", "status", "batch")
    return sorted(shown, key=lambda item: (-item.crashes, -item.attempts, item.position))[:limit]


def problem_items(batch: Batch, limit: int = SHOWN) -> list[dict[str, Any]]:
    """The worst first: what each is, in words, and where to look at it."""
    items = problem_candidates(batch, ErrorRecord.objects.filter(batch=batch), limit)
    histories = histories_of(items)
    kinds = kinds_of(batch) if items else None
    return [as_dict(item, histories[item.pk], judged(item, histories[item.pk], kinds)) for item in items]


def histories_of(items: list[Item]) -> Mapping[int, FailureHistory]:
    """Item id -> history; an item without a record has one without errors."""
    records = ErrorRecord.objects.filter(item__in=[item.pk for item in items])
    blank = {item.pk: FailureHistory(last=("", "")) for item in items}
    return blank | failure_histories(records, "item", "category", "group__fingerprint")


def judged(item: Item, history: FailureHistory, kinds: TwoKinds | None) -> Problem:
    """What the item is; by what is known of the category of its last failure, where the batch's retries do not tell."""
    category, fingerprint = history.last
    kinds = kinds or prior_kinds(category)
    succeeded = item.status in Item.SUCCESSFUL_STATUSES
    verdict = problem(
        item.key, failures_of(item), len(history.groups), kinds, succeeded=succeeded, crashes=item.crashes
    )
    return replace(verdict, fingerprint=fingerprint)


def failures_of(item: Item) -> int:
    return item.attempts - 1 if item.status in Item.SUCCESSFUL_STATUSES else item.attempts


def as_dict(item: Item, history: FailureHistory, verdict: Problem) -> dict[str, Any]:
    return {
        "item": item.pk,
        "key": item.key,
        "position": item.position,
        "label": verdict.label,
        "words": described(item, verdict.label, len(history.groups)),
        "next_works": round(verdict.next_works, 3),
        "next_percent": percent(verdict.next_works),
        "status": item.status,
    }


def described(item: Item, label: str, different: int) -> str:
    """What the item did, in a phrase that follows its name."""
    if label == "crasher":
        aside = ", and is set aside" if item.status == Item.Status.QUARANTINED else ""
        return f"crashed {item.crashes} workers{aside}"
    if label == "flaky":
        return f"failed {failures_of(item)} times, then succeeded"
    ways = f"{different} different errors" if different > 1 else "always the same error"
    return f"failed {failures_of(item)} times, {ways}"
