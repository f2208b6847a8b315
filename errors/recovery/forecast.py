"""What a retry would mean before anybody asks for it: how many items of which kind, and how many should recover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Count, F, Q

from batches.lifecycle import retry_selection, scopes
from batches.models import Batch, Item, Rehearsal
from errors.advice.facts import Group, Prediction
from errors.advice.predictions import added, of_group, recoveries
from errors.models import ErrorGroup, ErrorRecord, Recommendation
from errors.recovery.fact_queries import retried_by_group

SAMPLES = 5
LOOKED_THROUGH = 200


@dataclass(frozen=True, slots=True)
class Forecast:
    """Counts are of items. `tried` go if nothing is changed; `unchanged` more with permanent failures."""

    failed: int
    tried: int
    unchanged: int
    aside: int
    highest: int
    kinds: Mapping[str, int]
    """category -> items, the most first."""
    groups: int
    predicted: Prediction | None
    with_unchanged: Prediction | None
    samples: list[Item] = field(default_factory=list)

    def predicted_for(self, permanent: bool) -> dict[str, Any]:
        said = self.with_unchanged if permanent else self.predicted
        return asdict(said) if said else {}


def forecast(batch: Batch, scope: Mapping[str, Any]) -> Forecast:
    """Of the failed items that a scope means now."""
    name, wanted = scopes.only_scope(scope)
    condition = scopes.SCOPES[name](batch, wanted)
    selection = retry_selection.select_failed(batch, condition, permanent=False, quarantined_too=name == "item_keys")
    seen = kinds_of(batch, selection.items, everything=condition == Q())
    why = left_out(batch, selection, seen)
    tried = selection.failed - sum(why.values())
    before = retried_by_group(batch)
    kinds: Counter[str] = Counter()
    for row in seen:
        kinds[row["group__category"]] += row["n"]
    return Forecast(
        failed=selection.failed,
        tried=tried,
        unchanged=why.get(retry_selection.UNCHANGED, 0),
        aside=why.get(retry_selection.QUARANTINED, 0),
        highest=selection.highest_id,
        kinds=dict(kinds.most_common()),
        groups=len({row["group"] for row in seen}),
        predicted=foreseen(batch, scope, tried, of_groups(seen, before, hopeless=False)),
        with_unchanged=of_groups(seen, before, hopeless=True),
        samples=samples_of(selection),
    )


def left_out(batch: Batch, selection: retry_selection.Selection, seen: list[dict[str, Any]]) -> Mapping[str, int]:
    """How many are left out, by reason. Where nothing is set aside the groups tell it already."""
    if batch.asides.filter(back_at__isnull=True).exists():
        return selection.left_out
    return {retry_selection.UNCHANGED: sum(row["hopeless"] for row in seen)}


def samples_of(selection: retry_selection.Selection) -> list[Item]:
    """The first of those that would be tried, or of all, if none of the first would."""
    first = list(selection.items.order_by("position")[:LOOKED_THROUGH])
    reasons = selection.reasons_of(Item.objects.filter(pk__in=[item.pk for item in first]))
    return [item for item in first if item.pk not in reasons][:SAMPLES] or first[:SAMPLES]


def kinds_of(batch: Batch, items: Any, *, everything: bool = False) -> list[dict[str, Any]]:
    """How the items failed last, by group: how many, and how many of these cannot pass unchanged."""
    last = ErrorRecord.objects.filter(batch=batch, attempt=F("item__attempts"))
    meant = Q(item__failed_at__isnull=False) if everything else Q(item__in=items.order_by().values("pk"))
    rows = last.filter(meant).order_by().values("group", "group__category", "group__title", "group__fingerprint")
    counted: Any = rows.annotate(n=Count("pk"), hopeless=Count("pk", filter=Q(retryable=False)))
    return list(counted)


def of_groups(
    seen: list[dict[str, Any]], before: Mapping[int, tuple[int, int]], *, hopeless: bool
) -> Prediction | None:
    """The sum over the groups, each by its own retries or by its category."""
    parts = []
    for row in seen:
        items = row["n"] if hopeless else row["n"] - row["hopeless"]
        if items:
            tried, worked = before.get(row["group"], (0, 0))
            known = (row["group__fingerprint"], row["group__title"], row["group__category"])
            parts.append(of_group(Group(*known, items=items, errors=items, tried=tried, worked=worked)))
    return added(parts) if parts else None


def foreseen(batch: Batch, scope: Mapping[str, Any], items: int, otherwise: Prediction | None) -> Prediction | None:
    """The best that is known: a rehearsal of these items, open advice about them, else their groups' past."""
    if not items or otherwise is None:
        return None
    return rehearsed(batch, scope, items) or advised(batch, scope, items) or otherwise


def rehearsed(batch: Batch, scope: Mapping[str, Any], items: int) -> Prediction | None:
    """By the last rehearsal of the same scope, unless the batch has run since."""
    done = batch.rehearsals.filter(state=Rehearsal.State.DONE, scope=dict(scope)).order_by("-number").first()
    ran = batch.transitions.filter(to_status=Batch.Status.RUNNING).order_by("-pk").first()
    if done is None or not done.done or (ran is not None and ran.at > done.created_at):
        return None
    counts = done.report.get("counts", {})
    worked = counts.get("succeeded", 0) + counts.get("skipped", 0)
    if done.done >= items:
        return Prediction("items recovered", worked, worked, worked, f"all {done.done:,} were rehearsed")
    return recoveries(items, worked, done.done, f"of {done.done:,} rehearsed, {worked:,} would recover")


def advised(batch: Batch, scope: Mapping[str, Any], items: int) -> Prediction | None:
    """By advice to retry exactly these."""
    for said in Recommendation.objects.filter(batch=batch, state=Recommendation.State.OPEN, action__verb="retry"):
        known = said.predicted
        if wants(said.action.get("params", {})) == dict(scope) and said.cost.get("items") == items and "low" in known:
            return Prediction(**{name: known[name] for name in ("metric", "low", "mid", "high", "basis")})
    return None


def wants(params: Mapping[str, Any]) -> dict[str, Any]:
    """The items that advice to retry is about, without how it wants them retried."""
    return {name: value for name, value in params.items() if name != "after"}


def named(batch: Batch, matching: Mapping[str, str]) -> dict[str, str]:
    """A filter with its group's words in the place of its fingerprint."""
    known = ErrorGroup.objects.filter(processor=batch.processor, fingerprint=matching.get("group", "")).first()
    return {**matching, "group": known.title or known.error_type} if known else dict(matching)


def of_what(batch: Batch, scope: Mapping[str, Any]) -> str:
    """A scope in words, behind a number of items."""
    wanted: Any
    name, wanted = next(iter(scope.items()), ("all_failed", True))
    if name == "group":
        group = ErrorGroup.objects.filter(processor=batch.processor, fingerprint=str(wanted)).first()
        return f"of “{group.title or group.error_type}”" if group else f"of group {wanted}"
    if name == "matching":
        return "that match " + ", ".join(f"{key} “{value}”" for key, value in named(batch, wanted).items())
    if name == "positions":
        return f"from position {wanted[0]:,} to {wanted[1]:,}"
    if name == "where":
        return f"with {' and '.join(str(one.get('field')) for one in wanted.get('conditions', ()))} as found"
    words = {
        "item_keys": "that were selected",
        "fix": f"of correction {wanted}",
        "code": f"with code {wanted}",
        "failed_between": f"that failed between {wanted[0]} and {wanted[1]}" if name == "failed_between" else "",
        "field": f"with {wanted.get('name')} = {wanted.get('value')}" if isinstance(wanted, dict) else "",
    }
    return words.get(name, "that failed")
