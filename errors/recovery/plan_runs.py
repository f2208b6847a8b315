"""A recovery plan as one run: it goes on by itself whenever the batch is at rest, and says what it holds and why."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from batches.exceptions import BatchError
from batches.models import Batch, Retry
from batches.signals import batch_transitioned
from errors.models import PlanStep, RecoveryPlan
from errors.recovery import plans
from errors.recovery.actions import UnknownAdvice, refuse

State, Step = RecoveryPlan.State, PlanStep.State
ANY_TIME = ("pause", "adjust")
"""Verbs of steps that need no batch at rest."""
CORRECT = "It needs corrected rows: download them, correct them, and upload them."


def run(batch_id: str, *, actor: str = "", reason: str = "") -> RecoveryPlan:
    """Do the open steps in their order; asked for twice, it runs once."""
    note = f"{reason} " if reason else ""
    _change(batch_id, "run", (State.OPEN, State.PAUSED), State.RUNNING, f"{note}Run by {actor or 'nobody'}.", actor)
    transaction.on_commit(partial(advance, batch_id))
    return RecoveryPlan.objects.get(batch=batch_id)


def pause(batch_id: str, *, actor: str = "", reason: str = "") -> RecoveryPlan:
    """Begin no further step; what a step has begun goes on."""
    return _change(
        batch_id, "pause", (State.RUNNING,), State.PAUSED, f"Paused by {actor or 'nobody'}. {reason}".strip()
    )


def cancel(batch_id: str, *, actor: str = "", reason: str = "") -> RecoveryPlan:
    """Leave the open steps out; what a step has begun goes on, and can be cancelled by itself."""
    note = f"Cancelled by {actor or 'nobody'}. {reason}".strip()
    with transaction.atomic():
        made = _change(batch_id, "cancel", (State.RUNNING, State.PAUSED), State.CANCELLED, note)
        made.steps.filter(state=Step.OPEN).update(state=Step.LEFT_OUT, note=note)
    return made


def _change(
    batch_id: str, verb: str, legal: tuple[str, ...], to: str, note: str, by: str | None = None
) -> RecoveryPlan:
    with transaction.atomic():
        Batch.objects.select_for_update().filter(pk=batch_id).first()
        made = RecoveryPlan.objects.filter(batch=batch_id).first()
        if made is None:
            raise UnknownAdvice(f"Batch {batch_id} has no recovery plan: work one out first.")
        if made.state not in legal:
            raise refuse(batch_id, f"{verb} the plan", made.state)
        if verb == "run" and not made.steps.filter(state=Step.OPEN).exists():
            raise refuse(batch_id, "run the plan", "without an open step")
        made.state, made.note = to, note
        made.run_by = made.run_by if by is None else by
        made.save(update_fields=["state", "note", "run_by"])
    return made


# -- going on ----------------------------------------------------------------------------------------------------------


@receiver(batch_transitioned)
def go_on(sender: type[Batch], batch_id: str, to_status: str, **kwargs: object) -> None:
    """A batch that comes to rest lets its plan go on; the sweep repeats what gets lost."""
    if to_status in Batch.AT_REST:
        advance(batch_id)


def advance_all() -> None:
    for batch_id in RecoveryPlan.objects.filter(state=State.RUNNING).values_list("batch", flat=True):
        advance(batch_id)


def advance(batch_id: str) -> None:
    """Do what can be done now: twice is as good as once."""
    if not RecoveryPlan.objects.filter(batch=batch_id, state=State.RUNNING).exists():
        return
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        made = RecoveryPlan.objects.select_for_update().get(batch=batch_id)
        while made.state == State.RUNNING and _step(made):
            pass


def _step(made: RecoveryPlan) -> bool:
    """One step, if the one before is over and the batch allows it; False when there is nothing to do now."""
    if not _over(made):
        return False
    found = made.steps.filter(state=Step.OPEN).first()
    if found is None:
        _finish(made, State.DONE, "Every step is over.")
        return False
    batch = Batch.objects.get(pk=made.batch_id)
    verb = found.action.get("verb")
    if batch.status not in Batch.AT_REST and not (verb in ANY_TIME and batch.status == Batch.Status.RUNNING):
        return False
    if verb == "fix":
        _mark(found, Step.HELD, CORRECT)
        return True
    try:
        with transaction.atomic():
            plans.apply(made.batch_id, found.step, actor=made.run_by, reason="The recovery plan runs.")
    except BatchError as error:
        _mark(found, Step.LEFT_OUT if found.kind == "stop" else Step.HELD, str(error))
    return True


def _over(made: RecoveryPlan) -> bool:
    """Whether the retries that its steps began are over; a held one holds its step, a cancelled one pauses the plan."""
    begun = {step.retry: step for step in made.steps.filter(state=Step.APPLIED, retry__isnull=False)}
    for retry in Retry.objects.filter(batch=made.batch_id, number__in=list(begun)):
        if retry.state == Retry.State.HELD:
            _mark(begun[retry.number], Step.HELD, retry.note)
        elif retry.state == Retry.State.CANCELLED:
            _mark(begun[retry.number], Step.HELD, f"Its retry was cancelled. {retry.note}")
            _finish(made, State.PAUSED, f"Retry {retry.number} was cancelled: resume the plan to go on without it.")
            return False
        elif retry.state != Retry.State.DONE:
            return False
    return True


def _finish(made: RecoveryPlan, state: str, note: str) -> None:
    made.state, made.note = state, note
    made.save(update_fields=["state", "note"])


def _mark(step: PlanStep, state: str, note: str) -> None:
    step.state, step.note, step.at = state, note, step.at or timezone.now()
    step.save(update_fields=["state", "note", "at"])


VERBS: dict[str, Callable[..., RecoveryPlan]] = {"run": run, "pause": pause, "cancel": cancel}
LEGAL: dict[str, tuple[str, ...]] = {
    "run": (State.OPEN, State.PAUSED),
    "pause": (State.RUNNING,),
    "cancel": (State.RUNNING, State.PAUSED),
}
