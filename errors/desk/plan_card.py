"""The recovery plan on the desk: its steps in order, each prediction beside what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from batches import operations
from batches.extensions import Link
from batches.models import Batch, Retry
from batches.pages.forms import BudgetForm
from errors.desk.addresses import retry_url
from errors.desk.advice_cards import outcome_text
from errors.desk.advice_choices import corrections
from errors.desk.holding import Hold, hold_of
from errors.desk.predictions import expectation_text
from errors.models import PlanStep, RecoveryPlan
from errors.recovery import plan_runs, plans

State = PlanStep.State


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the plan."""

    number: int
    title: str
    note: str
    items: int | None
    predicted: str
    outcome: str
    retry_url: str
    state: str
    """The state in words, for a step that has no buttons."""
    choices: list[Link]
    """Buttons of an open step, for who may act."""
    corrections: list[Link]
    """What a held step waits for: rows to be corrected."""
    is_correction: bool

    @property
    def is_open(self) -> bool:
        return self.state == State.OPEN


@dataclass(frozen=True, slots=True)
class PlanCard:
    """The plan as it was last worked out."""

    state: str
    summary: str
    note: str
    made_by: str
    made_at: datetime | None
    """None: no plan was worked out yet."""
    steps: list[StepRow]
    recovered: int
    """Items that its steps have recovered so far."""
    is_stale: bool
    """Whether items were retried, or set aside, by something else since it was worked out."""
    can_run: bool
    can_pause: bool
    can_cancel: bool
    hold: Hold | None
    """What holds its batch while it runs."""

    @property
    def is_running(self) -> bool:
        return self.state == RecoveryPlan.State.RUNNING

    @property
    def state_label(self) -> str:
        """Empty for a plan of which nothing was begun."""
        if self.is_running and self.hold:
            return self.hold.text
        return "" if self.state == RecoveryPlan.State.OPEN else self.state

    @property
    def run_button(self) -> str:
        return "Go on with the plan…" if self.state == RecoveryPlan.State.PAUSED else "Run the plan…"

    @property
    def make_button(self) -> str:
        return "Work it out anew" if self.steps else "Work out a plan"


@dataclass(frozen=True, slots=True)
class PlanConfirmation:
    """The page on which the run of a whole plan is confirmed."""

    batch: Batch
    plan: PlanCard
    form: BudgetForm | None
    """Asks for another error budget, where the batch's own holds it."""

    @property
    def held_by_budget(self) -> str:
        return operations.holding_reason(self.batch)


def plan_card(batch: Batch) -> PlanCard:
    plan = plans.show(batch.pk)
    numbers = [step["retry"] for step in plan["steps"] if step["retry"]]
    retries = {retry.number: retry for retry in batch.retries.filter(number__in=numbers)}
    outcomes = Retry.outcomes(list(retries.values()))
    rows, recovered, state = [], 0, plan["state"]
    hold = hold_of(batch) if state == RecoveryPlan.State.RUNNING and not batch.is_final else None
    for step in plan["steps"]:
        retry = retries.get(step["retry"] or 0)
        actual = outcomes[retry.pk] if retry else {}
        recovered += actual.get("recovered", 0)
        is_under_way = retry is not None and retry.state in Retry.UNDER_WAY
        is_running = state == RecoveryPlan.State.RUNNING
        row = step_row(
            batch, step | {"actual": actual}, is_under_way=is_under_way, is_held=bool(hold), is_running=is_running
        )
        rows.append(row)
    legal = plan_runs.legal_verbs(state)
    return PlanCard(
        state=state,
        summary=plan["totals"].get("line", ""),
        note=plan["note"],
        made_by=plan["by"],
        made_at=parse_datetime(plan["at"]) if plan["at"] else None,
        steps=rows,
        recovered=recovered,
        is_stale=is_stale(batch, plan, numbers),
        can_run="run" in legal and any(step["state"] == State.OPEN for step in plan["steps"]),
        can_pause="pause" in legal,
        can_cancel="cancel" in legal,
        hold=hold,
    )


def is_stale(batch: Batch, plan: Mapping[str, Any], own_retries: list[int]) -> bool:
    if not plan["at"] or plan["state"] != RecoveryPlan.State.OPEN:
        return False
    since = parse_datetime(plan["at"])
    retried = batch.retries.filter(created_at__gt=since).exclude(number__in=own_retries)
    return retried.exists() or batch.quarantines.filter(created_at__gt=since).exists()


def step_row(batch: Batch, step: Mapping[str, Any], *, is_under_way: bool, is_held: bool, is_running: bool) -> StepRow:
    """`is_under_way`: its retry is, unless `is_held` with its batch; `is_running`: the plan as a whole is, so that
    nobody does a step by hand."""
    is_correction, items = step["kind"] == "fix", step["cost"].get("items")
    to_correct = corrections(batch, items or 0, "") if is_correction else []
    by_hand = Link(f"Do step {step['step']}…", reverse("admin:errors_step", args=[batch.pk, step["step"]]))
    return StepRow(
        number=step["step"],
        title=step["title"],
        note=step["note"],
        items=items,
        predicted=expectation_text(step["predicted"]) if step["kind"] == "retry" else "",
        outcome=outcome_text(step) or ("nothing yet" if step["retry"] else ""),
        retry_url=retry_url(batch.pk, step["retry"]) if step["retry"] else "",
        state=state_text(step, is_under_way=is_under_way, is_held=is_held),
        choices=(to_correct or [by_hand]) if step["state"] == State.OPEN and not is_running else [],
        corrections=to_correct if step["state"] == State.HELD else [],
        is_correction=is_correction,
    )


def state_text(step: Mapping[str, Any], *, is_under_way: bool, is_held: bool) -> str:
    if is_under_way:
        return "held with its batch" if is_held else "under way"
    if step["state"] == State.APPLIED:
        return f"done by {step['by']}" if step["by"] else "done"
    return str(step["state"]).replace("_", " ")
