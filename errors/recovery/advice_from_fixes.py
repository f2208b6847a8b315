"""A file of corrected rows carries out the advice to correct them: what comes of it stands beside the prediction."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.dispatch import receiver
from django.utils import timezone

from batches.models import Batch, Retry
from batches.signals import items_corrected
from errors.models import ErrorRecord, PlanStep, Recommendation
from errors.recovery import recommendations

State = Recommendation.State
RULE, VERB = "validation", "fix"
AT_ONCE = 2_000
"""Of so many errors advice is worked out here, if nobody has looked at the desk before."""


@receiver(items_corrected)
def carry_out(sender: type[Batch], batch: Batch, retry: Retry, items: Any, **kwargs: Any) -> None:
    """In the transaction of the correction, before anything is done to its items."""
    if (errors := recommendations.errors_of(batch)) <= AT_ONCE:
        recommendations.current(batch, errors)
    done = {"by": retry.actor, "at": timezone.now(), "retry": retry.number}
    PlanStep.objects.filter(plan=batch.pk, action__verb=VERB, state="open").update(state="applied", **done)
    if not were_invalid(batch, items):
        return
    advice = Recommendation.objects.select_for_update().filter(batch=batch, rule=RULE, retry__isnull=True)
    found = advice.filter(state__in=(State.OPEN, State.APPLIED), action__verb=VERB).last()
    if found is None:
        return
    said = f"Corrected by fix {retry.scope['fix']}. {retry.reason}".strip()
    Recommendation.objects.filter(pk=found.pk).update(state=State.APPLIED, reason=said, **done)


def were_invalid(batch: Batch, items: Any) -> bool:
    """Whether one of them had failed for what the advice is about."""
    last = ErrorRecord.objects.filter(batch=batch, item__in=items, attempt=F("item__attempts"))
    return last.filter(category=RULE).exists()
