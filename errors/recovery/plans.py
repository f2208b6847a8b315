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
from batches.models import Batch
from errors.advice import Step, advise, plan, totals
from errors.models import PlanStep, RecoveryPlan
from errors.recovery.actions import UnknownAdvice, apply_once, refusal
from errors.recovery.fact_queries import facts_of


def make(batch_id: str, *, actor: str = "") -> RecoveryPlan:
    """Work the plan out anew; the one before is replaced. Raises `InvalidTransition` while that one is run."""
    batch = operations.get_batch(batch_id)
    facts = facts_of(batch)
    steps = plan(facts, advise(facts))
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch.pk)
        under_way = RecoveryPlan.objects.filter(batch=batch, state__in=RecoveryPlan.UNDER_WAY).first()
        if under_way is not None:
            raise refusal(batch_id, "work out another plan", under_way.state)
        worked_out = {"totals": totals(facts, steps), "by": actor, "at": timezone.now()}
        not_run = {"state": RecoveryPlan.State.OPEN, "note": "", "run_by": ""}
        stored, _ = RecoveryPlan.objects.update_or_create(batch=batch, defaults=worked_out | not_run)
        stored.steps.all().delete()
        PlanStep.objects.bulk_create(step_row(stored, number, step) for number, step in enumerate(steps, 1))
    return stored


def step_row(stored: RecoveryPlan, number: int, step: Step) -> PlanStep:
    return PlanStep(
        plan=stored,
        step=number,
        kind=step.kind,
        title=step.title[:700],
        action={"verb": step.verb, "params": dict(step.params)},
        predicted=asdict(step.predicted) if step.predicted else {},
        cost={"items": step.items, "minutes": step.minutes},
    )


def apply(
    batch_id: str, number: int, *, actor: str = "", reason: str = "", carefulness: Mapping[str, Any] | None = None
) -> PlanStep:
    """Carry out a step, once. `carefulness`: how a person wants it done; None: as advised.

    Raises `UnknownAdvice` if there is no such step, and what its operation raises: then it stays open.
    """
    operations.get_batch(batch_id)
    step = PlanStep.objects.filter(plan=batch_id, step=number).first()
    if step is None:
        raise UnknownAdvice(f"The plan of batch {batch_id} has no step {number}.")
    name = f"step {number} of the plan"
    apply_once(step, batch_id, name, actor=actor, reason=reason, carefulness=carefulness)
    return step


def apply_all(batch_id: str, *, actor: str = "", reason: str = "") -> list[PlanStep]:
    """Apply open steps in their order, until one must wait for the one before; the next call goes on there."""
    batch = operations.get_batch(batch_id)
    applied: list[PlanStep] = []
    open_steps = PlanStep.objects.filter(plan=batch.pk, state=PlanStep.State.OPEN)
    for number in open_steps.values_list("step", flat=True):
        try:
            applied.append(apply(batch_id, number, actor=actor, reason=reason))
        except InvalidTransition:
            if not applied:
                raise
            break
    return applied


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
