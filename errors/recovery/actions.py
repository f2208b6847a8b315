"""What advice starts and what takes it back: an operation upon the batch, or a decision that is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from batches import accounts, operations
from batches.canary_sizes import LEAST, suggested_canary
from batches.exceptions import BatchError, InvalidTransition
from batches.lifecycle.scopes import all_scopes
from batches.models import Batch, Retry
from errors import groups
from errors.models import ErrorGroup, PlanStep, Recommendation, holds_errors


class UnknownAdvice(BatchError):
    """The batch has no recommendation, or its plan no step, of that number."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an action began: a bulk retry perhaps, and what would take the action back."""

    retry: Retry | None = None
    undo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """An action upon a batch, as a person gives it."""

    batch_id: str
    params: Mapping[str, Any]
    actor: str
    reason: str
    carefulness: Mapping[str, Any] | None = None
    """How the person wants it done, such as the size of a canary; None: as advised."""
    items: int = 0
    expected: float | None = None
    """Of these items so many are expected to recover; None: nobody knows."""


def _pause(order: Order) -> Result:
    operations.pause(order.batch_id, actor=order.actor, reason=order.reason)
    return Result()


def _retry(order: Order) -> Result:
    canary, needed = suggested_canary(order.items, order.expected)
    as_advised = {"canary": canary or LEAST, "needed": needed or None}
    options = {**(as_advised if order.carefulness is None else order.carefulness)}
    options["reason"] = options.get("reason") or order.reason
    return Result(operations.retry(order.batch_id, actor=order.actor, **{**order.params, **options}))


def _adjust(order: Order) -> Result:
    """Change how the batch runs; if it is at rest, retry what the change is for, unless the person declines."""
    before = operations.get_batch(order.batch_id)
    changes = order.params["changes"]
    batch = operations.adjust(order.batch_id, actor=order.actor, reason=order.reason, **changes)
    undo = {"adjust": {name: getattr(before, name) for name in changes}}
    at_rest = batch.status not in Batch.WORKABLE
    wants_retry = order.carefulness is None or order.carefulness.get("retry", True)
    if "retry" in order.params and at_rest and wants_retry:
        retry = _retry(Order(order.batch_id, order.params["retry"], order.actor, order.reason)).retry
        return Result(retry, undo)
    return Result(undo=undo)


def _assign(order: Order) -> Result:
    """Assign the group to the actor; to an actor without an account it is a note in the group's history."""
    processor = operations.get_batch(order.batch_id).processor
    rows = ErrorGroup.objects.select_related("assignee")
    group = rows.get(processor=processor, fingerprint=order.params["group"])
    user = accounts.named(order.actor)
    if user is None:
        groups.note(group.pk, order.reason, actor=order.actor)
        return Result()
    groups.assign(group.pk, user, actor=order.actor, reason=order.reason)
    return Result(undo={"assign": {"group": group.pk, "to": group.assignee_id}})


def _hold(order: Order) -> Result:
    """Quarantine the items that the advice names; advice that names none is a decision only."""
    scope = scope_of(order.params)
    if not scope:
        return Result()
    options = {"reason": order.reason, **(order.carefulness or {})}
    act = operations.quarantine(order.batch_id, actor=order.actor, **options, **scope)
    return Result(undo={"aside": act.number, "items": act.items})


def _resolve(order: Order) -> Result:
    """Resolve each group once its last retry in this batch is clean; what is closed already stays as it is."""
    processor = operations.get_batch(order.batch_id).processor
    retries = Retry.objects.filter(batch=order.batch_id, scope__group__in=order.params["groups"]).order_by("number")
    last_retry = {retry.scope["group"]: retry for retry in retries}
    if not last_retry:
        raise InvalidTransition(order.batch_id, "resolve groups of", "waiting for a retry of them")
    rows = ErrorGroup.objects.filter(holds_errors(), processor=processor, state__in=ErrorGroup.OPEN)
    for group in rows.filter(fingerprint__in=list(last_retry)).order_by("fingerprint"):
        groups.resolve_when_clean(group.pk, last_retry[group.fingerprint], actor=order.actor, reason=order.reason)
    return Result()


def _decide(order: Order) -> Result:
    """Nothing is moved: the state of the advice stores the decision."""
    return Result()


ACTIONS: dict[str, Callable[[Order], Result]] = {
    "pause": _pause,
    "retry": _retry,
    "adjust": _adjust,
    "fix": _decide,
    "wait": _decide,
    "hold": _hold,
    "assign": _assign,
    "resolve": _resolve,
}


def apply_once(
    row: Recommendation | PlanStep,
    batch_id: str,
    name: str,
    *,
    actor: str,
    reason: str,
    carefulness: Mapping[str, Any] | None,
    columns: Mapping[str, Any] | None = None,
) -> None:
    """Carry out the action of an open row: of two people who press the button, one does. `columns` are stored with it.

    Raises `InvalidTransition` if the row, called `name`, is not open. Refused by the operation, the row stays open.
    """
    rows = type(row)._default_manager.filter(pk=row.pk)
    applied = {"state": row.State.APPLIED, "by": actor, "at": timezone.now(), **(columns or {})}
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        was_open = rows.filter(state=row.State.OPEN).update(**applied)
        row.refresh_from_db()
        if not was_open:
            raise refusal(batch_id, f"apply {name}", row.state)
        order = Order(
            batch_id, row.action.get("params", {}), actor, reason or row.title, carefulness, **expectation(row)
        )
        result = ACTIONS[row.action["verb"]](order)
        rows.update(undo=dict(result.undo), retry=result.retry.number if result.retry else None)
        if result.retry and row.predicted and not (carefulness or {}).get("predicted"):
            Retry.objects.filter(pk=result.retry.pk).update(predicted=row.predicted)
    row.refresh_from_db()


def expectation(row: Recommendation | PlanStep) -> dict[str, Any]:
    """How many items it is about, and how many of them are expected to recover."""
    return {"items": row.cost.get("items") or 0, "expected": (row.predicted.get("mid") or 0) if row.predicted else None}


def scope_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The items that an action is about, as an operation takes them; empty: none are named."""
    return {name: params[name] for name in all_scopes() if params.get(name) and params[name] != {"conditions": []}}


def take_back(batch_id: str, undo: Mapping[str, Any], actor: str, reason: str) -> None:
    """Undo an action: quarantined items come back, settings are as they were, a group is assigned as before."""
    if "aside" in undo:
        operations.release(batch_id, undo["aside"], actor=actor, reason=reason)
    if "adjust" in undo:
        operations.adjust(batch_id, actor=actor, reason=reason or "Taken back.", **undo["adjust"])
    if "assign" in undo:
        user = accounts.by_id(undo["assign"]["to"])
        groups.assign(undo["assign"]["group"], user, actor=actor, reason=reason or "Taken back.")


def refusal(batch_id: str, what: str, state: str) -> InvalidTransition:
    """What is not open any more cannot be acted upon."""
    return InvalidTransition(batch_id, f"{what} of", state)
