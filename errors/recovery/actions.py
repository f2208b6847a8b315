"""What advice starts, and what takes it back: only what an operation does, or a decision that is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model

from batches import operations
from batches.exceptions import BatchError, InvalidTransition
from batches.models import Batch, Retry
from errors import groups
from errors.models import ErrorGroup, holds_errors

CANARY = 20
SCOPES = ("group", "matching", "where", "item_keys", "code", "positions")


class UnknownAdvice(BatchError):
    """The batch has no recommendation, or its plan no step, of that number."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was begun: a bulk retry perhaps, and what would take the act back."""

    retry: Retry | None = None
    undo: Mapping[str, Any] = field(default_factory=dict)


Asked = Mapping[str, Any] | None
"""How carefully a person wants it done; None: as advised."""


def _pause(batch_id: str, params: Mapping[str, Any], actor: str, reason: str, asked: Asked) -> Made:
    operations.pause(batch_id, actor=actor, reason=reason)
    return Made()


def _retry(batch_id: str, params: Mapping[str, Any], actor: str, reason: str, asked: Asked) -> Made:
    carefully: dict[str, Any] = {"canary": CANARY} if asked is None else {**asked}
    carefully["reason"] = carefully.get("reason") or reason
    return Made(operations.retry(batch_id, actor=actor, **{**params, **carefully}))


def _adjust(batch_id: str, params: Mapping[str, Any], actor: str, reason: str, asked: Asked) -> Made:
    before = operations.get_batch(batch_id)
    changes = params["changes"]
    batch = operations.adjust(batch_id, actor=actor, reason=reason, **changes)
    undo = {"adjust": {name: getattr(before, name) for name in changes}}
    at_rest = batch.status not in (Batch.Status.QUEUED, Batch.Status.RUNNING)
    if "retry" in params and at_rest and (asked is None or asked.get("retry", True)):
        return Made(_retry(batch_id, params["retry"], actor, reason, None).retry, undo)
    return Made(undo=undo)


def _assign(batch_id: str, params: Mapping[str, Any], actor: str, reason: str, asked: Asked) -> Made:
    """To whoever takes it up; a remark in its history if that is nobody with an account."""
    processor = operations.get_batch(batch_id).processor
    group = ErrorGroup.objects.select_related("assignee").get(processor=processor, fingerprint=params["group"])
    user = get_user_model()._default_manager.filter(username=actor).first()
    if user is None:
        groups.note(group.pk, reason, actor=actor)
        return Made()
    groups.assign(group.pk, user, actor=actor, reason=reason)
    return Made(undo={"assign": {"group": group.pk, "to": group.assignee_id}})


def _hold(batch_id: str, params: Mapping[str, Any], actor: str, reason: str, asked: Asked) -> Made:
    """The items are set aside; advice without items is a decision only."""
    scope = scope_of(params)
    if not scope:
        return Made()
    made = operations.set_aside(batch_id, actor=actor, **{"reason": reason, **(asked or {})}, **scope)
    return Made(undo={"aside": made.number, "items": made.items})


def _resolve(batch_id: str, params: Mapping[str, Any], actor: str, reason: str, asked: Asked) -> Made:
    """Each group once its last retry in this batch is clean; what is closed already stays as it is."""
    processor = operations.get_batch(batch_id).processor
    made = Retry.objects.filter(batch=batch_id, scope__group__in=params["groups"]).order_by("number")
    last = {retry.scope["group"]: retry for retry in made}
    if not last:
        raise InvalidTransition(batch_id, "resolve groups of", "waiting for a retry of them")
    found = ErrorGroup.objects.filter(
        holds_errors(), processor=processor, fingerprint__in=list(last), state__in=ErrorGroup.OPEN
    )
    for group in found.order_by("fingerprint"):
        groups.resolve_when_clean(group.pk, last[group.fingerprint], actor=actor, reason=reason)
    return Made()


def _noted(batch_id: str, params: Mapping[str, Any], actor: str, reason: str, asked: Asked) -> Made:
    """A decision: nothing is moved, the state of the advice is all there is."""
    return Made()


ACTIONS: dict[str, Callable[[str, Mapping[str, Any], str, str, Asked], Made]] = {
    "pause": _pause,
    "retry": _retry,
    "adjust": _adjust,
    "fix": _noted,
    "wait": _noted,
    "hold": _hold,
    "assign": _assign,
    "resolve": _resolve,
}


def carry_out(batch_id: str, action: Mapping[str, Any], actor: str, reason: str, asked: Asked = None) -> Made:
    """Do it, as advised or as a person answered."""
    return ACTIONS[action["verb"]](batch_id, action.get("params", {}), actor, reason, asked)


def scope_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The items that advice is about, as an operation takes them; empty: none are named."""
    return {name: params[name] for name in SCOPES if params.get(name) and params[name] != {"conditions": []}}


def take_back(batch_id: str, undo: Mapping[str, Any], actor: str, reason: str) -> None:
    """Undo what an act has done: items come back, settings are as they were, a group is whose it was."""
    if "aside" in undo:
        operations.bring_back(batch_id, undo["aside"], actor=actor, reason=reason)
    if "adjust" in undo:
        operations.adjust(batch_id, actor=actor, reason=reason or "Taken back.", **undo["adjust"])
    if "assign" in undo:
        user = get_user_model()._default_manager.filter(pk=undo["assign"]["to"]).first()
        groups.assign(undo["assign"]["group"], user, actor=actor, reason=reason or "Taken back.")


def refuse(batch_id: str, what: str, state: str) -> InvalidTransition:
    """What is not open any more cannot be acted upon."""
    return InvalidTransition(batch_id, f"{what} of", state)
