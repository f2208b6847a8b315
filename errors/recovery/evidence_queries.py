"""What earlier tries brought, by error group: what predictions are learned from.

A number of queries that grows neither with errors nor with groups.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from batches.lanes.lane_counts import TO_GO, is_done
from batches.models import Batch, Item, RetriedItem, Retry
from errors.advice.evidence import Evidence, Tried
from errors.grouping import failing_now
from errors.models import ErrorGroup, ErrorRecord

Fate = RetriedItem.Fate
RETRIES_READ = 50
"""The last retries elsewhere that are learned from: of the same processor, and of all."""
ITEMS_READ = 20_000
"""Larger ones are left out: counting them would keep a page waiting."""
LEAST_ITEMS = 3
"""Of a group in a retry elsewhere, from which on what became of them tells anything."""
PASSED = Q(fate=Fate.RECOVERED) | Q(fate=Fate.RELEASED, item__status__in=Item.SUCCESSFUL_STATUSES)
OVER = PASSED | Q(fate__in=[Fate.SAME, Fate.DIFFERENT]) | Q(fate=Fate.RELEASED, item__status__in=Item.FAILED_STATUSES)


def evidence_of(batch: Batch, groups: Mapping[str, str], items: QuerySet[Item] | None = None) -> dict[str, Evidence]:
    """Fingerprint -> what is known of the group; `groups` gives the category of each.

    `items` are those that are to be retried, None: all that are failed.
    """
    if not batch.processor or not groups:
        return dict.fromkeys(groups, Evidence())
    rounds, waiting = rounds_of(batch), waiting_of(batch, items)
    attempts, earlier, anywhere = attempts_of(batch, groups), *elsewhere(batch, groups)
    return {
        fingerprint: Evidence(
            rounds=rounds.get(fingerprint, ()),
            waiting=waiting.get(fingerprint, ()),
            attempts=attempts.get(fingerprint, ()),
            earlier=earlier.get(fingerprint, ()),
            category=anywhere.get(category, ()),
        )
        for fingerprint, category in groups.items()
    }


# -- bulk retries of this batch ----------------------------------------------------------------------------------------


def rounds_of(batch: Batch) -> dict[str, list[Tried]]:
    """Fingerprint -> items that were retried once, twice, … after failing so, and how many of them passed then."""
    retried = RetriedItem.objects.filter(retry__batch=batch).filter(OVER).order_by()
    counted = with_times(batch, retried, OuterRef("item"), OuterRef("kind_before"), before=OuterRef("retry__number"))
    rows = counted.values_list("kind_before", "times").annotate(tried=Count("pk"), passed=Count("pk", filter=PASSED))
    return in_order((kind, times, (tried, passed)) for kind, times, tried, passed in rows)


def waiting_of(batch: Batch, items: QuerySet[Item] | None) -> dict[str, list[int]]:
    """Fingerprint -> items failed now, by how many bulk retries they have failed so before."""
    if not batch.retries.exists():
        return {}
    last = ErrorRecord.objects.filter(batch=batch, item__failed_at__isnull=False, attempt=F("item__attempts"))
    if items is not None:
        last = last.filter(item__in=items.order_by().values("pk"))
    counted = with_times(batch, last.order_by(), OuterRef("item"), OuterRef("group__fingerprint"))
    rows = counted.values_list("group__fingerprint", "times").annotate(n=Count("pk"))
    waiting: dict[str, Counter[int]] = defaultdict(Counter)
    for fingerprint, times, n in rows:
        waiting[fingerprint][times] += n
    return {name: [times[n] for n in range(max(times) + 1)] for name, times in waiting.items()}


def with_times(batch: Batch, rows: QuerySet[Any], item: Any, kind: Any, before: Any = None) -> QuerySet[Any]:
    """With `times`: in how many bulk retries of the batch each item was that had failed so."""
    numbers = list(batch.retries.values_list("number", flat=True)[:2])
    if len(numbers) < 2 and before is not None:
        return rows.annotate(times=Value(0, IntegerField()))
    same = RetriedItem.objects.filter(retry__batch=batch, item=item, kind_before=kind).exclude(fate=Fate.SKIPPED)
    if before is not None:
        same = same.filter(retry__number__lt=before)
    times = same.order_by().values("item").annotate(n=Count("pk")).values("n")
    return rows.annotate(times=Coalesce(Subquery(times, output_field=IntegerField()), 0))


def in_order(rows: Any) -> dict[str, list[Tried]]:
    """Name -> what it has at 0, 1, 2, …; nothing where there is a gap."""
    by_place: dict[str, dict[int, Tried]] = defaultdict(dict)
    for name, place, tried in rows:
        by_place[name][place] = tried
    return {name: [places.get(n, (0, 0)) for n in range(max(places) + 1)] for name, places in by_place.items()}


# -- automatic attempts ------------------------------------------------------------------------------------------------


def attempts_of(batch: Batch, groups: Collection[str]) -> dict[str, list[Tried]]:
    """Fingerprint -> items tried again by themselves after failing so once, twice, …, and how many passed then.

    Those that are failed now have not passed: what is kept of groups tells it of all items of some, and of others the
    index of failures does. Only the rest is looked up.
    """
    names = dict(
        ErrorGroup.objects.filter(processor=batch.processor, fingerprint__in=groups).values_list("pk", "fingerprint")
    )
    again = ErrorRecord.objects.filter(batch=batch, final=False, item__isnull=False, group__in=names).order_by()
    over = again if is_done(batch) else again.exclude(item__status__in=TO_GO)
    failed = Item.objects.filter(batch=batch, failed_at__isnull=False, position=OuterRef("position"))
    passed = again.filter(~Exists(failed), item__status__in=Item.SUCCESSFUL_STATUSES, item__attempts=F("attempt") + 1)
    left = failing_now.groups_left_by_items(batch)
    n_passed = counted_by_attempt(passed if left is None else passed.filter(group__in=left)) if left != [] else {}
    return in_order(
        (names[group], attempt - 1, (tried, n_passed.get((group, attempt), 0)))
        for (group, attempt), tried in counted_by_attempt(over).items()
    )


def counted_by_attempt(records: QuerySet[ErrorRecord]) -> dict[tuple[int, int], int]:
    """(group, attempt) -> records."""
    rows = records.values_list("group", "attempt").annotate(n=Count("pk"))
    return {(group, attempt): n for group, attempt, n in rows}


# -- elsewhere ---------------------------------------------------------------------------------------------------------


def elsewhere(batch: Batch, groups: Mapping[str, str]) -> tuple[dict[str, list[Tried]], dict[str, list[Tried]]]:
    """Bulk retries of other batches: by fingerprint those of the same processor, by category those of all."""
    others = Retry.objects.exclude(batch=batch).filter(
        kind=Retry.Kind.RETRY, state=Retry.State.DONE, items__lte=ITEMS_READ, changes={}
    )
    numbers = others.order_by("-pk").values_list("pk", flat=True)
    anywhere = set(numbers[:RETRIES_READ])
    last = anywhere.union(numbers.filter(batch__processor=batch.processor)[:RETRIES_READ])
    if not last:
        return {}, {}
    retried = RetriedItem.objects.filter(retry__in=last).filter(OVER).order_by()
    rows: Any = retried.values_list("retry__batch__processor", "retry", "kind_before").annotate(
        tried=Count("pk"), passed=Count("pk", filter=PASSED)
    )
    counted = list(rows)
    kinds = {(processor, kind) for processor, _, kind, _, _ in counted}
    category_of = categories(kinds)
    earlier: dict[str, list[Tried]] = defaultdict(list)
    by_category: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for processor, retry, kind, tried, passed in counted:
        if processor == batch.processor and kind in groups and tried >= LEAST_ITEMS:
            earlier[kind].append((tried, passed))
        if retry in anywhere:
            by_category[retry, category_of.get((processor, kind), "")].update(tried=tried, passed=passed)
    return earlier, units_by_category(by_category)


def categories(kinds: set[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """(processor, fingerprint) -> category."""
    rows = ErrorGroup.objects.filter(fingerprint__in={kind for _, kind in kinds}).order_by()
    return {
        (processor, kind): category
        for processor, kind, category in rows.values_list("processor", "fingerprint", "category")
    }


def units_by_category(counted: Mapping[tuple[int, str], Counter[str]]) -> dict[str, list[Tried]]:
    units: dict[str, list[Tried]] = defaultdict(list)
    for (_, category), counts in counted.items():
        if counts["tried"] >= LEAST_ITEMS:
            units[category].append((counts["tried"], counts["passed"]))
    return units
