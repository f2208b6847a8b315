"""Recommendations of a batch: worked out, decided upon, carried out, and compared with what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q
from django.utils import timezone

from batches import operations
from batches.clock import iso_utc
from batches.lifecycle import quarantined_items
from batches.models import Batch, Retry
from batches.paged_deletes import delete_in_steps
from errors.advice import Advice, advise
from errors.models import AdviceRevision, Findings, Recommendation
from errors.recovery.actions import UnknownAdvice, apply_once, refusal, scope_of, take_back
from errors.recovery.fact_queries import facts_of
from errors.recovery.outcomes import held

State = Recommendation.State
LOOK_EVERY = timedelta(seconds=30)
MAX_ERRORS_IN_REQUEST = 20_000
"""A batch with more errors has its advice worked out by a worker, not while a report waits for it."""
REPLACED_KEPT_FOR = timedelta(days=90)
SHOWN = (State.OPEN, State.APPLIED, State.VERIFIED, State.NO_EFFECT)
GENERAL = ("high_rate", "recurring")
"""Rules that remove no cause: their advice stands below that of the others."""
CONFIDENCES = ("strong", "moderate", "weak", "low")


# -- worked out --------------------------------------------------------------------------------------------------------


def current(batch: Batch, errors: int, *, up_to: int | None = None) -> list[Recommendation]:
    """The batch's recommendations, worked out anew if the batch has changed since.

    With `up_to`, a batch of many errors or of more items than that keeps those that are stored.
    """
    newer = Exists(Findings.objects.filter(batch=batch, at__gt=OuterRef("at")))
    stored = AdviceRevision.objects.filter(batch=batch).annotate(newer=newer).first()
    if stored is None and not errors:
        return []
    revision = f"{batch.status} {errors} {batch.finished_at} {quarantined_items.count_quarantined(batch)}"
    is_current = stored is not None and stored.revision == revision and not stored.newer
    too_soon = stored is not None and batch.status in Batch.ACTIVE and timezone.now() < stored.at + LOOK_EVERY
    may_work_out = up_to is None or (errors <= MAX_ERRORS_IN_REQUEST and batch.total_items <= up_to)
    if may_work_out and not (is_current or too_soon):
        refresh(batch)
        AdviceRevision.objects.update_or_create(batch=batch, defaults={"revision": revision, "at": timezone.now()})
    return list(Recommendation.objects.filter(batch=batch))


def refresh(batch: Batch) -> None:
    """Work the recommendations out anew; what was decided stays decided. A second call changes nothing."""
    verify(batch.pk)
    advice = advise(facts_of(batch))
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch.pk)
        store(batch, advice)


def store(batch: Batch, advice: Sequence[Advice]) -> None:
    """Renew what is open, add what is new or comes back, expire what is not advised any more."""
    last = {(row.rule, row.subject): row for row in Recommendation.objects.filter(batch=batch)}
    number = Recommendation.objects.filter(batch=batch).aggregate(last=Max("number"))["last"] or 0
    for piece in advice:
        before = last.get((piece.rule, piece.subject))
        if before is not None and before.state == State.OPEN:
            renew(before, piece)
        elif before is None or comes_back(before, piece):
            number += 1
            Recommendation.objects.create(batch=batch, number=number, **columns_of(piece))
            supersede(before)
    gone = last.keys() - {(piece.rule, piece.subject) for piece in advice}
    stale = Recommendation.objects.filter(pk__in=[last[subject].pk for subject in gone], state=State.OPEN)
    stale.update(state=State.EXPIRED)


def comes_back(before: Recommendation, advice: Advice) -> bool:
    """What was decided comes back when its evidence has doubled; what was measured, when there is more to retry."""
    if before.state in (State.EXPIRED, State.VERIFIED, State.NO_EFFECT):
        return before.retry is None or advice.items > 0
    return advice.weight >= 2 * max(1, before.weight)


def supersede(before: Recommendation | None) -> None:
    if before is not None and before.state == State.APPLIED:
        Recommendation.objects.filter(pk=before.pk, state=State.APPLIED).update(state=State.SUPERSEDED)


def renew(before: Recommendation, advice: Advice) -> None:
    """Bring an open row up to date, unless somebody applies it at this moment."""
    columns = columns_of(advice)
    if any(getattr(before, name) != value for name, value in columns.items()):
        Recommendation.objects.filter(pk=before.pk, state=State.OPEN).update(**columns)


def columns_of(advice: Advice) -> dict[str, Any]:
    return {
        "rule": advice.rule,
        "rule_version": advice.version,
        "subject": advice.subject[:200],
        "scope": {"filter": scope_of(advice.params), "items": advice.items},
        "findings": list(advice.findings),
        "evidence": [dict(row) for row in advice.evidence],
        "weight": advice.weight,
        "confidence": advice.confidence,
        "title": advice.title[:700],
        "why": advice.why,
        "action": {"verb": advice.verb, "params": dict(advice.params)},
        "alternatives": [dict(other) for other in advice.alternatives],
        "predicted": asdict(advice.predicted) if advice.predicted else {},
        "cost": {"items": advice.items, "minutes": advice.minutes},
    }


# -- decided upon ------------------------------------------------------------------------------------------------------


def get(batch_id: str, number: int) -> Recommendation:
    batch = operations.get_batch(batch_id)
    recommendation = Recommendation.objects.filter(batch=batch, number=number).first()
    if recommendation is None:
        raise UnknownAdvice(f"Batch {batch_id} has no recommendation {number}.")
    return recommendation


def apply(
    batch_id: str, number: int, *, actor: str = "", reason: str = "", carefulness: Mapping[str, Any] | None = None
) -> Recommendation:
    """Carry out a recommendation, once. `carefulness`: how a person wants it done; None: as advised.

    Raises `UnknownAdvice` if there is none of that number, and what its operation raises: then it stays open.
    """
    recommendation, name = get(batch_id, number), f"recommendation {number}"
    options: dict[str, Any] = {"actor": actor, "reason": reason, "carefulness": carefulness}
    apply_once(recommendation, batch_id, name, columns={"reason": reason}, **options)
    return recommendation


def dismiss(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Recommendation:
    """Raises `InvalidTransition` if it is not open."""
    recommendation = get(batch_id, number)
    still_open = Recommendation.objects.filter(pk=recommendation.pk, state=State.OPEN)
    dismissed = still_open.update(state=State.DISMISSED, by=actor, at=timezone.now(), reason=reason)
    recommendation.refresh_from_db()
    if not dismissed:
        raise refusal(batch_id, f"dismiss recommendation {number}", recommendation.state)
    return recommendation


def undo(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Recommendation:
    """Show again what was dismissed; take back what was applied, where that can be. Either is open again."""
    recommendation = get(batch_id, number)
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        row = Recommendation.objects.select_for_update().get(pk=recommendation.pk)
        same = Recommendation.objects.filter(batch=batch_id, rule=row.rule, subject=row.subject, state=State.OPEN)
        takes_back = row.state == State.APPLIED and row.undo
        if same.exists() or not (takes_back or row.state == State.DISMISSED):
            raise refusal(batch_id, f"undo recommendation {number}", row.state)
        if takes_back:
            take_back(batch_id, row.undo, actor, reason)
        row.state, row.undo, row.by, row.at, row.reason, row.retry = State.OPEN, {}, "", None, "", None
        row.save(update_fields=["state", "undo", "by", "at", "reason", "retry"])
    return row


def forget_replaced() -> int:
    """Remove what was not advised any more long ago, or gave way to newer advice; how many.

    The last of each batch stays: numbers are given once.
    """
    later = Recommendation.objects.filter(batch=OuterRef("batch"), number__gt=OuterRef("number"))
    replaced = Recommendation.objects.filter(Exists(later), state__in=(State.EXPIRED, State.SUPERSEDED))
    return delete_in_steps(replaced.filter(created_at__lt=timezone.now() - REPLACED_KEPT_FOR))


# -- compared with what came of them -----------------------------------------------------------------------------------


def verify(batch_id: str) -> None:
    """Store the outcome of each retry that is over beside its prediction."""
    for recommendation in Recommendation.objects.filter(batch=batch_id, state=State.APPLIED, retry__isnull=False):
        retry = Retry.objects.filter(batch=batch_id, number=recommendation.retry or 0).first()
        outcome = retry.outcome() if retry else {"waiting": 1}
        stopped = retry is not None and retry.state in (Retry.State.HELD, Retry.State.CANCELLED)
        if outcome["waiting"] and not stopped:
            continue
        Recommendation.objects.filter(pk=recommendation.pk, state=State.APPLIED).update(
            state=State.VERIFIED if outcome["recovered"] else State.NO_EFFECT,
            actual=outcome,
            held=prediction_held(recommendation, outcome),
        )


def prediction_held(recommendation: Recommendation, outcome: Mapping[str, int]) -> bool | None:
    """Whether the recoveries lay within the prediction; None where nothing was predicted of what was done."""
    predicted_unchanged = recommendation.action.get("verb") == "fix"  # the prediction is of the rows as they were
    return None if predicted_unchanged else held(recommendation.predicted, outcome)


def track_records() -> dict[str, dict[str, int]]:
    """rule -> how many of its predictions were measured, and how many held."""
    measured = Recommendation.objects.filter(held__isnull=False).order_by().values_list("rule")
    rows = measured.annotate(n=Count("pk"), held=Count("pk", filter=Q(held=True)))
    return {rule: {"measured": n, "held": held} for rule, n, held in rows}


# -- shown -------------------------------------------------------------------------------------------------------------


def listed(batch: Batch, errors: int, *, up_to: int | None = None) -> list[dict[str, Any]]:
    """Open recommendations and what became of those applied; the surest first. `up_to` as in `current`."""
    shown = [row for row in current(batch, errors, up_to=up_to) if row.state in SHOWN]
    records = track_records() if shown else {}
    shown.sort(key=place_of)
    return [as_dict(row, records) for row in shown]


def place_of(row: Recommendation) -> tuple[Any, ...]:
    """What stops the bleeding, then what removes a cause, the surest first, then what is true of the whole batch."""
    is_general = row.rule in GENERAL and row.action.get("verb") != "pause"
    confidence = CONFIDENCES.index(row.confidence) if row.confidence in CONFIDENCES else len(CONFIDENCES)
    return row.state != State.OPEN, is_general, row.action.get("verb") != "pause", confidence, row.number


def as_dict(recommendation: Recommendation, records: Mapping[str, dict[str, int]]) -> dict[str, Any]:
    """As the report and REST show it; `records` as `track_records` has them."""
    names = ("number", "rule", "rule_version", "scope", "findings", "evidence", "confidence", "title", "why", "action")
    more = ("alternatives", "predicted", "cost", "state", "by", "reason", "retry", "undo", "actual", "held")
    return {name: getattr(recommendation, name) for name in (*names, *more)} | {
        "at": iso_utc(recommendation.at) if recommendation.at else None,
        "record": records.get(recommendation.rule, {"measured": 0, "held": 0}),
    }
