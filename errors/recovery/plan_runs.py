"""A recovery plan as one run: steps begin by themselves whenever the batch is at rest, and say what holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from batches.compiled_query import CompiledQuery
from batches.exceptions import BatchError
from batches.models import Batch, Retry, Transition
from errors.models import PlanStep, RecoveryPlan
from errors.recovery import plans
from errors.recovery.actions import UnknownAdvice, refusal

State, StepState = RecoveryPlan.State, PlanStep.State
TRANSITIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "run": ((State.OPEN, State.PAUSED), State.RUNNING),
    "pause": ((State.RUNNING,), State.PAUSED),
    "cancel": ((State.RUNNING, State.PAUSED), State.CANCELLED),
}
"""A person's verb -> the states it is legal in, and the one it leads to."""
WHILE_RUNNING = ("pause", "adjust")
"""Verbs of steps that need no batch at rest."""
NEEDS_PEOPLE = {
    "fix": "It needs corrected rows: download them, correct them, and upload them.",
    "wait": "It needs somebody to mend the cause: do that, then retry these items.",
}
"""Verbs of steps that no run of the plan can do."""


def run(batch_id: str, *, actor: str = "", reason: str = "") -> RecoveryPlan:
    """Apply the open steps in their order. Raises `InvalidTransition` if the plan runs already, or has none."""
    note = f"{reason} Run by {actor or 'nobody'}.".strip()
    with transaction.atomic():
        plan = _change(batch_id, "run", note, run_by=actor)
        if not plan.steps.filter(state=StepState.OPEN).exists():
            raise refusal(batch_id, "run the plan", "without an open step")
        transaction.on_commit(partial(advance, batch_id))
    return RecoveryPlan.objects.get(batch=batch_id)


def pause(batch_id: str, *, actor: str = "", reason: str = "") -> RecoveryPlan:
    """Begin no further step; what a step has begun goes on."""
    return _change(batch_id, "pause", f"Paused by {actor or 'nobody'}. {reason}".strip())


def cancel(batch_id: str, *, actor: str = "", reason: str = "") -> RecoveryPlan:
    """Leave the open steps out; what a step has begun goes on, and can be cancelled by itself."""
    note = f"Cancelled by {actor or 'nobody'}. {reason}".strip()
    with transaction.atomic():
        plan = _change(batch_id, "cancel", note)
        plan.steps.filter(state=StepState.OPEN).update(state=StepState.LEFT_OUT, note=note)
    return plan


VERBS: dict[str, Callable[..., RecoveryPlan]] = {"run": run, "pause": pause, "cancel": cancel}


def legal_verbs(state: str) -> list[str]:
    """What a person may do with a plan in that state."""
    return [verb for verb, (legal, _) in TRANSITIONS.items() if state in legal]


def _change(batch_id: str, verb: str, note: str, **columns: Any) -> RecoveryPlan:
    """Move the plan by a verb. Raises `InvalidTransition` where that is not legal, `UnknownAdvice` without a plan."""
    legal, to_state = TRANSITIONS[verb]
    with transaction.atomic():
        Batch.objects.select_for_update().filter(pk=batch_id).first()
        plan = RecoveryPlan.objects.filter(batch=batch_id).first()
        if plan is None:
            raise UnknownAdvice(f"Batch {batch_id} has no recovery plan: work one out first.")
        if plan.state not in legal:
            raise refusal(batch_id, f"{verb} the plan", plan.state)
        _store(plan, state=to_state, note=note, **columns)
    return plan


# -- going on ----------------------------------------------------------------------------------------------------------


def advance_at_rest(transition: Transition) -> None:
    """A batch that comes to rest lets its plan go on; the sweep repeats what gets lost."""
    if transition.to_status in Batch.AT_REST:
        advance(transition.batch_id)


def advance_all() -> None:
    for batch_id in RecoveryPlan.objects.filter(state=State.RUNNING).values_list("batch", flat=True):
        advance(batch_id)


def going_on(batch_ids: list[str]) -> QuerySet[RecoveryPlan, tuple[str]]:
    return RecoveryPlan.objects.filter(batch__in=batch_ids, state=State.RUNNING).order_by().values_list("pk")[:1]


GOING_ON = CompiledQuery(going_on)


def advance(batch_id: str) -> None:
    """Begin the steps that can begin now; a second call changes nothing."""
    if not any(GOING_ON.rows([batch_id])):
        return
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        plan = RecoveryPlan.objects.select_for_update().get(batch=batch_id)
        while plan.state == State.RUNNING and _begin_next(plan):
            pass


def _begin_next(plan: RecoveryPlan) -> bool:
    """Begin one step, if the one before is over and the batch allows it; False when there is nothing to do now."""
    if not _is_last_over(plan):
        return False
    step = plan.steps.filter(state=StepState.OPEN).first()
    if step is None:
        _store(plan, state=State.DONE, note="Every step is over.")
        return False
    if not _may_begin(step, Batch.objects.get(pk=plan.batch_id).status):
        return False
    if note := NEEDS_PEOPLE.get(step.action.get("verb", "")):
        _mark(step, StepState.HELD, note)
        return True
    try:
        with transaction.atomic():
            plans.apply(plan.batch_id, step.step, actor=plan.run_by, reason="The recovery plan runs.")
    except BatchError as error:
        _mark(step, StepState.LEFT_OUT if step.kind == "stop" else StepState.HELD, str(error))
    return True


def _may_begin(step: PlanStep, status: str) -> bool:
    return status in Batch.AT_REST or (step.action.get("verb") in WHILE_RUNNING and status == Batch.Status.RUNNING)


def _is_last_over(plan: RecoveryPlan) -> bool:
    """Whether the retries that the plan's steps began are over.

    A held retry holds its step; a cancelled one pauses the plan.
    """
    begun = {step.retry: step for step in plan.steps.filter(state=StepState.APPLIED, retry__isnull=False)}
    for retry in Retry.objects.filter(batch=plan.batch_id, number__in=list(begun)):
        if retry.state == Retry.State.HELD:
            _mark(begun[retry.number], StepState.HELD, retry.note)
        elif retry.state == Retry.State.CANCELLED:
            _mark(begun[retry.number], StepState.HELD, f"Its retry was cancelled. {retry.note}")
            note = f"Retry {retry.number} was cancelled: resume the plan to go on without it."
            _store(plan, state=State.PAUSED, note=note)
            return False
        elif retry.state != Retry.State.DONE:
            return False
    return True


def _store(plan: RecoveryPlan, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(plan, name, value)
    plan.save(update_fields=list(columns))


def _mark(step: PlanStep, state: str, note: str) -> None:
    step.state, step.note, step.at = state, note, step.at or timezone.now()
    step.save(update_fields=["state", "note", "at"])
