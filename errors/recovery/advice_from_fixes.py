"""A file of corrected rows carries out the advice to correct them: its outcome stands beside the prediction."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.utils import timezone

from batches.models import Batch, Retry
from errors.findings import errors_of
from errors.models import ErrorRecord, PlanStep, Recommendation
from errors.recovery import recommendations

State = Recommendation.State
RULE, VERB = "validation", "fix"
MAX_ERRORS_IN_CORRECTION = 2_000
"""Advice of a batch with at most so many errors is worked out here, if nobody has looked at the desk before."""


def apply_correction_advice(batch: Batch, retry: Retry, items: Any) -> None:
    """Mark the steps and the recommendation as applied, before the correction's transaction touches its items."""
    if (errors := errors_of(batch)) <= MAX_ERRORS_IN_CORRECTION:
        recommendations.current(batch, errors)
    applied = {"by": retry.actor, "at": timezone.now(), "retry": retry.number}
    steps = PlanStep.objects.filter(plan=batch.pk, action__verb=VERB, state=PlanStep.State.OPEN)
    steps.update(state=PlanStep.State.APPLIED, **applied)
    if not were_invalid(batch, items):
        return
    rows = Recommendation.objects.select_for_update().filter(batch=batch, rule=RULE, retry__isnull=True)
    recommendation = rows.filter(state__in=(State.OPEN, State.APPLIED), action__verb=VERB).last()
    if recommendation is not None:
        reason = f"Corrected by fix {retry.scope['fix']}. {retry.reason}".strip()
        rows.filter(pk=recommendation.pk).update(state=State.APPLIED, reason=reason, **applied)


def were_invalid(batch: Batch, items: Any) -> bool:
    """Whether one of the items had failed for what the advice is about."""
    last = ErrorRecord.objects.filter(batch=batch, item__in=items, attempt=F("item__attempts"))
    return last.filter(category=RULE).exists()
