"""Recommendations of a batch: worked out, decided upon, carried out, and compared with what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, Sum
from django.utils import timezone

from batches import operations
from batches.clock import iso_utc
from batches.lifecycle import quarantined_items
from batches.models import Batch, Retry
from errors.advice import Advice, advise
from errors.findings import AT_ONCE as LOOKED_AT_ONCE
from errors.models import Advised, BatchGroup, Findings, Recommendation
from errors.recovery.actions import UnknownAdvice, carry_out, refuse, take_back
from errors.recovery.fact_queries import facts_of

State = Recommendation.State
LOOK_EVERY = timedelta(seconds=30)
AT_ONCE = 20_000
"""With up to so many errors, advice is worked out while the report is asked for."""
SHOWN = (State.OPEN, State.APPLIED, State.VERIFIED, State.NO_EFFECT)


def current(batch: Batch, errors: int, *, large: bool = True, most: int = LOOKED_AT_ONCE) -> list[Recommendation]:
    """The batch's recommendations, worked out anew if it has changed since."""
    newer = Exists(Findings.objects.filter(batch=batch, at__gt=OuterRef("at")))
    stored = Advised.objects.filter(batch=batch).annotate(newer=newer).first()
    looked = f"{batch.status} {errors} {batch.finished_at} {quarantined_items.count_quarantined(batch)}"
    soon = stored is not None and batch.status in Batch.ACTIVE and timezone.now() < stored.at + LOOK_EVERY
    if stored is None and not errors:
        return []
    at_once = large or (errors <= AT_ONCE and batch.total_items <= most)
    if not (soon or (stored and stored.looked == looked and not stored.newer)) and at_once:
        refresh(batch)
        Advised.objects.update_or_create(batch=batch, defaults={"looked": looked, "at": timezone.now()})
    return list(Recommendation.objects.filter(batch=batch))


def refresh(batch: Batch) -> None:
    """Work it out anew. Twice is as good as once; what was decided stays decided."""
    verify(batch.pk)
    said = advise(facts_of(batch))
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch.pk)
        known = {(one.rule, one.subject): one for one in Recommendation.objects.filter(batch=batch)}
        number = Recommendation.objects.filter(batch=batch).aggregate(last=Max("number"))["last"] or 0
        for one in said:
            last = known.get((one.rule, one.subject))
            if last is not None and last.state == State.OPEN:
                renew(last, one)
            elif last is None or comes_back(last, one):
                number += 1
                Recommendation.objects.create(batch=batch, number=number, **content(one))
                supersede(last)
        gone = known.keys() - {(one.rule, one.subject) for one in said}
        stale = [known[subject].pk for subject in gone if known[subject].state == State.OPEN]
        Recommendation.objects.filter(pk__in=stale, state=State.OPEN).update(state=State.EXPIRED)


def comes_back(last: Recommendation, said: Advice) -> bool:
    """What was decided comes back when its evidence has doubled; what was measured, when there is more to retry."""
    if last.state in (State.EXPIRED, State.VERIFIED, State.NO_EFFECT):
        return last.retry is None or said.items > 0
    return said.weight >= 2 * max(1, last.weight)


def supersede(last: Recommendation | None) -> None:
    if last is not None and last.state == State.APPLIED:
        Recommendation.objects.filter(pk=last.pk, state=State.APPLIED).update(state=State.SUPERSEDED)


def renew(last: Recommendation, said: Advice) -> None:
    """An open one is brought up to date, unless somebody applies it at this moment."""
    fresh = content(said)
    if any(getattr(last, name) != value for name, value in fresh.items()):
        Recommendation.objects.filter(pk=last.pk, state=State.OPEN).update(**fresh)


def content(said: Advice) -> dict[str, Any]:
    params = {name: value for name, value in said.params.items() if name in ("group", "matching", "item_keys", "where")}
    return {
        "rule": said.rule,
        "rule_version": said.version,
        "subject": said.subject[:200],
        "scope": {"filter": dict(params), "items": said.items},
        "findings": list(said.findings),
        "evidence": [dict(one) for one in said.evidence],
        "weight": said.weight,
        "confidence": said.confidence,
        "title": said.title[:700],
        "why": said.why,
        "action": {"verb": said.verb, "params": dict(said.params)},
        "alternatives": [dict(one) for one in said.alternatives],
        "predicted": asdict(said.predicted) if said.predicted else {},
        "cost": {"items": said.items, "minutes": said.minutes},
    }


def get(batch_id: str, number: int) -> Recommendation:
    batch = operations.get_batch(batch_id)
    found = Recommendation.objects.filter(batch=batch, number=number).first()
    if found is None:
        raise UnknownAdvice(f"Batch {batch_id} has no recommendation {number}.")
    return found


def apply(
    batch_id: str, number: int, *, actor: str = "", reason: str = "", asked: Mapping[str, Any] | None = None
) -> Recommendation:
    """Carry it out, once: of two people who press the button, one does. Refused by the operation, it stays open.

    `asked`: how carefully, if not as advised.
    """
    found = get(batch_id, number)
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        decide(found, State.APPLIED, "apply", actor, reason)
        found.refresh_from_db()
        made = carry_out(batch_id, found.action, actor, reason or found.title, asked)
        known = {"undo": dict(made.undo), "retry": made.retry.number if made.retry else None}
        Recommendation.objects.filter(pk=found.pk).update(**known)
        if made.retry and not made.retry.predicted:
            Retry.objects.filter(pk=made.retry.pk).update(predicted=found.predicted)
    found.refresh_from_db()
    return found


def undo(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Recommendation:
    """Show again what was dismissed; take back what was applied, where that can be. Either is open again."""
    found = get(batch_id, number)
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        row = Recommendation.objects.select_for_update().get(pk=found.pk)
        same = Recommendation.objects.filter(batch=batch_id, rule=row.rule, subject=row.subject, state=State.OPEN)
        takes_back = row.state == State.APPLIED and row.undo
        if same.exists() or not (takes_back or row.state == State.DISMISSED):
            raise refuse(batch_id, f"undo recommendation {number}", row.state)
        if takes_back:
            take_back(batch_id, row.undo, actor, reason)
        row.state, row.undo, row.by, row.at, row.reason, row.retry = State.OPEN, {}, "", None, "", None
        row.save(update_fields=["state", "undo", "by", "at", "reason", "retry"])
    return row


def dismiss(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Recommendation:
    found = get(batch_id, number)
    decide(found, State.DISMISSED, "dismiss", actor, reason)
    found.refresh_from_db()
    return found


def decide(found: Recommendation, state: str, verb: str, actor: str, reason: str) -> None:
    still_open = Recommendation.objects.filter(pk=found.pk, state=State.OPEN)
    if not still_open.update(state=state, by=actor, at=timezone.now(), reason=reason):
        found.refresh_from_db()
        raise refuse(found.batch_id, f"{verb} recommendation {found.number}", found.state)


def verify(batch_id: str) -> None:
    """Put the outcome of each retry that is over beside its prediction."""
    for found in Recommendation.objects.filter(batch=batch_id, state=State.APPLIED, retry__isnull=False):
        made = Retry.objects.filter(batch=batch_id, number=found.retry or 0).first()
        outcome = made.outcome() if made else {"waiting": 1}
        stopped = made is not None and made.state in (Retry.State.HELD, Retry.State.CANCELLED)
        if outcome["waiting"] and not stopped:
            continue
        recovered = outcome["recovered"]
        low, high = found.predicted.get("low"), found.predicted.get("high")
        if found.action.get("verb") == "fix":  # what is predicted is a retry of the rows as they were
            low = None
        Recommendation.objects.filter(pk=found.pk, state=State.APPLIED).update(
            state=State.VERIFIED if recovered else State.NO_EFFECT,
            actual=outcome,
            held=None if low is None or outcome["waiting"] else low <= recovered <= high,
        )


def records_of_rules() -> dict[str, dict[str, int]]:
    """rule -> how many of its predictions were measured, and how many held."""
    measured = Recommendation.objects.filter(held__isnull=False).order_by().values_list("rule")
    rows = measured.annotate(n=Count("pk"), held=Count("pk", filter=Q(held=True)))
    return {rule: {"measured": n, "held": held} for rule, n, held in rows}


def as_dict(found: Recommendation, records: dict[str, dict[str, int]]) -> dict[str, Any]:
    """As the report and REST show it."""
    names = ("number", "rule", "rule_version", "scope", "findings", "evidence", "confidence", "title", "why", "action")
    more = ("alternatives", "predicted", "cost", "state", "by", "reason", "retry", "undo", "actual", "held")
    return {name: getattr(found, name) for name in (*names, *more)} | {
        "at": iso_utc(found.at) if found.at else None,
        "record": records.get(found.rule, {"measured": 0, "held": 0}),
    }


def errors_of(batch: Batch) -> int:
    return BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors"))["n"] or 0


def listed(batch: Batch, errors: int, *, large: bool = True, most: int = LOOKED_AT_ONCE) -> list[dict[str, Any]]:
    """Open ones and what became of those applied; the surest first."""
    order = {"strong": 0, "moderate": 1, "weak": 2, "low": 3}
    shown = [one for one in current(batch, errors, large=large, most=most) if one.state in SHOWN]
    records = records_of_rules() if shown else {}
    shown.sort(key=lambda one: (one.state != State.OPEN, order.get(one.confidence, 4), one.number))
    return [as_dict(one, records) for one in shown]
