"""What advice starts: only what an operation does, or a decision that is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import get_user_model

from batches import operations
from batches.exceptions import BatchError, InvalidTransition
from batches.models import Batch, Retry
from errors import groups
from errors.models import ErrorGroup

CANARY = 20


class UnknownAdvice(BatchError):
    """The batch has no recommendation, or its plan no step, of that number."""


def _pause(batch_id: str, params: Mapping[str, Any], actor: str, reason: str) -> Retry | None:
    operations.pause(batch_id, actor=actor, reason=reason)
    return None


def _retry(batch_id: str, params: Mapping[str, Any], actor: str, reason: str) -> Retry:
    return operations.retry(batch_id, actor=actor, reason=reason, canary=CANARY, **params)


def _adjust(batch_id: str, params: Mapping[str, Any], actor: str, reason: str) -> Retry | None:
    operations.adjust(batch_id, actor=actor, reason=reason, **params["changes"])
    batch = operations.get_batch(batch_id)
    if "retry" in params and batch.status not in (Batch.Status.QUEUED, Batch.Status.RUNNING):
        return _retry(batch_id, params["retry"], actor, reason)
    return None


def _assign(batch_id: str, params: Mapping[str, Any], actor: str, reason: str) -> Retry | None:
    """To whoever takes it up; a remark in its history if that is nobody with an account."""
    processor = operations.get_batch(batch_id).processor
    group = ErrorGroup.objects.get(processor=processor, fingerprint=params["group"])
    user = get_user_model()._default_manager.filter(username=actor).first()
    if user is None:
        groups.note(group.pk, reason, actor=actor)
    else:
        groups.assign(group.pk, user, actor=actor, reason=reason)
    return None


def _noted(batch_id: str, params: Mapping[str, Any], actor: str, reason: str) -> Retry | None:
    """A decision: nothing is moved, the state of the advice is all there is."""
    return None


ACTIONS: dict[str, Callable[[str, Mapping[str, Any], str, str], Retry | None]] = {
    "pause": _pause,
    "retry": _retry,
    "adjust": _adjust,
    "fix": _noted,
    "hold": _noted,
    "assign": _assign,
}


def carry_out(batch_id: str, action: Mapping[str, Any], actor: str, reason: str) -> Retry | None:
    """The retry it started, if it did."""
    return ACTIONS[action["verb"]](batch_id, action.get("params", {}), actor, reason)


def refuse(batch_id: str, what: str, state: str) -> InvalidTransition:
    """What is not open any more cannot be acted upon."""
    return InvalidTransition(batch_id, f"{what} of", state)
