"""The recovery plan of a batch: worked out on request, stored, applied step by step or as far as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from batches import operations
from batches.clock import iso_utc
from batches.exceptions import InvalidTransition
from batches.models import Batch, Retry
from errors.advice import advise, plan, totals
from errors.models import PlanStep, RecoveryPlan
from errors.recovery.actions import UnknownAdvice, carry_out, refuse
from errors.recovery.fact_queries import facts_of

OPEN, APPLIED = "open", "applied"
RUNS = (RecoveryPlan.State.RUNNING, RecoveryPlan.State.PAUSED)


def make(batch_id: str, *, actor: str = "") -> RecoveryPlan:
    """Work the plan out anew; the one before is replaced."""
    batch = operations.get_batch(batch_id)
    facts = facts_of(batch)
    steps = plan(facts, advise(facts))
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch.pk)
        running = RecoveryPlan.objects.filter(batch=batch, state__in=RUNS).first()
        if running is not None:
            raise refuse(batch_id, "work out another plan", running.state)
        known = {"totals": totals(facts, steps), "by": actor, "at": timezone.now()}
        known |= {"state": RecoveryPlan.State.OPEN, "note": "", "run_by": ""}
        made, _ = RecoveryPlan.objects.update_or_create(batch=batch, defaults=known)
        made.steps.all().delete()
        PlanStep.objects.bulk_create(
            PlanStep(
                plan=made,
                step=number,
                kind=step.kind,
                title=step.title[:700],
                action={"verb": step.verb, "params": dict(step.params)},
                predicted=asdict(step.predicted) if step.predicted else {},
                cost={"items": step.items, "minutes": step.minutes},
            )
            for number, step in enumerate(steps, 1)
        )
    return made


def apply(
    batch_id: str, number: int, *, actor: str = "", reason: str = "", asked: Mapping[str, Any] | None = None
) -> PlanStep:
    """Carry one step out, once. Refused by the operation, it stays open. `asked`: how carefully, if not as advised."""
    operations.get_batch(batch_id)
    found = PlanStep.objects.filter(plan=batch_id, step=number).first()
    if found is None:
        raise UnknownAdvice(f"The plan of batch {batch_id} has no step {number}.")
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        if not PlanStep.objects.filter(pk=found.pk, state=OPEN).update(state=APPLIED, by=actor, at=timezone.now()):
            found.refresh_from_db()
            raise refuse(batch_id, f"apply step {number} of the plan", found.state)
        made = carry_out(batch_id, found.action, actor, reason or found.title, asked)
        known = {"undo": dict(made.undo), "retry": made.retry.number if made.retry else None}
        PlanStep.objects.filter(pk=found.pk).update(**known)
        if made.retry and not made.retry.predicted:
            Retry.objects.filter(pk=made.retry.pk).update(predicted=found.predicted)
    found.refresh_from_db()
    return found


def apply_all(batch_id: str, *, actor: str = "", reason: str = "") -> list[PlanStep]:
    """Open steps in their order, until one must wait for the one before; asked again later, it goes on there."""
    batch = operations.get_batch(batch_id)
    done: list[PlanStep] = []
    for number in PlanStep.objects.filter(plan=batch.pk, state=OPEN).values_list("step", flat=True):
        try:
            done.append(apply(batch_id, number, actor=actor, reason=reason))
        except InvalidTransition:
            if not done:
                raise
            break
    return done


def steps_of(batch_id: str) -> list[dict[str, Any]]:
    return [as_dict(step) for step in PlanStep.objects.filter(plan=batch_id)]


def as_dict(step: PlanStep) -> dict[str, Any]:
    names = ("step", "kind", "title", "action", "predicted", "cost", "state", "note", "by", "retry", "undo")
    at = iso_utc(step.at) if step.at else None
    return {name: getattr(step, name) for name in names} | {"at": at}


def show(batch_id: str) -> dict[str, Any]:
    """The stored plan; none yet: no steps."""
    batch = operations.get_batch(batch_id)
    stored = RecoveryPlan.objects.filter(batch=batch).first()
    return {
        "batch_id": batch.pk,
        "at": iso_utc(stored.at) if stored else None,
        "by": stored.by if stored else "",
        "state": stored.state if stored else RecoveryPlan.State.OPEN,
        "note": stored.note if stored else "",
        "totals": stored.totals if stored else {},
        "steps": steps_of(batch.pk),
    }
