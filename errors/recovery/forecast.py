"""What a retry would mean before anybody orders it: how many items of which kind, and how many should recover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from batches.lifecycle import retry_selection, scopes
from batches.models import Batch, Item, Rehearsal
from errors.advice.evidence import Evidence
from errors.advice.facts import Prediction
from errors.advice.predictions import RECOVERED, recoveries, recoveries_of, total
from errors.filters.error_filter import ErrorFilter
from errors.findings import errors_of
from errors.grouping import failing_now
from errors.models import ErrorGroup, ErrorRecord, Recommendation
from errors.recovery.actions import scope_of
from errors.recovery.evidence_queries import evidence_of

SAMPLES = 5
PREDICTED_UP_TO = 200_000
"""Errors of a batch, up to which a retry without a confirmation page is predicted."""
ITEMS_SEARCHED_FOR_SAMPLES = 200
WHOLE_GROUPS = ("all_failed", "group")
"""Scopes that mean all failed items of a group, or none."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Counts are of items: `failed` of the scope, `tried` as they are, `permanent` only if a person insists."""

    failed: int
    tried: int
    permanent: int
    quarantined: int
    categories: Mapping[str, int]
    """category -> items, the most first."""
    groups: int
    predicted: Prediction | None
    predicted_with_permanent: Prediction | None
    samples: list[Item] = field(default_factory=list)

    def predicted_for(self, permanent: bool) -> dict[str, Any]:
        """As a retry stores it; empty: nothing is predicted."""
        predicted = self.predicted_with_permanent if permanent else self.predicted
        return asdict(predicted) if predicted else {}


@dataclass(frozen=True, slots=True)
class LastFailures:
    """Items of a scope that failed last in one group, and how many of them cannot pass unchanged."""

    group: int
    fingerprint: str
    title: str
    category: str
    items: int
    permanent: int


def predict_retry(batch: Batch, scope: Mapping[str, Any], permanent: bool) -> Mapping[str, Any]:
    """What every door keeps beside a retry; of very many errors nothing, as that would keep the door waiting."""
    if errors_of(batch) > PREDICTED_UP_TO:
        return {}
    expected = forecast(batch, scope)
    return expected.predicted_for(permanent and expected.permanent > 0)


def forecast(batch: Batch, scope: Mapping[str, Any]) -> Forecast:
    """Of the failed items that a scope means now."""
    name, value = scopes.only_scope(scope)
    condition = scopes.condition(batch, name, value)
    selection = retry_selection.select_failed(batch, condition, permanent=False, quarantined_too=name == "item_keys")
    items = None if condition == Q() else selection.items
    among = ErrorFilter.from_query(value).last_records(batch) if name == "matching" and items is not None else None
    failures = last_failures(batch, items, kept_of(batch, name, value), among)
    left_out = left_out_by_reason(batch, selection, failures)
    failed = selection.failed if among is None else sum(row.items for row in failures)
    tried = failed - sum(left_out.values())
    categories: Counter[str] = Counter()
    for row in failures:
        categories[row.category] += row.items
    by_groups, with_permanent = predictions_by_groups(batch, failures, items)
    return Forecast(
        failed=failed,
        tried=tried,
        permanent=left_out.get(retry_selection.UNCHANGED, 0),
        quarantined=left_out.get(retry_selection.QUARANTINED, 0),
        categories=dict(categories.most_common()),
        groups=len({row.group for row in failures}),
        predicted=best_prediction(batch, scope, tried, by_groups),
        predicted_with_permanent=with_permanent,
        samples=samples_of(selection),
    )


def kept_of(batch: Batch, name: str, value: Any) -> Mapping[int, int]:
    """group -> its items of the scope, where the batch has not moved since they were counted; empty where it has, and
    for scopes that cut through groups."""
    kept = failing_now.kept_counts(batch) if name in WHOLE_GROUPS else {}
    if name != "group" or not kept:
        return kept
    own = ErrorGroup.objects.filter(processor=batch.processor, fingerprint=str(value), merged_into__isnull=True)
    return {group: kept[group] for group in own.values_list("pk", flat=True) if group in kept}


def last_failures(
    batch: Batch, items: Any, kept: Mapping[int, int], among: QuerySet[ErrorRecord] | None = None
) -> list[LastFailures]:
    """How the items failed last, by group; `items` of None are all failed ones of the batch. Where `kept` tells how
    many there are, only those that cannot pass are looked for; `among` are their last errors, where these are known."""
    last = ErrorRecord.objects.filter(batch=batch, attempt=F("item__attempts")).order_by()
    if kept:
        failed = last.filter(item__failed_at__isnull=False, retryable=False, group__in=kept)
        rows: Any = failed.values_list("group").annotate(Count("pk"))
        permanent = dict(rows)
        counted = {group: (n, permanent.get(group, 0)) for group, n in kept.items()}
    else:
        of_items = Q(item__failed_at__isnull=False) if items is None else Q(item__in=items.order_by().values("pk"))
        failed = last.filter(of_items) if among is None else among
        counts = {"items": Count("pk"), "permanent": Count("pk", filter=Q(retryable=False))}
        rows = failed.values_list("group").annotate(**counts)
        counted = {group: (n, permanent) for group, n, permanent in rows}
    groups = ErrorGroup.objects.filter(pk__in=counted).order_by("pk")
    return [
        LastFailures(group.pk, group.fingerprint, group.title, group.category, *counted[group.pk]) for group in groups
    ]


def left_out_by_reason(
    batch: Batch, selection: retry_selection.Selection, failures: Sequence[LastFailures]
) -> Mapping[str, int]:
    """reason -> items left out. Where nothing is quarantined the groups' counts tell it."""
    if batch.quarantines.filter(back_at__isnull=True).exists():
        return selection.left_out
    return {retry_selection.UNCHANGED: sum(row.permanent for row in failures)}


def samples_of(selection: retry_selection.Selection) -> list[Item]:
    """The first items that would be tried, or of all, if none of the first would. Whole items are read of these alone:
    a payload may be large."""
    first = list(selection.items.order_by("position").values_list("pk", flat=True)[:ITEMS_SEARCHED_FOR_SAMPLES])
    left_out = selection.reasons_of(Item.objects.filter(pk__in=first))
    chosen = [pk for pk in first if pk not in left_out][:SAMPLES] or first[:SAMPLES]
    return list(Item.objects.filter(pk__in=chosen).order_by("position"))


# -- predictions -------------------------------------------------------------------------------------------------------


def predictions_by_groups(
    batch: Batch, failures: Sequence[LastFailures], items: Any
) -> tuple[Prediction | None, Prediction | None]:
    """Sums over the groups, each by its own retries or by its category: without permanent failures, and with them.

    `items` as of `last_failures`: those of a group that were retried before need not be among them.
    """
    evidence = evidence_of(batch, {row.fingerprint: row.category for row in failures}, items)
    unchanged = [group_prediction(row, row.items - row.permanent, evidence) for row in failures]
    everything = [group_prediction(row, row.items, evidence) for row in failures]
    return sum_of(unchanged), sum_of(everything)


def group_prediction(row: LastFailures, items: int, evidence: Mapping[str, Evidence]) -> Prediction | None:
    """None: no item is left to be retried."""
    known = evidence[row.fingerprint]
    return recoveries_of(row.category, items, known, permanent=row.permanent == row.items) if items else None


def sum_of(parts: Sequence[Prediction | None]) -> Prediction | None:
    predicted = [part for part in parts if part is not None]
    return total(predicted) if predicted else None


def best_prediction(
    batch: Batch, scope: Mapping[str, Any], items: int, by_groups: Prediction | None
) -> Prediction | None:
    """By a rehearsal of these items, else by open advice about them, else by their groups' past."""
    if not items or by_groups is None:
        return None
    return by_rehearsal(batch, scope, items) or by_advice(batch, scope, items) or by_groups


def by_rehearsal(batch: Batch, scope: Mapping[str, Any], items: int) -> Prediction | None:
    """By the last rehearsal of the same scope, unless the batch has run since."""
    rehearsal = batch.rehearsals.filter(state=Rehearsal.State.DONE, scope=dict(scope)).order_by("-number").first()
    ran = batch.transitions.filter(to_status=Batch.Status.RUNNING).order_by("-pk").first()
    if rehearsal is None or not rehearsal.done or (ran is not None and ran.at > rehearsal.created_at):
        return None
    counts = rehearsal.report.get("counts", {})
    recovered = counts.get("succeeded", 0) + counts.get("skipped", 0)
    if rehearsal.done >= items:
        return Prediction(RECOVERED, recovered, recovered, recovered, f"all {rehearsal.done:,} were rehearsed")
    basis = f"of {rehearsal.done:,} rehearsed, {recovered:,} would recover"
    return recoveries(items, recovered, rehearsal.done, basis)


def by_advice(batch: Batch, scope: Mapping[str, Any], items: int) -> Prediction | None:
    """By an open recommendation to retry exactly these items."""
    rows = Recommendation.objects.filter(batch=batch, state=Recommendation.State.OPEN, action__verb="retry")
    for row in rows:
        is_same = scope_of(row.action.get("params", {})) == dict(scope) and row.cost.get("items") == items
        if is_same and "low" in row.predicted:
            return Prediction(**{name: row.predicted[name] for name in ("metric", "low", "mid", "high", "basis")})
    return None
